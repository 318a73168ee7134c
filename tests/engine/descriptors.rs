//! Connections by the thousand, and none left to give.

use std::process::Command;
use std::time::Duration;

use super::support::{
    Client, Dial, HttpClient, Process, Running, Script, eventually, example, in_each_mode,
};

#[test]
fn connections_are_spread_evenly_over_the_loops() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().event_loops(2), Script::echo());
        let mut clients: Vec<Client> = (0..1000).map(|_| server.connect()).collect();
        let spread = || server.handle().stats().connections_per_loop;
        assert_eq!(spread(), [500, 500]);
        // Half of them leave; who comes next fills the gaps.
        for client in clients.drain(..500) {
            client.leave();
        }
        eventually("they are gone", || server.handle().stats().connections == 500);
        clients.extend((0..500).map(|_| server.connect()));
        let spread = spread();
        assert!(spread[0].abs_diff(spread[1]) <= 2, "{spread:?}");
    });
}

/// A server with few descriptors and many clients: those beyond wait in the kernel's queue, cost no
/// CPU time, and get their turn.
#[test]
fn a_server_out_of_descriptors_waits_for_some() {
    const LIMIT: usize = 40;
    const CLIENTS: usize = 100;
    let server = Process::start(
        Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -n {LIMIT}; exec \"$0\" --listen 127.0.0.1:0 --event-loops 2"))
            .arg(example("echo"))
            .env("RUST_LOG", "off"),
    );
    let mut pending: Vec<HttpClient> =
        (0..CLIENTS).map(|_| Dial::new(server.address()).send()).collect();
    eventually("its descriptors are used up", || server.descriptor_count() >= LIMIT);

    let before = server.cpu_time();
    std::thread::sleep(Duration::from_secs(1));
    let spent = server.cpu_time() - before;
    assert!(spent <= Duration::from_millis(200), "{spent:?} of CPU time in a second of waiting");

    // Each one that is served makes room for another.
    for http in pending.drain(..) {
        assert_eq!(http.head().status, 101);
        http.send(b"\x81\x82\0\0\0\0hi");
        assert_eq!(http.bytes(4), b"\x81\x02hi");
    }
    eventually("all are gone", || server.descriptor_count() < LIMIT / 2);
    Client::connect(server.address()).leave();
}
