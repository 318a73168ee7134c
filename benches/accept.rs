//! Spreading connections over two event loops: one acceptor that hands over to the emptiest loop,
//! beside one `SO_REUSEPORT` listener for each loop. Prints how evenly each spreads, then measures
//! what a connection costs: connect, upgrade, one echo, close.

#![allow(missing_docs)] // What criterion's macros make.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use socket2::{Domain, Socket, Type};
use tickwire::{Builder, Context, Handler, LocalAddr, Message, Server};

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A masked text message "hi", and how the server sends it back.
const MESSAGE: &[u8] = b"\x81\x82\x00\x00\x00\x00hi";
const ECHO: &[u8] = b"\x81\x02hi";

struct Echo;

impl Handler for Echo {
    type State = ();

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        ctx.send(message);
    }
}

/// Two loops behind one address.
struct Fixture {
    servers: Vec<Server>,
    address: SocketAddr,
}

impl Fixture {
    fn hand_over() -> Self {
        let server =
            builder(2).bind("127.0.0.1:0").start(Echo).expect("loopback can be listened on");
        let [LocalAddr::Tcp(address)] = *server.local_addrs() else {
            unreachable!("one TCP address")
        };
        Self { servers: vec![server], address }
    }

    /// The engine itself does not offer this: two servers of one loop each stand for it.
    fn reuse_port() -> Self {
        let first = reuse_port_listener("127.0.0.1:0".parse().expect("an address"));
        let address = first.local_addr().expect("a listener has an address");
        let second = reuse_port_listener(address);
        let servers = [first, second]
            .map(|listener| builder(1).bind(listener).start(Echo).expect("it listens already"));
        Self { servers: servers.into(), address }
    }

    /// Connections per loop.
    fn spread(&self) -> Vec<usize> {
        self.servers
            .iter()
            .flat_map(|server| server.handle().stats().connections_per_loop)
            .collect()
    }

    fn end(self) {
        for server in self.servers {
            server.shutdown(Duration::from_secs(1)).expect("no thread panics");
        }
    }
}

fn builder(event_loops: usize) -> Builder {
    Server::builder().event_loops(event_loops).handler_threads(0)
}

fn reuse_port_listener(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_port(true).expect("the system has SO_REUSEPORT");
    socket.bind(&address.into()).expect("a free port");
    socket.listen(4096).expect("it is bound");
    socket.into()
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP option");
    stream.write_all(UPGRADE).expect("the server reads");
    let mut head = [0; 512];
    let mut len = 0;
    while !head[..len].ends_with(b"\r\n\r\n") {
        len += stream.read(&mut head[len..]).expect("the server answers");
    }
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
