//! Spreading connections over two event loops: one acceptor that hands over to the emptiest loop,
//! beside one `SO_REUSEPORT` listener for each loop. Prints how evenly each spreads, then measures
//! what a connection costs: connect, upgrade, one echo, close.

#![allow(missing_docs)] // What criterion's macros make.

mod support;

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use socket2::{Domain, Socket, Type};
use support::echo::{Echo, EchoServer};
use support::wire;
use tickwire::{Builder, Limits, Server};

/// A masked text message "hi", and how the server sends it back.
const MESSAGE: &[u8] = b"\x81\x82\x00\x00\x00\x00hi";
const ECHO: &[u8] = b"\x81\x02hi";

/// Two loops behind one address.
struct Fixture {
    servers: Vec<EchoServer>,
    address: SocketAddr,
}

impl Fixture {
    fn hand_over() -> Self {
        let server = EchoServer::start_with(builder(2));
        Self { address: server.address, servers: vec![server] }
    }

    /// The engine itself does not offer this: two servers of one loop each stand for it.
    fn reuse_port() -> Self {
        let first = reuse_port_listener("127.0.0.1:0".parse().expect("an address"));
        let address = first.local_addr().expect("a listener has an address");
        let second = reuse_port_listener(address);
        let servers = [first, second].map(|listener| {
            EchoServer::of(builder(1).bind(listener).start(Echo).expect("it listens already"))
        });
        Self { servers: servers.into(), address }
    }

    /// Connections per loop.
    fn spread(&self) -> Vec<usize> {
        self.servers.iter().flat_map(EchoServer::connections_per_loop).collect()
    }

    fn end(self) {
        self.servers.into_iter().for_each(EchoServer::end);
    }
}

fn builder(event_loops: usize) -> Builder {
    Server::builder().event_loops(event_loops).handler_threads(0).limits(Limits::trusted())
}

fn reuse_port_listener(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_port(true).expect("the system has SO_REUSEPORT");
    socket.bind(&address.into()).expect("a free port");
    socket.listen(4096).expect("it is bound");
    socket.into()
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = wire::connect_websocket(address);
    stream.write_all(MESSAGE).expect("the server reads");
    let mut echo = [0; ECHO.len()];
    stream.read_exact(&mut echo).expect("the server answers");
    assert_eq!(echo, ECHO);
    stream
}

fn accept(criterion: &mut Criterion) {
    let fixtures = [("hand over", Fixture::hand_over()), ("reuse port", Fixture::reuse_port())];
    for (name, fixture) in &fixtures {
        for count in [10, 100, 1000] {
            let connections: Vec<TcpStream> =
                (0..count).map(|_| connect(fixture.address)).collect();
            eprintln!("{name}: {count} connections are spread as {:?}", fixture.spread());
            drop(connections);
            while fixture.spread().iter().sum::<usize>() > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    let mut group = criterion.benchmark_group("accept");
    group.throughput(Throughput::Elements(1));
    for (name, fixture) in &fixtures {
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(connect(fixture.address)));
        });
    }
    group.finish();
    fixtures.into_iter().for_each(|(_, fixture)| fixture.end());
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).sample_size(20);
    targets = accept
}
criterion_main!(benches);
