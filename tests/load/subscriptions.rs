//! Servers that send of their own accord.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tickwire::CloseCode;

use crate::program::{Outcome, start, url};
use crate::support::{Client, Mode, Process, Running, Script, eventually, example};

const SUBSCRIBE: &str = r#"{"op":"subscribe","channel":"prices"}"#;

/// Publishes until a run with these arguments is over.
fn outcome_of(server: &Running, publication: &str, arguments: &[&str]) -> Outcome {
    let topic = server.handle().topic("prices");
    let mut run = start(&[&[&url(&server.address()), "--json"], arguments].concat());
    eventually("the run is over", || {
        topic.publish(publication);
        run.is_over()
    });
    run.end()
}

#[test]
fn what_arrives_is_counted_on_each_connection() {
    let subscribed = Arc::new(AtomicUsize::new(0));
    let script = Script::new().on_text({
        let subscribed = Arc::clone(&subscribed);
        move |ctx, text| {
            assert!(text == SUBSCRIBE || text == "and this");
            if text == SUBSCRIBE {
                subscribed.fetch_add(1, Ordering::SeqCst);
                let topic = ctx.server().topic("prices");
                ctx.subscribe(&topic);
            }
        }
    });
    let server = Mode::Inline.start(script);
    let arguments =
        ["--send", SUBSCRIBE, "--send", "and this", "-c", "20", "-t", "300ms", "-w", "0"];
    let outcome = outcome_of(&server, "seven b", &arguments);
    let report = outcome.report();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(subscribed.load(Ordering::SeqCst), 20);
    assert_eq!(report.text("/load/kind"), "subscription");
    let messages = report.number("/messages");
    assert!(messages > 0);
    assert_eq!(report.number("/bytes"), 7 * messages);
    let [fewest, most] =
        ["min", "max"].map(|which| report.number(&format!("/messages_per_connection/{which}")));
    assert!(20 * fewest <= messages && messages <= 20 * most && fewest > 0, "{report:?}");
    assert!(report.field("/latency_ns").is_null(), "nothing is known of when they were sent");
}

#[test]
fn it_listens_to_the_broadcast_example_until_enough_has_come() {
    let mut command = std::process::Command::new(example("broadcast"));
    let server = Process::start(command.args(["--listen", "127.0.0.1:0"]));
    let mut run = start(&[&url(server.address()), "--subscribe", "-n", "500", "-c", "5", "--json"]);
    let mut speaker = Client::connect(server.address());
    eventually("the run is over", || {
        speaker.send_text("to all");
        speaker.expect_text("to all");
        run.is_over()
    });
    let outcome = run.end();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.report().number("/messages") >= 500, "{outcome:?}");
}

#[test]
fn a_server_that_closes_is_quoted() {
    let script =
        Script::new().on_text(|ctx, _| ctx.close(CloseCode::from(4001), "no such channel"));
    let server = Mode::Inline.start(script);
    let outcome = start(&[&url(&server.address()), "--send", "x", "-c", "3"]).end();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let line = "ENDED: 3 connections: closed by the server: 4001 (no such channel)";
    assert!(outcome.stdout.contains(line), "{outcome:?}");
}
