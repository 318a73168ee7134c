//! Clients that come by proxies, which say by a PROXY header who they are.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tickwire::handshake::HeadLimits;
use tickwire::proxy_protocol::ProxyHeader;
use tickwire::transport::BindTarget;
use tickwire::{TrustedProxies, Upgrade};

use super::support::{
    HttpClient, Mode, Running, Script, Socket, eventually, in_each_mode, is_over_tls, soon,
};

const SHORT: Duration = Duration::from_millis(100);

/// An echo that tells where its clients come from.
fn telling() -> (Script, Receiver<Option<SocketAddr>>) {
    let (peers, told) = channel();
    let script = Script::echo().on_upgrade(move |request| {
        peers.send(request.peer_addr()).expect("the test listens");
        Ok(Upgrade::new(()))
    });
    (script, told)
}

fn loopback() -> TrustedProxies {
    TrustedProxies::at(["127.0.0.0/8"]).expect("a prefix")
}

fn start(mode: Mode) -> Running {
    Running::start(mode.builder_behind(loopback()), Script::echo())
}

fn relayed(source: &str) -> ProxyHeader {
    let source: SocketAddr = source.parse().expect("an address");
    let destination = if source.is_ipv4() { "198.51.100.1:443" } else { "[2001:db8::1]:443" };
    ProxyHeader::Relayed { source, destination: destination.parse().expect("an address") }
}

/// A connection without TLS and without a header.
fn dial(server: &Running) -> HttpClient {
    HttpClient::new(Socket::connect_plain(&server.address(), None).expect("connect"))
}

/// Nothing is left of those who came in vain.
fn nobody_is_left(server: &Running) {
    eventually("they are gone", || server.handle().stats().connections == 0);
    assert_eq!(server.handle().stats().total.upgraded, 0);
}

#[test]
fn the_service_sees_the_client_and_not_the_proxy() {
    in_each_mode(|mode| {
        let (script, told) = telling();
        let server = Running::start(mode.builder_behind(loopback()).event_loops(2), script);
        for source in ["192.0.2.7:56324", "[2001:db8::7]:1"] {
            let header = relayed(source);
            for bytes in [header.encode_v1(), header.encode_v2()] {
                for piece_len in [1, 13, bytes.len()] {
                    let dial =
                        server.dial().through_proxy(&bytes, piece_len).text_behind("at once");
                    let mut client = dial.connect();
                    assert_eq!(soon(&told), source.parse().ok());
                    client.expect_text("at once");
                    client.send_text("hello");
                    client.expect_text("hello");
                    client.leave();
                }
            }
        }
        let total = server.handle().stats().total;
        assert_eq!((total.proxies_refused, total.protocol_errors), (0, 0));
    });
}

#[test]
fn an_ipv4_client_is_one_in_either_form() {
    let (script, told) = telling();
    let server = Running::start(Mode::Inline.builder_behind(loopback()), script);
    for bytes in [
        relayed("[::ffff:192.0.2.7]:5").encode_v1(),
        relayed("[::ffff:192.0.2.7]:5").encode_v2(),
        relayed("192.0.2.7:5").encode_v2(),
    ] {
        server.dial().through_proxy(&bytes, bytes.len()).connect().leave();
        assert_eq!(soon(&told), "192.0.2.7:5".parse().ok());
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_is_its_own_client() {
    in_each_mode(|mode| {
        let (script, told) = telling();
        let server = Running::start(mode.builder_behind(loopback()), script);
        let header = ProxyHeader::Unaddressed;
        for bytes in [header.encode_v1(), header.encode_v2()] {
            server.dial().through_proxy(&bytes, bytes.len()).connect().leave();
            assert!(soon(&told).is_some_and(|peer| peer.ip().is_loopback()));
        }
    });
}

#[test]
fn who_is_no_trusted_proxy_is_refused() {
    in_each_mode(|mode| {
        let elsewhere = TrustedProxies::at(["192.0.2.0/24", "::1"]).expect("prefixes");
        let server = Running::start(mode.builder_behind(elsewhere), Script::echo());
        let client = dial(&server);
        client.expect_gone();
        eventually("it is counted", || server.handle().stats().total.proxies_refused == 1);
        assert_eq!(server.handle().stats().total.accepted, 0);
    });
}

#[test]
fn what_does_not_begin_with_a_header_is_refused() {
    in_each_mode(|mode| {
        let server = start(mode);
        let beginnings: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
            b"PROXY UNKNOWN with a line that does not end, and goes on and on, longer than any that \
              there may be, on and on",
            b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\0",
        ];
        for beginning in beginnings {
            let client = dial(&server);
            client.send(beginning);
            client.expect_gone();
        }
        nobody_is_left(&server);
        let refused = || server.handle().stats().total.proxies_refused;
        eventually("all are counted", || refused() == beginnings.len() as u64);
    });
}

#[test]
fn a_header_has_the_length_of_a_heads_limit() {
    let limits = HeadLimits { max_head_len: 512, ..HeadLimits::default() };
    let builder = Mode::Inline.builder_behind(loopback()).head_limits(limits);
    let server = Running::start(builder, Script::echo());
    let header = |len: usize| {
        let signature: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0";
        let rest = (len - 16) as u16;
        [signature, &rest.to_be_bytes(), &vec![0; usize::from(rest)]].concat()
    };
    server.dial().through_proxy(&header(512), 100).connect().leave();
    let client = dial(&server);
    client.send(&header(513)[..16]);
    client.expect_gone();
    eventually("it is counted", || server.handle().stats().total.proxies_refused == 1);
}

#[test]
fn the_header_has_the_time_of_the_handshake() {
    in_each_mode(|mode| {
        let builder = mode.builder_behind(loopback()).handshake_timeout(SHORT);
        let server = Running::start(builder, Script::echo());
        let (silent, slow, trickling) = (dial(&server), dial(&server), dial(&server));
        slow.send("PROXY TCP4 192.0.2.7 ");
        silent.expect_end();
        slow.expect_gone();
        // A header in the end gives no further time.
        trickling.send(relayed("192.0.2.7:1").encode_v1());
        let socket = trickling.into_socket();
        eventually("the server gives up", || {
            std::thread::sleep(Duration::from_millis(20));
            let _ = socket.write(b"\x16");
            server.handle().stats().connections == 0
        });
        nobody_is_left(&server);
    });
}

#[test]
fn a_proxy_that_goes_away_in_its_header_leaves_nothing() {
    in_each_mode(|mode| {
        let server = start(mode);
        let half = &relayed("192.0.2.7:1").encode_v2()[..20];
        let (ending, cut, silent) = (dial(&server), dial(&server), dial(&server));
        for client in [&ending, &cut] {
            client.send(half);
        }
        eventually("they are there", || server.handle().stats().connections == 3);
        ending.shutdown_write();
        ending.expect_gone();
        let cut = cut.into_socket();
        cut.reset_on_close();
        drop((cut, silent));
        nobody_is_left(&server);
    });
}

#[test]
fn shutting_down_waits_for_no_header() {
    in_each_mode(|mode| {
        let server = start(mode);
        let (silent, begun) = (dial(&server), dial(&server));
        begun.send("PROXY ");
        eventually("they are there", || server.handle().stats().connections == 2);
        server.handle().shutdown(Duration::from_secs(60));
        server.join();
        silent.expect_gone();
        begun.expect_gone();
    });
}

#[test]
fn proxies_may_come_by_a_unix_socket() {
    if is_over_tls() {
        // The client of these tests speaks TLS over TCP alone.
        return;
    }
    in_each_mode(|mode| {
        let path = std::env::temp_dir().join(format!("tickwire-proxied-{}", std::process::id()));
        for (proxies, is_trusted) in
            [(TrustedProxies::on_unix_sockets(), true), (loopback(), false)]
        {
            let (script, told) = telling();
            let target = BindTarget::Unix(path.clone()).behind(proxies);
            let server = Running::start(mode.builder_at(target), script);
            if is_trusted {
                let header = relayed("192.0.2.7:1").encode_v2();
                server.dial().through_proxy(&header, 7).connect().leave();
                assert_eq!(soon(&told), "192.0.2.7:1".parse().ok());
            } else {
                dial(&server).expect_gone();
            }
        }
    });
}

#[test]
fn many_requests_may_come_in_one_piece_with_the_header() {
    if is_over_tls() {
        // A handshake comes in between.
        return;
    }
    in_each_mode(|mode| {
        let server = start(mode);
        let mut bytes = relayed("192.0.2.7:56324").encode_v2();
        for _ in 0..20 {
            bytes.extend_from_slice(b"HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
        }
        let client = dial(&server);
        client.send(&bytes);
        for _ in 0..20 {
            assert_eq!(client.head().status, 404);
        }
    });
}
