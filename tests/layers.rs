//! The layers of the crate, held against its sources.
//!
//! A module imports only from layers below its own, and folders of one layer do not import each
//! other. Tests within the sources are bound too; comments are not, and neither is `lib.rs`, which
//! shows the layers to the outside.

#[path = "support/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use source::{Named, Token, named_paths, tokens};

/// Each top-level module and its layer.
const LAYERS: &[(&str, u8)] = &[
    ("server", 5),
    ("event_loop", 4),
    ("transport", 3),
    ("mailbox", 3),
    ("pubsub", 3),
    ("protocol", 2),
    ("handshake", 2),
    ("proxy_protocol", 2),
    ("frame", 1),
    ("deflate", 1),
    ("buf", 0),
    ("mask", 0),
    ("scheduling", 0),
    ("utf8", 0),
];

const MAX_LINE_COUNT: usize = 500;

/// What a `mod.rs` must not hold: it only declares and re-exports.
const DEFINING: &[&str] = &[
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "const",
    "static",
    "type",
    "macro_rules",
    "extern",
];

#[test]
fn modules_import_only_from_layers_below() {
    assert_none(crate_files().iter().flat_map(upward_imports));
}

#[test]
fn unsafe_is_only_in_mask_in_a_system_call_and_in_one_file_of_buf() {
    assert_none(misplaced_unsafe(&crate_files()));
}

#[test]
fn mod_files_only_declare_and_re_export() {
    assert_none(crate_files().iter().flat_map(definitions_in_mod_file));
}

#[test]
fn files_are_short() {
    assert_none(crate_files().iter().filter_map(too_long));
}

/// Deadlines must not depend on somebody setting the clock.
#[test]
fn time_is_monotonic() {
    let wall_clocks = |file: &File| {
        let line = line_of(file, &["SystemTime", "UNIX_EPOCH"])?;
        Some(format!("src/{}:{line}: the wall clock, which jumps", file.path))
    };
    assert_none(crate_files().iter().filter_map(wall_clocks));
}

fn assert_none(violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

struct File {
    /// Below `src/`, with slashes.
    path: String,
    line_count: usize,
    tokens: Vec<Token>,
}

impl File {
    fn new(path: &str, source: &str) -> Self {
        let (line_count, tokens) = (source.lines().count(), tokens(source));
        Self { path: path.to_owned(), line_count, tokens }
    }

    /// The module that the file holds, from the crate's root.
    fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').map(str::to_owned).collect()
    }
}

/// All sources of the crate. Fails if there is less than what there surely is.
fn crate_files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    read_folder(&root, "", &mut files);
    for expected in ["lib.rs", "utf8.rs", "mask/mod.rs", "frame/header.rs", "protocol/endpoint.rs"]
    {
        assert!(files.iter().any(|file| file.path == expected), "{expected} was not read");
    }
    files
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let entry = entry.expect("the folder is readable");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            read_folder(&path, &format!("{name}/"), files);
        } else if name.ends_with(".rs") {
            let source = fs::read_to_string(&path).expect("sources are UTF-8");
            files.push(File::new(&name, &source));
        }
    }
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn upward_imports(file: &File) -> Vec<String> {
    if file.path == "lib.rs" {
        return Vec::new();
    }
    let module = file.module();
    let Some(layer) = layer_of(&module[0]) else {
        return vec![format!("src/{}: `{}` has no layer", file.path, module[0])];
    };
    let judge = |Named { line, path }: Named| {
        let complaint = match path.first() {
            Some(target) if *target == module[0] => return None,
            None => "imports the crate's root".to_owned(),
            Some(target) => match layer_of(target) {
                Some(below) if below < layer => return None,
                Some(above) => format!("imports `{target}`, which is layer {above}"),
                None => format!("imports `{target}`, which has no layer: name its module"),
            },
        };
        Some(format!("src/{}:{line}: `{}`, layer {layer}, {complaint}", file.path, module[0]))
    };
    named_paths(&module, &file.tokens).into_iter().filter_map(judge).collect()
}

fn misplaced_unsafe(files: &[File]) -> Vec<String> {
    let mut found: Vec<(&str, usize)> = files
        .iter()
        .filter_map(|file| Some((&file.path[..], line_of(file, &["unsafe"])?)))
        .collect();
    // The system call has no safe form anywhere.
    found.retain(|(path, _)| !path.starts_with("mask/") && *path != "scheduling.rs");
    found.sort_unstable();
    let mut in_buf_count = 0;
    found.retain(|(path, _)| {
        in_buf_count += usize::from(path.starts_with("buf/"));
        !(path.starts_with("buf/") && in_buf_count == 1)
    });
    found.into_iter().map(|(path, line)| format!("src/{path}:{line}: `unsafe`")).collect()
}

fn definitions_in_mod_file(file: &File) -> Option<String> {
    if !file.path.ends_with("mod.rs") {
        return None;
    }
    let line = line_of(file, DEFINING).or_else(|| inline_module_line(file))?;
    Some(format!("src/{}:{line}: a mod.rs only declares and re-exports", file.path))
}

fn inline_module_line(file: &File) -> Option<usize> {
    let is_inline = |window: &&[Token]| {
        window[0].word() == Some("mod") && window[2].kind == source::Kind::Punctuation('{')
    };
    file.tokens.windows(3).find(is_inline).map(|window| window[0].line)
}

fn too_long(file: &File) -> Option<String> {
    (file.line_count > MAX_LINE_COUNT).then(|| {
        format!("src/{}: {} lines, more than {MAX_LINE_COUNT}", file.path, file.line_count)
    })
}

/// The first line that has one of the `words`.
fn line_of(file: &File, words: &[&str]) -> Option<usize> {
    let token =
        file.tokens.iter().find(|token| token.word().is_some_and(|w| words.contains(&w)))?;
    Some(token.line)
}

mod the_checks_themselves {
    use super::*;

    fn complaints(path: &str, source: &str) -> usize {
        upward_imports(&File::new(path, source)).len()
    }

    #[test]
    fn upward_and_sideways_imports_are_found_however_they_are_written() {
        let wrong = [
            ("frame/header.rs", "use crate::protocol::Endpoint;"),
            ("frame/mod.rs", "use super::protocol::Endpoint;"),
            ("frame/header.rs", "use super::super::protocol::Endpoint;"),
            ("frame/v/deep.rs", "use super::super::super::protocol;"),
            ("frame/header.rs", "fn f() { let _ = crate::protocol::Endpoint::new(); }"),
            ("frame/header.rs", "impl From<super::super::protocol::Event> for X {}"),
            ("frame/header.rs", "use crate::{mask, protocol::{Event as E}};"),
            ("frame/header.rs", "use {std::fmt, crate::server};"),
            ("frame/header.rs", "pub(crate) use crate::{\n    buf,\n    transport as t,\n};"),
            ("frame/header.rs", "use super::{OpCode, super::server::Handler};"),
            (
                "frame/header.rs",
                "#[cfg(test)]\nmod tests {\n    use super::super::super::pubsub;\n}",
            ),
            ("frame/header.rs", "use tickwire::server::Handler;"),
            ("frame/header.rs", "use crate::r#server;"),
            ("frame/header.rs", "macro_rules! m { () => { $crate::server::x() } }"),
            ("frame/header.rs", "use crate as root;"),
            ("frame/header.rs", "use crate::*;"),
            ("frame/header.rs", "use crate::Message;"),
            ("frame/header.rs", "use crate::deflate::Inflate;"),
            ("protocol/endpoint.rs", "use crate::handshake::Request;"),
            ("handshake/request.rs", "use crate::protocol::Limits;"),
            ("pubsub/topic.rs", "use crate::mailbox::Mailbox;"),
            ("event_loop/core.rs", "use crate::server::Handler;"),
            ("mask/mod.rs", "use crate::buf::Pool;"),
            ("utf8.rs", "use super::mask;"),
            ("metrics/mod.rs", "//! A folder that the table does not know."),
        ];
        for (path, source) in wrong {
            assert_eq!(complaints(path, source), 1, "{path}: {source}");
        }
    }

    #[test]
    fn every_wrong_import_is_reported_with_its_line() {
        let file =
            File::new("buf/pool.rs", "\nuse crate::frame;\n\nuse crate::{mask,\n server};\n");
        assert_eq!(
            upward_imports(&file),
            [
                "src/buf/pool.rs:2: `buf`, layer 0, imports `frame`, which is layer 1",
                "src/buf/pool.rs:4: `buf`, layer 0, imports `mask`, which is layer 0",
                "src/buf/pool.rs:5: `buf`, layer 0, imports `server`, which is layer 5",
            ]
        );
    }

    #[test]
    fn imports_from_below_and_from_within_are_not_complained_of() {
        let right = [
            ("lib.rs", "pub use crate::server::Server;"),
            ("server/mod.rs", "use crate::{buf, event_loop::Core, transport::{self, Stream}};"),
            ("protocol/endpoint.rs", "use super::assembly::Assembly; use crate::frame::*;"),
            (
                "protocol/endpoint.rs",
                "use self::inner::X; use std::server::Y; pub(crate) fn f() {}",
            ),
            (
                "frame/header.rs",
                "/// See [`crate::protocol`].\n//! crate::server\n/* a /* crate::server */ b */",
            ),
            ("frame/header.rs", "const S: &str = \"crate::server \\\" crate::server\";"),
            ("frame/header.rs", "const S: &str = r#\"crate::server \" crate::server\"#;"),
            (
                "frame/header.rs",
                "fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' } // crate::server \"",
            ),
            (
                "frame/header.rs",
                "#[cfg(test)] mod tests { use super::super::CloseFrame; use super::*; }",
            ),
            ("utf8.rs", "mod tests { use super::*; }"),
            ("frame/header.rs", "mod a { mod b { } } use super::close;"),
        ];
        for (path, source) in right {
            assert_eq!(upward_imports(&File::new(path, source)), [""; 0], "{path}: {source}");
        }
    }

    #[test]
    fn unsafe_outside_its_places_is_found() {
        let file = |path: &str| File::new(path, "fn f() { unsafe { g() } }");
        let harmless = File::new("frame/header.rs", "#![deny(unsafe_code)] // unsafe\nfn f() {}");
        assert_eq!(
            misplaced_unsafe(&[file("mask/avx2.rs"), file("buf/ring.rs"), harmless]),
            [""; 0]
        );
        assert_eq!(
            misplaced_unsafe(&[file("buf/b.rs"), file("buf/a.rs"), file("mask_it.rs")]),
            ["src/buf/b.rs:1: `unsafe`", "src/mask_it.rs:1: `unsafe`"]
        );
    }

    #[test]
    fn definitions_in_a_mod_file_are_found() {
        let right = "//! fn\n#[cfg(target_arch = \"x86_64\")]\nmod fast;\npub mod slow;\n\
                     pub use fast::{A, b as c};\npub(crate) use slow::*;\n";
        assert_eq!(definitions_in_mod_file(&File::new("mask/mod.rs", right)), None);
        for wrong in
            ["pub fn f() {}", "struct S;", "impl S {}", "const N: usize = 1;", "mod tests { }"]
        {
            let source = format!("{right}{wrong}");
            assert!(
                definitions_in_mod_file(&File::new("mask/mod.rs", &source)).is_some(),
                "{wrong}"
            );
            assert_eq!(definitions_in_mod_file(&File::new("mask/apply.rs", &source)), None);
        }
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(too_long(&File::new("buf/pool.rs", &"\n".repeat(500))), None);
        assert!(too_long(&File::new("buf/pool.rs", &"\n".repeat(501))).is_some());
    }
}
