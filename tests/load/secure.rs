//! Servers that speak TLS.

use tickwire::Server;

use crate::program::{Outcome, run};
use crate::support::tls::{Authority, files, server_tls, write_file};
use crate::support::{Running, Script};

fn start() -> Running {
    let builder = Server::builder().bind_tls("127.0.0.1:0", server_tls());
    #[cfg(feature = "deflate")]
    let builder = builder.compression(tickwire::Compression::shared());
    Running::start(builder.event_loops(1).handler_threads(0), Script::echo())
}

/// A run with these roots, or else the platform's.
fn load(url: &str, roots: Option<&str>, arguments: &[&str]) -> Outcome {
    let roots: Vec<_> = roots.into_iter().flat_map(|path| ["--tls-ca", path]).collect();
    let own = [url, "--json", "--patience=30s", "-n", "300", "-w", "0.01", "-c", "3"];
    run(&[&own[..], &roots, arguments].concat())
}

#[test]
fn every_message_comes_back_from_a_server_that_is_trusted() {
    let server = start();
    let url = format!("wss://{}/", server.address());
    let authority = files().authority.to_str().expect("a path in UTF-8");
    let mut loads: Vec<&[&str]> = vec![&[], &["-s", "100k", "-d", "3"], &["--reconnect"]];
    if cfg!(feature = "deflate") {
        loads.push(&["--deflate", "-s", "1k"]);
    }
    for arguments in loads {
        let outcome = load(&url, Some(authority), arguments);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        let report = outcome.report();
        assert_eq!((report.number("/messages"), report.faults()), (300, vec![]), "{report:?}");
    }
    let outcome = load(&url, None, &["--tls-insecure"]);
    assert_eq!(outcome.code, Some(0), "whoever it is: {outcome:?}");
}

#[test]
fn a_server_that_is_not_trusted_gets_no_message() {
    let server = start();
    let url = format!("wss://{}/", server.address());
    let stranger = write_file("stranger.pem", &Authority::new("a stranger").pem());
    for roots in [None, stranger.to_str()] {
        let outcome = load(&url, roots, &[]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("certificate"), "{outcome:?}");
    }
    let outcome = load(&url, Some("/no/such/file"), &[]);
    assert!(outcome.code == Some(2) && outcome.stderr.contains("/no/such/file"), "{outcome:?}");
    assert_eq!(server.handle().stats().total.messages_received, 0);
}
