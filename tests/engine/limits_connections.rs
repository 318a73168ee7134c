//! How many connections there may be from one address, and how fast they may come.

use std::sync::Arc;

use http::StatusCode;
use tickwire::proxy_protocol::ProxyHeader;
use tickwire::{Builder, Counters, Limits, Rate, Refusal, TrustedProxies, Upgrade};

use super::support::{
    Client, HttpClient, Running, Script, Socket, eventually, in_each_mode, is_over_tls,
};

fn limited(builder: Builder, limits: Limits) -> Builder {
    builder.event_loops(2).limits(Limits { counts_loopback: true, ..limits })
}

const THREE: Limits = Limits { max_connections_per_address: Some(3), ..Limits::trusted() };

#[test]
fn connections_of_one_address_beyond_the_limit_get_429_until_others_leave() {
    if is_over_tls() {
        // They do not even get a handshake.
        return;
    }
    in_each_mode(|mode| {
        let server = Running::start(limited(mode.builder(), THREE), Script::echo());
        let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for _ in 0..5 {
            let response = server.dial().refused();
            assert_eq!((response.status, response.header("connection")), (429, Some("close")));
            assert_eq!(response.text(), "too many connections from your address\n");
            assert!(response.header("retry-after").is_some());
        }
        for client in &mut clients {
            client.send_text("not disturbed");
            client.expect_text("not disturbed");
        }
        let stats = server.handle().stats();
        assert_eq!((stats.connections, stats.client_addresses), (3, 1));
        clients.pop().expect("a client").leave();
        eventually("there is room again", || server.handle().stats().connections == 2);
        server.connect().leave();
        eventually("they are counted", || server.handle().stats().total.over_address_limit == 5);
    });
}

/// However a connection ends: what it counted is given back.
#[test]
fn no_count_stays_behind() {
    in_each_mode(|mode| {
        let script = Script::new().on_upgrade(|request| match request.path() {
            "/" => Ok(Upgrade::new(())),
            _ => Err(Refusal::new(StatusCode::FORBIDDEN)),
        });
        let server = Running::start(limited(mode.builder(), THREE), script);
        let is_empty = || {
            let stats = server.handle().stats();
            stats.connections == 0 && stats.client_addresses == 0
        };
        for round in 0..3 {
            let client = server.connect();
            let other = server.connect();
            assert_eq!(server.handle().stats().client_addresses, 1);
            client.leave();
            other.reset();
            eventually("closes are over", is_empty);
            let elsewhere =
                tickwire::handshake::ClientRequest::new("h", "/no", *b"nonce of a test.");
            let mut head = Vec::new();
            elsewhere.encode(&mut head).expect("a request");
            let http = server.http();
            http.send(head);
            assert_eq!(http.response().status, 403);
            http.expect_end();
            drop(http);
            eventually("a refused upgrade is over", is_empty);
            // Neither HTTP nor TLS.
            let socket = Socket::connect_plain(&server.address(), None).expect("connect");
            socket.write_all(b"\0\0\0\0\r\n\r\n").expect("send");
            let accepted = 4 * (round + 1);
            eventually("it has been looked at", || {
                server.handle().stats().total.accepted == accepted
            });
            drop(socket);
            eventually("what was no request is over", is_empty);
        }
        assert_eq!(server.handle().stats().total.over_address_limit, 0);
    });
}

#[test]
fn the_machine_itself_is_not_counted_unless_asked_for() {
    in_each_mode(|mode| {
        let builder = mode.builder().limits(Limits { counts_loopback: false, ..THREE });
        let server = Running::start(builder, Script::echo());
        let clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
        assert_eq!(server.handle().stats().client_addresses, 0);
        clients.into_iter().for_each(Client::leave);
    });
}

/// They wait in the backlog: nobody is refused, and the loop sleeps meanwhile.
#[test]
fn those_who_come_too_fast_wait_and_are_served() {
    in_each_mode(|mode| {
        let limits = Limits { accept_rate: Some(Rate::new(50, 5)), ..Limits::trusted() };
        let server = Running::start(limited(mode.builder(), limits), Script::echo());
        let sockets: Vec<_> = (0..20)
            .map(|_| Socket::connect_plain(&server.address(), None).expect("connect"))
            .collect();
        let stats = || server.handle().stats().total;
        eventually("all are accepted", || stats().accepted == 20);
        let Counters { accept_waits, turns, .. } = stats();
        assert!(accept_waits >= 1);
        assert!(turns < 1000, "the loop spins: {turns} turns");
        drop(sockets);
        server.connect().leave();
    });
}

/// Those who are turned away at once take nothing from others.
#[test]
fn who_comes_too_often_from_one_address_does_not_use_up_what_may_come_from_all() {
    in_each_mode(|mode| {
        let limits = Limits {
            accept_rate: Some(Rate::new(1, 4)),
            max_connections_per_address: Some(1),
            ..Limits::trusted()
        };
        let server = Running::start(limited(mode.builder(), limits), Script::echo());
        let mut first = server.connect();
        for _ in 0..20 {
            let socket = Socket::connect_plain(&server.address(), None).expect("connect");
            while socket.read(&mut [0; 200]).is_ok_and(|len| len > 0) {}
        }
        let mut other = server.dial().from([127, 0, 0, 2].into()).connect();
        for client in [&mut first, &mut other] {
            client.send_text("hello");
            client.expect_text("hello");
        }
        let stats = || server.handle().stats().total;
        eventually("all are counted", || stats().accepted == 2 && stats().over_address_limit == 20);
        assert_eq!(stats().accept_waits, 0);
    });
}

/// Behind a proxy it is the client's address that counts, not the proxy's.
#[test]
fn clients_of_a_proxy_are_counted_by_their_own_addresses() {
    in_each_mode(|mode| {
        let proxies = TrustedProxies::at(["127.0.0.0/8"]).expect("a prefix");
        let limits = Limits { max_connections_per_address: Some(2), ..Limits::trusted() };
        let builder = mode.builder_behind(proxies).event_loops(2).limits(limits);
        let server = Running::start(builder, Script::echo());
        let dial = |source: &str| {
            let header = ProxyHeader::Relayed {
                source: source.parse().expect("an address"),
                destination: source.parse().expect("an address"),
            };
            server.dial().through_proxy(&header.encode_v2(), usize::MAX)
        };
        let mut clients = Vec::new();
        for source in ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "[2001:db8::1]:1"] {
            clients.push(dial(source).connect());
        }
        clients.push(dial("[2001:db8::ffff:1]:1").connect());
        assert_eq!(server.handle().stats().client_addresses, 3);
        if !is_over_tls() {
            for source in ["192.0.2.1:3", "[2001:db8::2]:1"] {
                assert_eq!(dial(source).refused().status, 429);
            }
            eventually("they are counted", || {
                server.handle().stats().total.over_address_limit == 2
            });
        }
        for client in &mut clients {
            client.send_text("not disturbed");
            client.expect_text("not disturbed");
        }
        clients.into_iter().for_each(Client::leave);
        eventually("all are gone", || server.handle().stats().client_addresses == 0);
    });
}

/// However fast they come at one listener, they are let in at the others too.
#[test]
fn a_flood_at_one_listener_leaves_the_others_their_part() {
    in_each_mode(|mode| {
        let limits = Limits { accept_rate: Some(Rate::new(200, 200)), ..Limits::trusted() };
        let builder = limited(mode.builder(), limits).bind("127.0.0.1:0");
        let server = Running::start(builder, Script::echo());
        let [flooded, other] = [0, 1].map(|at| server.handle().local_addrs()[at].clone());
        let goes_on = Arc::new(());
        let flooders = [(); 2].map(|()| {
            let (goes_on, flooded) = (Arc::downgrade(&goes_on), flooded.clone());
            std::thread::spawn(move || {
                while goes_on.strong_count() > 0 {
                    drop(Socket::connect_plain(&flooded, None));
                }
            })
        });
        eventually("it is a flood", || server.handle().stats().total.accept_waits > 3);
        for _ in 0..5 {
            let client = HttpClient::new(Socket::connect_plain(&other, None).expect("connect"));
            client.get("/");
            assert_eq!(client.head().status, 404);
        }
        drop(goes_on);
        flooders.into_iter().for_each(|flooder| flooder.join().expect("a flooder"));
    });
}
