//! Messages at a fixed rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::program::{report, run, url};
use crate::support::{Mode, Running, Script, in_each_mode};

#[test]
fn all_messages_are_sent_timed_and_answered_whoever_sends_them() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        for (threads, wait) in [("1", "spin"), ("1", "sleep"), ("3", "sleep")] {
            let arguments = ["-r", "5000", "-n", "601", "-c", "10", "-w", "50ms"];
            let how = ["--threads", threads, "--wait", wait];
            let (code, report) = report(&server.address(), &[&arguments[..], &how].concat());
            assert_eq!((code, report.faults()), (Some(0), vec![]), "{report:?}");
            assert_eq!(report.number("/messages"), 601);
            assert_eq!(report.number("/latency_ns/count"), 601);
            assert_eq!(report.text("/load/kind"), "open_loop");
            assert_eq!(report.number("/load/lateness_ns/count"), 601);
            assert_eq!(report.number("/load/unsent"), 0);
        }
    });
}

#[test]
fn messages_that_come_by_chance_are_as_many() {
    let server = Mode::Inline.start(Script::echo());
    let arguments = ["-r", "20000", "-t", "500ms", "-w", "0", "--spacing", "poisson"];
    let (code, report) = report(&server.address(), &arguments);
    assert_eq!((code, report.faults()), (Some(0), vec![]), "{report:?}");
    // 10,000 on average, and seldom more than three times 100 apart from that.
    let count = report.number("/load/lateness_ns/count");
    assert!((9_000..11_000).contains(&count), "{report:?}");
}

/// While the server stands still, every message that is meant to be sent waits: a tool that sent
/// nothing in that time would see a single slow one.
#[test]
fn messages_that_were_meant_to_be_sent_while_the_server_stood_still_have_waited() {
    const STANDSTILL: Duration = Duration::from_millis(400);
    let count = AtomicU64::new(0);
    let server = Mode::Inline.start(Script::new().on_message(move |ctx, message| {
        if count.fetch_add(1, Ordering::Relaxed) == 100 {
            thread::sleep(STANDSTILL);
        }
        ctx.send(message);
    }));
    // 1,000 messages in a second, so 400 while it sleeps.
    let arguments = ["-r", "1000", "-n", "1000", "-w", "0", "-c", "4"];
    let (code, report) = report(&server.address(), &arguments);
    assert_eq!(code, Some(0), "{report:?}");
    // Those of the first quarter of the sleep have waited for three quarters of it, and are 10%.
    let expected = (STANDSTILL * 3 / 4 - Duration::from_millis(10)).as_nanos() as u64;
    assert!(report.number("/latency_ns/p90") >= expected, "{report:?}");
}

#[test]
fn what_could_not_be_sent_is_not_passed_over_in_silence() {
    let script = Script::new().on_message(|ctx, message| {
        thread::sleep(Duration::from_millis(20));
        ctx.send(message);
    });
    let server = Running::start(Mode::Inline.builder().max_backpressure(64 << 20), script);
    let outcome = run(&[
        &url(&server.address()),
        "--rate=500",
        "--size=1M",
        "--connections=2",
        "--duration=300ms",
        "--warm-up=0",
        "--patience=10s",
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("the server did not keep up"), "{outcome:?}");
}
