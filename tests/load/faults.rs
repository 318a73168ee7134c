//! Servers that do wrong by messages.

use std::sync::Mutex;

use tickwire::{Context, Message};

use crate::program::{report, run, url};
use crate::support::{Mode, Running, Script};

/// A server for one connection: `answer` is told how manieth a message is.
fn server(
    answer: impl Fn(&mut Context<'_>, usize, Message<'_>) + Send + Sync + 'static,
) -> Running {
    let count = Mutex::new(0);
    Mode::Inline.start(Script::new().on_message(move |ctx, message| {
        let mut count = count.lock().expect("one connection, one thread");
        answer(ctx, *count, message);
        *count += 1;
    }))
}

const ONE_CONNECTION: [&str; 6] = ["-c", "1", "-n", "100", "-w", "0"];

#[track_caller]
fn faults_with_depth(depth: &str, server: &Running, expected: &[(&str, u64)]) {
    let arguments = [&ONE_CONNECTION[..], &["-d", depth]].concat();
    let (code, report) = report(&server.address(), &arguments);
    assert_eq!((code, &*report.faults()), (Some(1), expected), "{report:?}");
    assert!(report.text("/first_fault").contains("connection 0"), "{report:?}");
}

#[test]
fn a_message_that_is_never_answered_is_lost_when_a_later_one_is() {
    let lossy = server(|ctx, number, message| {
        if number != 10 {
            ctx.send(message);
        }
    });
    faults_with_depth("4", &lossy, &[("lost", 1)]);
}

#[test]
fn a_message_that_is_never_answered_is_lost_when_nothing_comes_any_more() {
    let lossy = server(|ctx, number, message| {
        if number < 10 {
            ctx.send(message);
        }
    });
    let address = url(&lossy.address());
    let arguments = [&address, "--json", "-d", "3", "--patience", "2s"];
    let outcome = run(&[&arguments, &ONE_CONNECTION[..]].concat());
    let report = outcome.report();
    assert_eq!((outcome.code, report.faults()), (Some(1), vec![("lost", 3)]), "{report:?}");
    assert_eq!(report.number("/messages"), 10);
}

#[test]
fn a_message_with_one_other_bit_is_altered() {
    for at in [0, 15, 16, 63] {
        let altering = server(move |ctx, number, message| {
            let mut payload = message.as_bytes().to_vec();
            payload[at] ^= u8::from(number == 20) << 5;
            ctx.send(String::from_utf8(payload).expect("text"));
        });
        faults_with_depth("2", &altering, &[("altered", 1)]);
    }
}

#[test]
fn a_message_of_another_kind_or_length_is_altered() {
    let altering = server(|ctx, number, message| {
        match number {
            30 => ctx.send(message.as_bytes()),
            40 => ctx.send(&message.as_text().expect("text")[..63]),
            _ => ctx.send(message),
        };
    });
    faults_with_depth("2", &altering, &[("altered", 2)]);
}

#[test]
fn messages_that_change_places_are_out_of_order() {
    let held = Mutex::new(String::new());
    let swapping = server(move |ctx, number, message| {
        if number == 50 {
            *held.lock().expect("one thread") = message.as_text().expect("text").to_owned();
        } else {
            ctx.send(message);
        }
        if number == 52 {
            ctx.send(held.lock().expect("one thread").as_str());
        }
    });
    faults_with_depth("8", &swapping, &[("out_of_order", 1)]);
}

#[test]
fn a_message_that_comes_twice_is_repeated() {
    let stuttering = server(|ctx, number, message| {
        ctx.send(message);
        if number == 60 {
            ctx.send(message);
        }
    });
    faults_with_depth("3", &stuttering, &[("repeated", 1)]);
}

#[test]
fn messages_to_the_wrong_connection_are_told_with_a_guess_why() {
    let script = Script::new()
        .on_open(|ctx| {
            let topic = ctx.server().topic("all");
            ctx.subscribe(&topic);
        })
        .on_message(|ctx, message| {
            ctx.server().topic("all").publish(message);
        });
    let server = Mode::Inline.start(script);
    let outcome = run(&[&url(&server.address()), "-c", "3", "-n", "100"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("of another connection"), "{outcome:?}");
    assert!(outcome.stdout.contains("does the server broadcast?"), "{outcome:?}");
}

#[test]
fn what_is_wrong_during_the_warm_up_counts_too() {
    let lossy = server(|ctx, number, message| {
        if number != 1 {
            ctx.send(message);
        }
    });
    let arguments = ["-c", "1", "-t", "50ms", "-w", "200ms", "-d", "2"];
    let (code, report) = report(&lossy.address(), &arguments);
    assert_eq!((code, report.faults()), (Some(1), vec![("lost", 1)]), "{report:?}");
}
