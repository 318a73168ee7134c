//! What keeps it from measuring anything: exit status 2, and advice.

use std::net::TcpListener;
use std::process::Command;

use http::StatusCode;
use tickwire::{Refusal, Server};

use crate::program::{Outcome, run, start, url};
use crate::raw_server::RawServer;
use crate::support::{Mode, Running, Script, example};

#[track_caller]
fn expect_error(outcome: &Outcome, parts: &[&str]) {
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(parts.iter().all(|part| outcome.stderr.contains(part)), "{outcome:?}");
    assert_eq!(outcome.stdout, "", "no report");
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let outcome = run(&[&format!("ws://{port}/")]);
    expect_error(&outcome, &["Connection refused", "Is the server running?", &port.to_string()]);
    let outcome = run(&["unix:/nowhere/at/all.sock"]);
    expect_error(&outcome, &["No such file", "There is no such socket"]);
    let outcome = run(&["ws://127.0.0.1:99999/"]);
    expect_error(&outcome, &["cannot look up 127.0.0.1:99999"]);
}

#[test]
fn the_server_refuses() {
    for (status, advice) in [
        (StatusCode::NOT_FOUND, "Is the path right?"),
        (StatusCode::UNAUTHORIZED, "--header"),
        (StatusCode::TOO_MANY_REQUESTS, "--ramp-up"),
    ] {
        let server =
            Mode::Inline.start(Script::echo().on_upgrade(move |_| Err(Refusal::from(status))));
        let outcome = run(&[&url(&server.address())]);
        expect_error(&outcome, &[status.as_str(), advice]);
    }
}

#[test]
fn the_server_is_full() {
    let builder = Server::builder().bind("127.0.0.1:0").max_connections(10);
    let server = Running::start(builder, Script::echo());
    let outcome = run(&[&url(&server.address()), "-c", "11"]);
    expect_error(&outcome, &["503", "fewer --connections"]);
}

#[test]
fn the_server_is_none() {
    let server = RawServer::bind();
    let run = start(&[&url(&server.address()), "-c", "1"]);
    drop(server.accept_silently());
    let outcome = run.end();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let hung_up = outcome.stderr.contains("hung up") || outcome.stderr.contains("reset");
    assert!(hung_up, "{outcome:?}");
}

#[test]
fn there_are_too_few_descriptors() {
    let script = format!("ulimit -n 64; exec {} -c 100", example("load").display());
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    expect_error(&Outcome::of(&output), &["118 open files", "limit is 64", "ulimit -n 118"]);
}

#[test]
fn the_command_line_is_wrong() {
    for (arguments, part) in [
        (&["--rate", "5", "--depth", "3"][..], "cannot be used with"),
        (&["--rate", "0"], "a number per second"),
        (&["http://127.0.0.1/"], "not spoken here"),
        (&["--threads", "3", "-c", "2"], "threads have nothing to do"),
        (&["--spacing", "poisson"], "--rate"),
        (&["--reconnect", "--depth", "2"], "cannot be used with"),
        (&["--congestion", "none such"], "congestion control `none such`"),
        (&["--duration", "soon"], "such as 10s"),
        (&["--header", "no colon"], "Authorization"),
        (&["ws://127.0.0.1:9/ü"], "malformed target"),
    ] {
        expect_error(&run(arguments), &[part]);
    }
}
