//! Servers that echo: closed loops.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tickwire::frame::OpCode;
use tickwire::{CloseCode, Server};

use crate::program::{report, run, start, url};
use crate::raw_server::RawServer;
use crate::support::{Mode, Process, Running, Script, eventually, example, in_each_mode, soon};

#[test]
fn every_kind_of_message_comes_back_and_is_counted_once() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        for (size, depth, kind) in [
            ("64", "1", &[][..]),
            ("64", "1", &["--binary"]),
            ("0", "3", &["--binary"]),
            ("1", "16", &[]),
            ("15", "7", &["--binary"]),
            ("126", "40", &[]),
            ("100k", "4", &["--binary"]),
        ] {
            let arguments = ["-n", "500", "-w", "0", "-c", "7", "--threads", "2"];
            let arguments = [&arguments[..], &["-s", size, "-d", depth], kind].concat();
            let (code, report) = report(&server.address(), &arguments);
            assert_eq!((code, report.faults()), (Some(0), vec![]), "{report:?}");
            assert_eq!(report.number("/messages"), 500);
            assert_eq!(report.number("/latency_ns/count"), 500);
            let len = report.number("/load/size");
            assert_eq!(report.number("/bytes"), 500 * len);
            assert_eq!(report.text("/load/kind"), "closed_loop");
            assert!(report.number("/latency_ns/p50") <= report.number("/latency_ns/p999"));
            assert!(report.number("/latency_ns/p9999") <= report.number("/latency_ns/max"));
        }
    });
}

#[test]
fn it_runs_against_the_echo_example_by_name_and_by_socket() {
    let path = std::env::temp_dir().join(format!("tickwire-load-{}.sock", std::process::id()));
    let unix = format!("unix:{}", path.display());
    let mut command = std::process::Command::new(example("echo"));
    let server = Process::start(command.args(["--listen", "127.0.0.1:0", "--listen", &unix]));
    let address = server.address().to_string();
    let (_, port) = address.rsplit_once(':').expect("a port");
    for address in [format!("ws://localhost:{port}/any?path"), unix] {
        let outcome = run(&[&address, "-n", "300", "-w", "0.01"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(outcome.stdout.starts_with(&address), "{outcome:?}");
        assert!(outcome.stdout.contains("every message came back as it was sent"), "{outcome:?}");
        assert!(outcome.stdout.contains("p99.99"), "{outcome:?}");
    }
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_come_back_too() {
    for compression in [tickwire::Compression::shared(), tickwire::Compression::dedicated()] {
        let builder = Mode::Inline.builder().compression(compression);
        let server = Running::start(builder, Script::echo());
        for size in ["1", "64", "1k", "100k"] {
            let arguments = ["--deflate", "-n", "200", "-w", "0.01", "-c", "3", "-s", size];
            let (code, report) = report(&server.address(), &arguments);
            assert_eq!((code, report.faults()), (Some(0), vec![]), "{report:?}");
        }
        assert!(server.handle().stats().total.deflate_ratio() > Some(1.5));
    }
    let server = Mode::Inline.start(Script::echo());
    let outcome = run(&[&url(&server.address()), "--deflate", "-n", "1"]);
    assert_eq!(outcome.code, Some(2), "the server does not compress: {outcome:?}");
}

#[test]
fn a_time_is_measured_and_the_warm_up_is_not() {
    let server = Mode::Inline.start(Script::echo());
    let (code, report) = report(&server.address(), &["-t", "300ms", "-w", "100ms", "-c", "3"]);
    assert_eq!(code, Some(0), "{report:?}");
    let elapsed = report.field("/elapsed_s").as_f64().expect("a number");
    assert!((elapsed - 0.3).abs() < 1e-6, "the window is what was asked for: {elapsed}");
    let (messages, timed) = (report.number("/messages"), report.number("/latency_ns/count"));
    assert!(messages > 0 && messages.abs_diff(timed) <= 3, "{messages} {timed}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_message_takes_of_the_server_s_process_is_told() {
    let server = Process::start(
        std::process::Command::new(example("echo")).args(["--listen", "127.0.0.1:0"]),
    );
    let (address, pid) = (url(server.address()), server.id().to_string());
    for how in [["-n", "2000"], ["-t", "100ms"]] {
        let outcome =
            run(&[&[&*address, "--json", "-w", "10ms", "--pid", &pid], &how[..]].concat());
        let report = outcome.report();
        assert_eq!(outcome.code, Some(0), "{report:?}");
        let (cpu, messages) = (report.number("/server/cpu_ns"), report.number("/messages"));
        let each = report.field("/server/cpu_ns_per_message").as_f64().expect("a number");
        assert!(cpu > 0 && (each * messages as f64 / cpu as f64 - 1.0).abs() < 1e-6, "{report:?}");
    }
    let outcome = run(&[&address, "--pid", "4294967295"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("nothing is known of the CPU time"), "{outcome:?}");
}

#[test]
fn all_connections_are_open_before_the_load_and_closed_after_it() {
    let open = Arc::new(AtomicUsize::new(0));
    let least = Arc::new(AtomicUsize::new(usize::MAX));
    let (goodbye, goodbyes) = mpsc::channel();
    let script = Script::echo()
        .on_open({
            let open = Arc::clone(&open);
            move |_| {
                open.fetch_add(1, Ordering::SeqCst);
            }
        })
        .on_message({
            let least = Arc::clone(&least);
            move |ctx, message| {
                least.fetch_min(open.load(Ordering::SeqCst), Ordering::SeqCst);
                ctx.send(message);
            }
        })
        .on_close(move |_, closed| goodbye.send(closed.code).expect("the test waits"));
    let server = Mode::Inline.start(script);
    let arguments = ["-n", "100", "-c", "30", "--ramp-up", "1000", "--threads", "3"];
    let (code, report) = report(&server.address(), &arguments);
    assert_eq!(code, Some(0), "{report:?}");
    assert_eq!(least.load(Ordering::SeqCst), 30);
    for _ in 0..30 {
        assert_eq!(soon(&goodbyes), CloseCode::NORMAL);
    }
}

#[test]
fn an_interrupt_ends_it_with_what_was_measured_so_far() {
    let received = Arc::new(AtomicUsize::new(0));
    let script = Script::new().on_message({
        let received = Arc::clone(&received);
        move |ctx, message| {
            received.fetch_add(1, Ordering::Relaxed);
            ctx.send(message);
        }
    });
    let server = Mode::Inline.start(script);
    let run = start(&[&url(&server.address()), "--json", "-t", "1h", "-w", "0"]);
    eventually("messages come", || received.load(Ordering::Relaxed) > 1000);
    run.interrupt();
    let outcome = run.end();
    let report = outcome.report();
    assert_eq!((outcome.code, report.faults()), (Some(0), vec![]), "{report:?}");
    assert_eq!(report.field("/is_interrupted"), true);
    assert!(report.number("/messages") > 900, "{report:?}");
    assert!(outcome.stderr.contains("interrupted"), "{outcome:?}");
}

#[test]
fn an_interrupt_while_connecting_leaves_nothing_to_report() {
    let server = RawServer::bind();
    let run = start(&[&url(&server.address())]);
    let _silent = server.accept_silently();
    run.interrupt();
    let outcome = run.end();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("0 of 50 connections"), "{outcome:?}");
}

#[test]
fn pings_fragments_and_the_closing_handshake_are_as_in_rfc_6455() {
    let server = RawServer::bind();
    let run = start(&[&url(&server.address()), "--json", "-c", "1", "-n", "2", "-w", "0"]);
    let mut connection = server.accept();

    let (opcode, first) = connection.next();
    assert_eq!((opcode, first.len()), (OpCode::Text, 64));
    connection.send(true, OpCode::Ping, b"are you there?");
    assert_eq!(connection.next(), (OpCode::Pong, b"are you there?".to_vec()));

    // In two fragments with a ping between them, and cut within a head.
    connection.send(false, OpCode::Text, &first[..10]);
    connection.send(true, OpCode::Ping, b"");
    connection.write(b"\x80");
    assert_eq!(connection.next(), (OpCode::Pong, vec![]));
    connection.write(&[&[54][..], &first[10..]].concat());

    let (opcode, second) = connection.next();
    assert_ne!(first, second);
    connection.send(true, opcode, &second);
    assert_eq!(connection.next(), (OpCode::Close, 1000_u16.to_be_bytes().to_vec()));
    connection.send(true, OpCode::Close, &1000_u16.to_be_bytes());

    let outcome = run.end();
    let report = outcome.report();
    assert_eq!((outcome.code, report.number("/messages")), (Some(0), 2), "{outcome:?}");
}

#[test]
fn messages_of_the_handshake_are_sent() {
    let (seen, request) = mpsc::channel();
    let script = Script::echo().on_upgrade(move |request| {
        let header = |name| request.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let asked =
            (request.path().to_owned(), header("x-token"), header("sec-websocket-protocol"));
        seen.send(asked).expect("the test waits");
        Ok(tickwire::Upgrade::new(()).subprotocol("two"))
    });
    let server = Running::start(Server::builder().bind("127.0.0.1:0"), script);
    let address = format!("{}feed", url(&server.address()));
    let arguments = [&address, "-c", "1", "-n", "1", "--header", "X-Token: a b"];
    let outcome =
        run(&[&arguments[..], &["--subprotocol", "one", "--subprotocol", "two"]].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let expected = ("/feed".to_owned(), Some("a b".to_owned()), Some("one, two".to_owned()));
    assert_eq!(soon(&request), expected);
}

#[test]
fn a_server_that_is_gone_in_the_middle_is_told_from_one_that_is_not() {
    let server = RawServer::bind();
    let address = url(&server.address());
    let run = thread::spawn(move || start(&[&address, "--json", "-c", "1", "-w", "0"]).end());
    let mut connection = server.accept();
    let (opcode, payload) = connection.next();
    connection.send(true, opcode, &payload);
    // The second message has been read, so that there is no reset.
    connection.next();
    drop(connection);
    let outcome = run.join().expect("the run");
    let report = outcome.report();
    assert_eq!(outcome.code, Some(1), "a message was lost: {outcome:?}");
    assert_eq!((report.number("/messages"), report.faults()), (1, vec![("lost", 1)]));
    assert_eq!(report.text("/ends/0/reason"), "the server hung up without a close frame");
}
