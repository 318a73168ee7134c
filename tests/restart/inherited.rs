//! Sockets that a process was started with, as systemd starts services.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use tickwire::Server;
use tickwire::transport::{BindTarget, LocalAddr};

use super::place;
use super::support::{Client, Directory, HttpClient, Process, Running, Script, example};

fn echoes_at(address: &LocalAddr) {
    let mut client = Client::connect(address);
    client.send_text("hello");
    client.expect_text("hello");
    client.leave();
}

#[test]
fn what_is_bound_to_the_address_of_an_inherited_socket_uses_it() {
    let directory = Directory::new("inherit");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bind");
    let other = TcpListener::bind("127.0.0.1:0").expect("bind");
    let unix = UnixListener::bind(place(&directory)).expect("bind");
    let address = tcp.local_addr().expect("an address");
    let other_address = LocalAddr::Tcp(other.local_addr().expect("an address"));
    // Clients that came before the server did.
    let early = HttpClient::connect(&LocalAddr::Tcp(address));
    early.get("/");
    let builder = Server::builder()
        .event_loops(1)
        .handler_threads(0)
        .inherit(unix)
        .inherit(other)
        .inherit(tcp)
        .bind("127.0.0.1:0")
        .bind(address)
        .bind(BindTarget::Unix(place(&directory)));
    let server = Running::start(builder, Script::echo());
    let addresses = server.handle().local_addrs().to_vec();
    assert_eq!(addresses[0], other_address, "port 0 is any port that there is");
    assert_eq!(addresses[1], LocalAddr::Tcp(address));
    assert_eq!(early.response().status, 404);
    addresses.iter().for_each(echoes_at);
    drop(server);
    assert!(place(&directory).exists(), "the file is whose it was, for the next server");
}

#[test]
fn what_does_not_listen_is_named() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let builder = Server::builder().bind("127.0.0.1:0").inherit(socket);
    let error = builder.start(Script::new()).expect_err("it is no listener");
    assert!(error.is_bind() && error.to_string().contains("inherited"), "{error}");
}

/// `LISTEN_FDS`, `LISTEN_PID`, and the sockets from descriptor 3 on.
#[test]
fn an_example_is_activated_by_its_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address");
    let early = HttpClient::connect(&LocalAddr::Tcp(address));
    early.get("/");
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"")
        .arg(example("echo"))
        .args(["--listen", &address.to_string()])
        .stdin(Stdio::from(OwnedFd::from(listener)));
    let server = Process::start(&mut command);
    drop(command);
    assert_eq!(server.address(), &LocalAddr::Tcp(address));
    assert_eq!(early.response().status, 426);
    echoes_at(server.address());
}
