//! Restarts as services do them, with a process for each server.

#[cfg(feature = "tls")]
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
#[cfg(feature = "tls")]
use std::sync::mpsc;
use std::time::Duration;

use super::crowd::Crowd;
use super::letters::Letters;
use super::place;
#[cfg(feature = "tls")]
use super::support::soon;
use super::support::{Client, Dial, Directory, Process, Received, Socket, eventually, example};

const TALKER_COUNT: usize = 16;
const LETTER_WRITER_COUNT: usize = 6;

/// An echo server that succeeds the one that runs.
fn start(address: &str, path: &Path, window: &str, arguments: &[&str]) -> Process {
    Process::start(
        Command::new(example("echo"))
            .args(["--listen", address, "--event-loops", "2"])
            .args(["--hand-over-window", window, "--hand-over"])
            .arg(path)
            .args(arguments),
    )
}

#[track_caller]
fn echoes(client: &mut Client) {
    client.send_text("hello");
    client.expect_text("hello");
}

fn pause() {
    std::thread::sleep(Duration::from_millis(150));
}

#[test]
fn a_restart_under_load_loses_nothing() {
    const RESTART_COUNT: usize = 3;
    for arguments in [["--handler-threads", "0"], ["--handler-threads", "2"]] {
        let directory = Directory::new("load");
        let start = |address: &str| start(address, &place(&directory), "0.3", &arguments);
        let mut server = start("127.0.0.1:0");
        let address = server.address().clone();
        let crowd = Crowd::at(&address, TALKER_COUNT);
        for _ in 0..RESTART_COUNT {
            pause();
            let successor = start(&address.to_string());
            assert_eq!(successor.address(), &address);
            assert!(server.wait().success(), "it ends by itself, and well");
            server = successor;
        }
        pause();
        let (talks, visits) = crowd.stop();
        for talk in &talks {
            assert_eq!((talk.sent_away, talk.cut_off), (RESTART_COUNT, 0), "{talk:?}");
            assert!(talk.echoed > 0);
        }
        assert!(visits > 0);
        println!("{} echoes, {visits} visits", talks.iter().map(|it| it.echoed).sum::<usize>());
    }
}

/// Nothing is sent while they change places, so no message crosses a close frame: each has its echo on
/// the connection that it came by.
#[test]
fn what_was_sent_before_a_restart_is_answered_before_the_close_frame() {
    for arguments in [["--handler-threads", "0"], ["--handler-threads", "2"]] {
        let directory = Directory::new("letters");
        let old = start("127.0.0.1:0", &place(&directory), "0.2", &arguments);
        let letters = Letters::sent_to(old.address(), LETTER_WRITER_COUNT);
        let new = start(&old.address().to_string(), &place(&directory), "0", &arguments);
        letters.expect_all_answered();
        assert!(old.wait().success(), "it ends by itself, and well");
        drop(new);
    }
}

/// Only what TCP loses with a process is lost.
#[test]
fn a_predecessor_that_is_killed_takes_its_own_connections_with_it_and_nothing_else() {
    let directory = Directory::new("killed");
    // It would take for ever to send its clients away.
    let old = start("127.0.0.1:0", &place(&directory), "86400", &[]);
    let address = old.address().clone();
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(&address)).collect();
    let crowd = Crowd::at(&address, TALKER_COUNT);
    pause();
    let new = start(&address.to_string(), &place(&directory), "0", &[]);
    pause();
    let mut new_client = Client::connect(&address);
    drop(old);
    let mut told_count = 0;
    for client in &mut clients {
        match client.recv_to_end()[..] {
            [] => {}
            // The first is told at once.
            [Received::Close(1001, _)] => told_count += 1,
            ref other => panic!("{other:?} instead of the end"),
        }
    }
    assert!(told_count <= 2, "one for each event loop");
    new_client.send_text("and nothing else");
    new_client.expect_text("and nothing else");
    pause();
    let (talks, visits) = crowd.stop();
    assert!(talks.iter().all(|it| it.cut_off + it.sent_away == 1 && it.echoed > 0), "{talks:?}");
    assert!(visits > 0);

    // The one that is left can be succeeded in turn.
    let last = start(&address.to_string(), &place(&directory), "0", &[]);
    new_client.expect_close(1001);
    new_client.close(1001, "");
    new_client.expect_end();
    assert!(new.wait().success());
    Client::connect(last.address()).leave();
}

/// It has the sockets by then: it waits for a certificate that never comes.
#[cfg(feature = "tls")]
#[test]
fn a_successor_that_is_killed_before_it_is_ready_changes_nothing() {
    let directory = Directory::new("unready");
    let pipe = directory.file("certificate");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let old = start("127.0.0.1:0", &place(&directory), "0", &[]);
    let address = old.address().clone();
    let mut client = Client::connect(&address);
    let mut goes_on = || {
        echoes(&mut client);
        let mut newcomer = Client::connect(&address);
        echoes(&mut newcomer);
        newcomer.leave();
    };
    for _ in 0..2 {
        let unready = Command::new(example("echo"))
            .args(["--listen", &address.to_string(), "--hand-over"])
            .arg(place(&directory))
            .arg("--tls-cert")
            .arg(&pipe)
            .arg("--tls-key")
            .arg(&pipe)
            .stderr(Stdio::null())
            .spawn()
            .expect("the successor starts");
        let certificate = once_read(&pipe);
        goes_on();
        end(unready);
        drop(certificate);
        goes_on();
    }
    let new = start(&address.to_string(), &place(&directory), "0", &[]);
    client.expect_close(1001);
    client.close(1001, "");
    client.expect_end();
    assert!(old.wait().success());
    Client::connect(new.address()).leave();
}

/// The sockets end with it. Whoever is with the predecessor does not notice, and the next server starts
/// by itself.
#[test]
fn a_successor_that_is_killed_once_it_is_ready_takes_the_sockets_with_it_and_nothing_else() {
    let directory = Directory::new("orphaned");
    // It would take for ever to send its clients away.
    let old = start("127.0.0.1:0", &place(&directory), "86400", &[]);
    let address = old.address().clone();
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(&address)).collect();
    let start = || start(&address.to_string(), &place(&directory), "0", &[]);
    drop(start());
    assert!(Socket::connect(&address).is_err(), "nobody listens any more");
    let next = start();
    let mut told_count = 0;
    for client in &mut clients {
        client.send_text("hello");
        match client.recv() {
            Received::Text(text) => assert_eq!(text, "hello"),
            // The first is told at once.
            Received::Close(1001, _) => told_count += 1,
            other => panic!("{other:?} instead of an echo"),
        }
    }
    assert!(told_count <= 2, "one for each event loop");
    echoes(&mut Client::connect(&address));

    // It has a place of its own to be succeeded at.
    let last = start();
    assert!(next.wait().success());
    echoes(&mut Client::connect(last.address()));
}

#[test]
fn a_predecessor_whose_successor_is_killed_ends_as_planned_and_loses_nothing() {
    let directory = Directory::new("as-planned");
    let old = start("127.0.0.1:0", &place(&directory), "0.2", &[]);
    let letters = Letters::sent_to(old.address(), LETTER_WRITER_COUNT);
    drop(start(&old.address().to_string(), &place(&directory), "0", &[]));
    letters.expect_all_answered();
    assert!(old.wait().success(), "it ends by itself, and well");
}

#[test]
fn a_server_that_was_killed_leaves_no_obstacle() {
    let directory = Directory::new("obstacle");
    let old = start("127.0.0.1:0", &place(&directory), "0", &[]);
    let address = old.address().clone();
    Client::connect(&address).leave();
    drop(old);
    assert!(place(&directory).exists(), "it had no time to tidy up");
    let new = start(&address.to_string(), &place(&directory), "0", &[]);
    let mut client = Client::connect(&address);
    client.send_text("hello");
    client.expect_text("hello");
    client.leave();
    drop(new);
}

/// A shell that gives the program which follows few descriptors.
fn with_descriptors(limit: usize) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {limit}; exec \"$0\" \"$@\""))
        .arg(example("echo"))
        .env("RUST_LOG", "off");
    command
}

/// A restart may be the remedy: whatever becomes free would go to the clients that wait.
#[test]
fn a_server_that_has_no_descriptors_left_can_be_succeeded() {
    const LIMIT: usize = 40;
    const CLIENT_COUNT: usize = 100;
    let directory = Directory::new("exhausted");
    let old = Process::start(
        with_descriptors(LIMIT)
            .args(["--listen", "127.0.0.1:0", "--event-loops", "2"])
            .args(["--hand-over-window", "0", "--hand-over"])
            .arg(place(&directory)),
    );
    let address = old.address().clone();
    let waiting: Vec<_> = (0..CLIENT_COUNT).map(|_| Dial::new(&address).send()).collect();
    eventually("its descriptors are used up", || old.descriptor_count() >= LIMIT);
    let new = start(&address.to_string(), &place(&directory), "0", &[]);
    // Those that the old one has are sent away, the others are served by the new one.
    let mut sent_away = 0;
    for http in waiting {
        assert_eq!(http.head().status, 101);
        http.send(b"\x81\x82\0\0\0\0hi");
        match http.bytes(4)[..] {
            [0x81, 2, b'h', b'i'] => {}
            [0x88, ..] => sent_away += 1,
            ref other => panic!("{other:?}"),
        }
    }
    assert!(sent_away > 0 && sent_away < LIMIT, "{sent_away}");
    assert!(old.wait().success(), "it ends by itself, and well");
    Client::connect(new.address()).leave();
}

/// Wherever they run out: it fails, says so, and the one that runs goes on; until there are enough.
#[test]
fn a_successor_that_has_too_few_descriptors_changes_nothing() {
    let directory = Directory::new("too-few");
    let old = start("127.0.0.1:0", &place(&directory), "0", &[]);
    let mut client = Client::connect(old.address());
    let mut limit = 4;
    let new = loop {
        let mut command = with_descriptors(limit);
        command
            .args(["--listen", &old.address().to_string(), "--event-loops", "2", "--hand-over"])
            .arg(place(&directory))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the shell starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("text");
        if line.starts_with("listening on ") {
            break child;
        }
        assert!(!child.wait().expect("it ends").success(), "with {limit} descriptors");
        client.send_text("still here");
        client.expect_text("still here");
        Client::connect(old.address()).leave();
        limit += 1;
    };
    assert!(limit > 8, "{limit} descriptors are too few");
    client.expect_close(1001);
    client.close(1001, "");
    client.expect_end();
    let address = old.address().clone();
    assert!(old.wait().success());
    Client::connect(&address).leave();
    end(new);
}

/// A pipe's other end, when somebody has come to read it.
#[cfg(feature = "tls")]
#[track_caller]
fn once_read(pipe: &Path) -> File {
    let (sender, opened) = mpsc::channel();
    let pipe = pipe.to_owned();
    std::thread::spawn(move || sender.send(OpenOptions::new().write(true).open(pipe)));
    soon(&opened).expect("the pipe opens")
}

fn end(mut process: Child) {
    process.kill().expect("it runs");
    process.wait().expect("it ends");
}
