//! Versions, resumption, and what handlers and counters hear of a handshake.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use tickwire::rustls::version::{TLS12, TLS13};
use tickwire::rustls::{AlertDescription, HandshakeKind, ProtocolVersion};
use tickwire::{TlsInfo, Upgrade};

use super::slow::client_hello;
use super::support::tls::{NAME, authority};
use super::support::{Mode, Running, Script, Socket, eventually, in_each_mode, soon};
use super::{refusal, shake_hands};

/// Echoes, and tells what each request says of TLS.
fn telling() -> (Script, std::sync::mpsc::Receiver<Option<TlsInfo>>) {
    let (infos, told) = channel();
    let script = Script::echo().on_upgrade(move |request| {
        infos.send(request.tls().cloned()).expect("the test listens");
        Ok(Upgrade::new(()))
    });
    (script, told)
}

#[test]
fn both_versions_are_spoken_and_requests_tell_which() {
    in_each_mode(|mode| {
        let (script, told) = telling();
        let server = mode.start(script);
        for (version, protocol) in
            [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
        {
            let config = Arc::new(authority().client_with(&[version], None));
            let mut client = server.dial().tls(config).connect();
            client.send_text("over TLS");
            client.expect_text("over TLS");
            let info = soon(&told).expect("a request over TLS");
            assert_eq!(info.version(), protocol);
            assert!(!info.is_resumed());
            assert_eq!(info.peer_certificate(), None);
            client.leave();
        }
    });
}

#[test]
fn a_request_without_tls_says_so() {
    let (script, told) = telling();
    let builder = tickwire::Server::builder().bind("127.0.0.1:0").handler_threads(0);
    let server = Running::start(builder, script);
    let mut request = Vec::new();
    tickwire::handshake::ClientRequest::new(NAME, "/", *b"nonce of a test.")
        .encode(&mut request)
        .expect("a request");
    Socket::connect_plain(&server.address(), None)
        .and_then(|socket| socket.write_all(&request))
        .expect("a plain connection");
    assert_eq!(soon(&told), None);
}

#[test]
fn sessions_are_resumed_with_either_version() {
    for version in [&TLS12, &TLS13] {
        let (script, told) = telling();
        let server = Mode::Inline.start(script);
        let config = Arc::new(authority().client_with(&[version], None));
        for is_second in [false, true] {
            let mut client = server.dial().tls(config.clone()).connect();
            // Tickets come with the first bytes.
            client.send_text("hello");
            client.expect_text("hello");
            let kind = client.socket().as_tls().session().handshake_kind();
            assert_eq!(kind == Some(HandshakeKind::Resumed), is_second);
            assert_eq!(soon(&told).expect("TLS").is_resumed(), is_second);
            client.leave();
        }
        let counted = || {
            let total = server.handle().stats().total;
            (total.tls_handshakes, total.tls_resumed, total.tls_handshakes_failed) == (2, 1, 0)
        };
        eventually("both are counted", counted);
    }
}

#[test]
fn http_1_1_is_what_is_spoken_inside() {
    let server = Mode::Inline.start(Script::echo());
    let mut config = authority().client();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let socket = shake_hands(&server.address(), &Arc::new(config.clone()), NAME).expect("TLS");
    assert_eq!(socket.as_tls().session().alpn_protocol(), Some(&b"http/1.1"[..]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let alert = refusal(&server.address(), &Arc::new(config));
    assert_eq!(alert, AlertDescription::NoApplicationProtocol);
}

#[test]
fn many_requests_on_one_connection_are_one_handshake() {
    let server = Mode::Inline.start(Script::echo());
    let http = server.http();
    for _ in 0..5 {
        http.get("/");
        assert_eq!(http.response().status, 404);
    }
    eventually("it is counted", || server.handle().stats().total.tls_handshakes == 1);
}

/// Connections that are there do not wait for all handshakes that have come meanwhile.
#[test]
fn a_turn_of_a_loop_goes_on_with_few_handshakes() {
    const COUNT: u64 = 30;
    let (release, gate) = channel::<()>();
    let (enter, entered) = channel();
    let gate = Mutex::new(gate);
    let script = Script::new().on_text(move |ctx, _| {
        enter.send(()).expect("the test listens");
        gate.lock().expect("a gate").recv().expect("the test lets go");
        ctx.send("unblocked");
    });
    let server = Mode::Inline.start(script);
    let mut client = server.connect();
    let turns = || server.handle().stats().total.turns;
    client.send_text("block");
    soon(&entered);
    let before = turns();
    let newcomers: Vec<Socket> = (0..COUNT)
        .map(|_| {
            let socket = Socket::connect_plain(&server.address(), None).expect("connect");
            socket.write_all(&client_hello()).expect("send");
            socket
        })
        .collect();
    release.send(()).expect("somebody waits");
    client.expect_text("unblocked");
    for socket in &newcomers {
        let mut first = [0];
        assert_eq!(socket.read(&mut first).expect("an answer"), 1);
    }
    eventually("they have had turns of their own", || turns() - before >= COUNT / 2);
    client.leave();
}
