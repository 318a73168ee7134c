//! Restarts as services do them, with a process for each server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::crowd::Crowd;
use super::place;
use super::support::{Client, Dial, Directory, Process, Received, eventually, example};

const TALKER_COUNT: usize = 16;

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

fn end(mut process: Child) {
    process.kill().expect("it runs");
    process.wait().expect("it ends");
}
