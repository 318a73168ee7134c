//! Restarts as services do them, with a process for each server.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::crowd::Crowd;
use super::place;
use super::support::{Client, Directory, Process, Received, example};

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
