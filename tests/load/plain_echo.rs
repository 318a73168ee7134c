//! Servers that speak no WebSocket and send all bytes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::program::{Outcome, run};

/// Hands each connection to `serve`, on a thread of its own; ends with the test program.
fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.expect("a connection"), serve.clone());
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Sends back what `change` makes of each piece that comes.
fn echo(mut stream: TcpStream, mut change: impl FnMut(&mut [u8])) {
    let mut buffer = vec![0; 100_000];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        change(&mut buffer[..len]);
        if stream.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
}

fn load(address: SocketAddr, arguments: &[&str]) -> Outcome {
    let address = format!("tcp://{address}");
    run(&[&[&*address, "--json", "-w", "0", "--patience", "30s"], arguments].concat())
}

#[test]
fn messages_of_every_length_come_back_whole() {
    let address = server(|stream| echo(stream, |_| {}));
    // A masked frame has 6 bytes more than its payload, or 8, or 14.
    for (size, depth, len) in [("0", "1", 6), ("20", "16", 26), ("1k", "4", 1032)] {
        let outcome = load(address, &["-n", "500", "-c", "7", "-s", size, "-d", depth]);
        let report = outcome.report();
        assert_eq!((outcome.code, report.faults()), (Some(0), vec![]), "{report:?}");
        assert_eq!((report.number("/messages"), report.number("/bytes")), (500, 500 * len));
    }
    let outcome = load(address, &["-n", "20", "-c", "2", "-s", "1M", "--threads", "2"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.report().number("/bytes"), 20 * ((1 << 20) + 14));
}

#[test]
fn a_byte_that_differs_is_noticed() {
    let altering = server(|stream| {
        let mut left = 1050;
        echo(stream, |bytes| {
            if (1..bytes.len()).contains(&left) {
                bytes[left] ^= 1;
            }
            left = left.saturating_sub(bytes.len());
        });
    });
    let outcome = load(altering, &["-n", "100", "-c", "1", "-s", "94"]);
    let faults: u64 = outcome.report().faults().iter().map(|(_, count)| count).sum();
    assert_eq!((outcome.code, faults), (Some(1), 1), "{outcome:?}");
}

#[test]
fn a_connection_for_each_message_is_possible_too() {
    let address = server(|stream| echo(stream, |_| {}));
    let outcome = load(address, &["-n", "300", "-c", "5", "--reconnect"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.report().number("/messages"), 300);
}

#[test]
fn there_is_nothing_to_subscribe_to() {
    let outcome = run(&["tcp://127.0.0.1:7", "--subscribe"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("has no subscriptions"), "{outcome:?}");
}
