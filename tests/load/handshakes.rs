//! A connection for each message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tickwire::CloseCode;

use crate::program::{report, run, url};
use crate::support::{Mode, Script, eventually, in_each_mode};

#[test]
fn each_message_has_a_connection_that_is_closed_as_in_rfc_6455() {
    in_each_mode(|mode| {
        let opened = Arc::new(AtomicUsize::new(0));
        let closed = Arc::new(AtomicUsize::new(0));
        let script = Script::echo()
            .on_open({
                let opened = Arc::clone(&opened);
                move |_| {
                    opened.fetch_add(1, Ordering::SeqCst);
                }
            })
            .on_close({
                let closed = Arc::clone(&closed);
                move |_, it| {
                    assert_eq!(it.code, CloseCode::NORMAL);
                    closed.fetch_add(1, Ordering::SeqCst);
                }
            });
        let server = mode.start(script);
        let arguments = ["--reconnect", "-n", "500", "-c", "7", "-w", "0", "--threads", "2"];
        let (code, report) = report(&server.address(), &arguments);
        assert_eq!((code, report.faults()), (Some(0), vec![]), "{report:?}");
        assert_eq!(report.number("/messages"), 500);
        assert_eq!(report.number("/latency_ns/count"), 500);
        assert_eq!(report.field("/load/reconnect"), true);
        assert_eq!(opened.load(Ordering::SeqCst), 500);
        eventually("all are closed", || closed.load(Ordering::SeqCst) == 500);
    });
}

#[test]
fn a_time_can_be_measured_too() {
    let server = Mode::Inline.start(Script::echo());
    let outcome = run(&[&url(&server.address()), "--reconnect", "-t", "200ms", "-w", "50ms"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("opened anew for each message"), "{outcome:?}");
}

#[test]
fn a_connection_that_is_cut_is_no_goodbye() {
    let server =
        Mode::Inline.start(Script::new().on_text(|ctx, _| ctx.close(CloseCode::from(4001), "no")));
    let outcome = run(&[&url(&server.address()), "--reconnect", "-c", "3", "-w", "0"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("closed by the server: 4001 (no)"), "{outcome:?}");
}
