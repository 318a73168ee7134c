//! Every server that was built, once: the load tool finds nothing wrong with what they send back, and
//! every kind of measurement gives a figure for each.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// All measure on the same two cores: one after the other.
static CORES: Mutex<()> = Mutex::new(());

/// Measures briefly, but for long enough that a message comes through on a busy machine; returns the
/// data of the report, by tables.
fn measure(kind: &str, arguments: &[&str]) -> Value {
    let _cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(kind);
    let output = Command::new(env!("CARGO_BIN_EXE_peers"))
        .args([kind, "--rounds=1", "--seconds=1", "--out"])
        .arg(&out)
        .args(arguments)
        .output()
        .expect("the runner runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !log.contains("FAILED"), "{log}");
    let text = fs::read_to_string(out.join("report.md")).expect("a report for people");
    assert!(text.starts_with("# tickwire and its peers"), "{text}");
    let svg = fs::read_to_string(out.join(format!("{kind}.svg"))).expect("a picture");
    assert!(svg.ends_with("</svg>\n"), "{svg}");
    let json = fs::read_to_string(out.join("report.json")).expect("a report for programs");
    let mut report: Value = serde_json::from_str(&json).expect("JSON");
    report["results"].take()
}

/// Every outcome has this figure; those that are built without a feature make so many.
#[track_caller]
fn expect_figures(outcomes: &Value, figure: &str, least: usize) {
    let outcomes = outcomes.as_array().expect("a list");
    assert!(outcomes.len() >= least, "at least the peers without a feature: {outcomes:?}");
    for outcome in outcomes {
        let value = &outcome[figure]["median"];
        assert!(value.as_f64().is_some_and(|it| it >= 0.0), "no {figure} in {outcome}");
    }
}

#[test]
fn every_server_echoes_messages_of_every_size_in_order() {
    expect_figures(&measure("echo", &[])["echo"], "ratio", 3 * 7);
}

#[test]
fn every_server_delivers_to_all_subscribers() {
    expect_figures(&measure("fan-out", &["--row=16"])["fan-out"], "ratio", 3);
}

#[test]
fn every_server_has_a_latency() {
    expect_figures(&measure("latency", &["--row=20,000"])["latency"], "p99", 3);
}

#[test]
fn every_server_closes_connections_and_takes_new_ones() {
    expect_figures(&measure("handshakes", &[])["handshakes"], "per_s", 3);
}

#[test]
fn who_speaks_tls_echoes_over_it() {
    expect_figures(&measure("tls", &[])["tls"], "ratio", 2 * 2);
}

#[test]
fn who_compresses_echoes_and_publishes_fewer_bytes() {
    let echoed = measure("deflate", &["--row=1KiB"])["deflate"].take();
    // The others compress for each subscriber: without optimization they do not keep the pace.
    let published = measure("deflate", &["--row=published", "--peers=tickwire"]);
    let published = published["deflate-fan-out"].clone();
    for outcomes in [&echoed, &published] {
        expect_figures(outcomes, "ratio", 3);
        for outcome in outcomes.as_array().expect("a list") {
            let (server, len) = (&outcome["server"], outcome["framed_len"]["median"].as_f64());
            let is_plain = !server.as_str().expect("a name").contains(", ");
            assert!(len.is_some_and(|len| is_plain == (len > 900.0)), "{server}: {len:?}");
        }
    }
}

#[test]
fn a_row_that_is_not_there_is_an_empty_table() {
    assert_eq!(measure("echo", &["--row=none such"])["echo"], Value::Array(vec![]));
}

#[test]
fn an_unknown_peer_is_refused_with_the_names_of_those_that_there_are() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peers"));
    let output = command.args(["echo", "--peers=nobody"]).output().expect("the runner runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && log.contains("raw, tickwire"), "{log}");
}
