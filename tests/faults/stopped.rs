//! A server that does not run for a while: its process is stopped, its machine suspended.

use std::process::Command;
use std::time::Duration;

use super::ledger::alone;
use super::support::{Client, Process, Received, example};

fn signal(server: &Process, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(server.id().to_string()).status();
    assert!(status.expect("kill runs").success());
}

fn start(arguments: &[&str]) -> Process {
    let mut command = Command::new(example("echo"));
    Process::start(command.args(["--listen", "127.0.0.1:0", "--event-loops", "2"]).args(arguments))
}

/// System calls that wait are interrupted (`EINTR`) when a process goes on, its threads all at once.
#[test]
fn interrupted_calls_lose_nothing() {
    const COUNT: usize = 8;
    let _alone = alone();
    for handler_threads in ["0", "2"] {
        let server = start(&["--handler-threads", handler_threads]);
        let address = server.address().clone();
        let talk = move || {
            let mut client = Client::connect(&address);
            let text = "x".repeat(10_000);
            for i in 0..1000 {
                let text = format!("{i} {text}");
                client.send_text(&text);
                client.expect_text(&text);
            }
            client.leave();
        };
        let mut clients: Vec<_> = (0..COUNT)
            .map(|_| {
                let talk = talk.clone();
                std::thread::spawn(talk)
            })
            .collect();
        let mut count = 0;
        while count < 100 || clients.iter().any(|client| !client.is_finished()) {
            signal(&server, "STOP");
            signal(&server, "CONT");
            count += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        clients.drain(..).for_each(|client| client.join().expect("every message came back"));
    }
}

/// To the server it is as if hours had passed in no time. Whoever could not have been heard meanwhile,
/// or could not have been asked, is not given up for that.
#[test]
fn a_jump_of_time_is_not_blamed_on_the_peers() {
    const COUNT: usize = 200;
    let _alone = alone();
    let server = start(&["--ping-interval", "1", "--idle-timeout", "3"]);
    let mut clients: Vec<Client> = (0..COUNT).map(|_| Client::connect(server.address())).collect();
    signal(&server, "STOP");
    std::thread::sleep(Duration::from_millis(3500));
    // Some have spoken meanwhile, and wait to be heard.
    for client in &clients[COUNT / 2..] {
        client.send_text("meanwhile");
    }
    signal(&server, "CONT");
    std::thread::sleep(Duration::from_millis(300));
    for (i, client) in clients.iter_mut().enumerate() {
        if i >= COUNT / 2 {
            assert_eq!(next(client), "meanwhile");
        }
        client.send_text("afterwards");
        assert_eq!(next(client), "afterwards");
    }
}

/// The next message; pings are answered.
fn next(client: &mut Client) -> String {
    loop {
        match client.recv() {
            Received::Text(text) => return text,
            Received::Ping(payload) => client.pong(&payload),
            other => panic!("{other:?} instead of a message"),
        }
    }
}
