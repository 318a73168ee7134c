//! Where a server listens, and why it does not start.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use tickwire::transport::{BindTarget, LocalAddr};
use tickwire::{Builder, Config, Error, Limits, Server};

use super::support::{Client, Directory, HttpClient, Running, Script, in_each_mode};

fn echoes_at(address: &LocalAddr) {
    let mut client = Client::connect(address);
    client.send_text("hello");
    client.expect_text("hello");
    client.leave();
}

fn listen(target: impl Into<BindTarget>) -> Builder {
    Server::builder().bind(target).event_loops(1).handler_threads(0)
}

fn refused(builder: Builder) -> Error {
    builder.start(Script::new()).expect_err("it must not start")
}

#[test]
fn a_unix_socket_serves_and_its_file_goes_with_the_server() {
    in_each_mode(|mode| {
        let directory = Directory::new("serves");
        let target = BindTarget::Unix(directory.file("socket"));
        let server = Running::start(mode.builder().bind(target), Script::echo());
        let address = LocalAddr::Unix(directory.file("socket"));
        assert_eq!(server.handle().local_addrs()[1], address);
        echoes_at(&address);
        HttpClient::connect(&address).get("/");
        drop(server);
        assert!(!directory.file("socket").exists());
    });
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let directory = Directory::new("stale");
    drop(UnixListener::bind(directory.file("socket")).expect("bind"));
    assert!(directory.file("socket").exists(), "a file that nobody listens on");
    let server = Running::start(listen(BindTarget::Unix(directory.file("socket"))), Script::echo());
    echoes_at(&server.address());
}

#[test]
fn a_socket_file_that_another_server_has_put_there_since_stays() {
    let directory = Directory::new("since");
    let path = directory.file("socket");
    let server = Running::start(listen(BindTarget::Unix(path.clone())), Script::echo());
    std::fs::remove_file(&path).expect("its file");
    let second = Running::start(listen(BindTarget::Unix(path.clone())), Script::echo());
    drop(server);
    echoes_at(&second.address());
    drop(second);
    assert!(!path.exists());
}

#[test]
fn a_socket_file_in_use_is_not_replaced() {
    let directory = Directory::new("used");
    let target = || BindTarget::Unix(directory.file("socket"));
    let server = Running::start(listen(target()), Script::echo());
    let error = refused(listen(target()));
    assert!(error.is_bind() && error.to_string().contains("socket"), "{error}");
    echoes_at(&server.address());
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let directory = Directory::new("precious");
    std::fs::write(directory.file("socket"), "precious").expect("a file");
    let error = refused(listen(BindTarget::Unix(directory.file("socket"))));
    assert!(error.is_bind(), "{error}");
    assert_eq!(std::fs::read_to_string(directory.file("socket")).expect("the file"), "precious");
}

#[test]
fn one_server_listens_at_several_addresses() {
    in_each_mode(|mode| {
        let directory = Directory::new("several");
        let builder = mode
            .builder()
            .event_loops(2)
            .bind("127.0.0.1:0")
            .bind(format!("unix:{}", directory.file("socket").display()));
        let server = Running::start(builder, Script::echo());
        let addresses = server.handle().local_addrs();
        assert_eq!(addresses.len(), 3);
        assert_ne!(addresses[0], addresses[1], "each has a port of its own");
        addresses.iter().for_each(echoes_at);
        addresses.iter().for_each(echoes_at);
    });
}

#[test]
fn ipv6_works_where_there_is_any() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("SKIPPED: this machine has no IPv6");
        return;
    }
    let server = Running::start(listen("[::1]:0"), Script::echo());
    let address = server.address();
    assert!(address.to_string().starts_with("[::1]:"), "{address}");
    echoes_at(&address);
}

#[test]
fn an_inherited_listener_is_taken_over() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bind");
    let expected = LocalAddr::Tcp(tcp.local_addr().expect("an address"));
    // A client that came before the server did.
    let early = HttpClient::connect(&expected);
    early.get("/");
    let server = Running::start(listen(tcp), Script::echo());
    assert_eq!(server.address(), expected);
    assert_eq!(early.response().status, 404);
    echoes_at(&expected);

    let directory = Directory::new("inherited");
    let unix = UnixListener::bind(directory.file("socket")).expect("bind");
    let server = Running::start(listen(unix), Script::echo());
    echoes_at(&LocalAddr::Unix(directory.file("socket")));
    drop(server);
    assert!(directory.file("socket").exists(), "the file is not the server's to remove");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("an address").to_string();
    let error = refused(listen("127.0.0.1:0").bind(&address));
    assert!(error.is_bind() && !error.is_config(), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn an_address_that_makes_no_sense_is_named() {
    for address in ["nonsense", "127.0.0.1:99999", "unix:/no/such/directory/socket"] {
        let error = refused(listen(address));
        assert!(error.is_bind(), "{error}");
        assert!(error.to_string().contains(address), "{error}");
    }
}

#[test]
fn a_server_without_an_address_says_so() {
    assert_eq!(refused(Server::builder()).config_field(), Some("bind"));
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let mut config = Config::default();
    config.read_buffer_len = 1;
    let cases = [
        ("event_loops", listen("127.0.0.1:0").event_loops(0)),
        ("handler_threads", listen("127.0.0.1:0").handler_threads(5000)),
        ("max_connections", listen("127.0.0.1:0").max_connections(0)),
        ("max_backpressure", listen("127.0.0.1:0").max_backpressure(0)),
        ("max_lane_len", listen("127.0.0.1:0").max_lane_len(1)),
        (
            "limits.max_message_len",
            listen("127.0.0.1:0").limits(Limits::trusted().with_messages_up_to(0)),
        ),
        ("close_timeout", listen("127.0.0.1:0").close_timeout(Duration::ZERO)),
        ("handshake_timeout", listen("127.0.0.1:0").handshake_timeout(Duration::ZERO)),
        ("keep_alive.ping_interval", listen("127.0.0.1:0").ping_interval(Duration::from_secs(999))),
        ("read_buffer_len", listen("127.0.0.1:0").config(config)),
    ];
    for (field, builder) in cases {
        let error = refused(builder);
        assert_eq!(error.config_field(), Some(field), "{error}");
        assert!(error.is_config() && error.to_string().contains(field), "{error}");
    }
}
