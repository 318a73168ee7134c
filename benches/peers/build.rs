//! Builds the uWebSockets server, a program of its own, from the C++ sources that the crate
//! `libuwebsockets-sys` brings.
//!
//! Where that does not work out, for want of a C++20 compiler say, the others are built all the same,
//! and the program says why this one is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, error, fs};

const CRATE: &str = "libuwebsockets-sys";
const SERVER: &str = "uwebsockets/server.cpp";
/// Of µSockets, what a server without TLS on epoll needs.
const SOCKETS: [&str; 5] = ["bsd", "context", "loop", "socket", "eventing/epoll_kqueue"];

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

fn main() {
    println!("cargo::rerun-if-changed={SERVER}");
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-env-changed=CXX");
    if env::var_os("CARGO_FEATURE_UWEBSOCKETS").is_none() {
        return;
    }
    match build() {
        Ok(program) => println!("cargo::rustc-env=UWEBSOCKETS_SERVER={}", program.display()),
        Err(error) => {
            let reason = error.to_string().replace('\n', " ");
            println!("cargo::rustc-env=UWEBSOCKETS_MISSING={reason}");
            println!("cargo::warning=no uWebSockets: {reason}");
        }
    }
}

fn build() -> Result<PathBuf> {
    let sources = sources()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let sockets = sources.join("uSockets/src");
    let mut objects = Vec::new();
    for name in SOCKETS {
        let object = out.join(name.replace('/', "_")).with_extension("o");
        let mut command = compiler(false)?;
        command.args(["-std=c11", "-DLIBUS_NO_SSL", "-c", "-I"]).arg(&sockets);
        command.arg(sockets.join(name).with_extension("c")).arg("-o").arg(&object);
        run(&mut command)?;
        objects.push(object);
    }
    let program = out.join("uwebsockets-server");
    let link = |zlib| {
        let mut command = compiler(true)?;
        command.args(["-std=c++20", "-DLIBUS_NO_SSL"]);
        command.arg("-I").arg(sources.join("src")).arg("-I").arg(&sockets);
        command.arg(SERVER).args(&objects).arg(zlib).arg("-o").arg(&program);
        run(&mut command)
    };
    if let Err(error) = link("-lz") {
        println!("cargo::warning=uWebSockets without compression: {error}");
        link("-DUWS_NO_ZLIB")?;
    }
    Ok(program)
}

/// Where cargo has put the sources.
fn sources() -> Result<PathBuf> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(env::var("CARGO_MANIFEST_DIR")?)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo names no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == CRATE)
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or_else(|| format!("cargo does not know {CRATE}"))?;
    let sources = Path::new(manifest).with_file_name("uWebSockets");
    match fs::exists(sources.join("src/App.h"))? {
        true => Ok(sources),
        false => Err(format!("{CRATE} brings no sources").into()),
    }
}

/// A compiler that optimizes across files, as uWebSockets' own build has it.
fn compiler(is_cpp: bool) -> Result<Command> {
    let tool = cc::Build::new().cpp(is_cpp).cargo_metadata(false).try_get_compiler()?;
    let mut command = Command::new(tool.path());
    command.args(["-O3", "-flto", "-w"]);
    if env::var("CARGO_CFG_TARGET_ARCH")? == "x86_64" {
        // Its own build asks for `native`: this is that without AVX-512, which valgrind does not
        // know.
        command.arg("-march=x86-64-v3");
    }
    Ok(command)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}
