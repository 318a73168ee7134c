//! Handshakes, and requests behind them, that come too slowly: who holds a place without a word, or for a
//! word at a time, does so for as long as the limits allow and no longer.

use std::io;
use std::time::Duration;

use tickwire::proxy_protocol::ProxyHeader;
use tickwire::rustls::ClientConnection;
use tickwire::{Builder, Limits, TrustedProxies};

use super::support::tls::{NAME, client_config};
use super::support::{HttpClient, Mode, Running, Script, Socket, eventually, in_each_mode};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

/// A server that minds how fast a handshake comes, and not how long it takes.
fn demanding(builder: Builder, min_head_rate: u32) -> Running {
    let limits =
        Limits { min_head_rate: Some(min_head_rate), head_grace: SHORT, ..Limits::trusted() };
    Running::start(builder.limits(limits).handshake_timeout(LONG), Script::echo())
}

fn connect(server: &Running) -> Socket {
    Socket::connect_plain(&server.address(), None).expect("connect")
}

/// A client's first words.
pub(super) fn client_hello() -> Vec<u8> {
    let name = NAME.try_into().expect("a name");
    let mut client = ClientConnection::new(client_config(), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory");
    hello
}

/// The server hangs up, by an end or a reset, whatever it has said before.
fn wait_for_end(socket: &Socket) {
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the server does not hang up: {error}"),
        }
    }
}

/// So many were too slow, and none of them too late or wrong.
fn were_too_slow(server: &Running, count: u64) {
    eventually("they are counted", || server.handle().stats().total.slow_heads == count);
    let total = server.handle().stats().total;
    assert_eq!((total.timeouts, total.tls_handshakes_failed, total.http_responses), (0, 0, 0));
    eventually("they are gone", || server.handle().stats().connections == 0);
}

#[test]
fn a_handshake_that_comes_byte_by_byte_is_ended() {
    in_each_mode(|mode| {
        let proxies = TrustedProxies::at(["127.0.0.0/8"]).expect("a prefix");
        let header = ProxyHeader::Unaddressed.encode_v2();
        for (builder, preface) in
            [(mode.builder(), Vec::new()), (mode.builder_behind(proxies), header)]
        {
            let server = demanding(builder, 10_000);
            let socket = connect(&server);
            let hello = client_hello();
            // What a proxy says, and the client's first byte behind it.
            socket.write_all(&[&preface[..], &hello[..1]].concat()).expect("send");
            let mut rest = hello[1..].chunks(1).cycle();
            eventually("the server hangs up", || {
                std::thread::sleep(SHORT / 20);
                let _ = rest.next().map(|byte| socket.write(byte));
                server.handle().stats().connections == 0
            });
            wait_for_end(&socket);
            were_too_slow(&server, 1);
        }
    });
}

/// It has said nothing wrong, and all that it had to say at first.
#[test]
fn a_client_hello_and_then_silence_is_ended() {
    in_each_mode(|mode| {
        let server = demanding(mode.builder(), 10_000);
        let socket = connect(&server);
        socket.write_all(&client_hello()).expect("send");
        let mut first = [0];
        assert_eq!(socket.read(&mut first).expect("an answer"), 1);
        assert_eq!(first, [22], "a handshake's record (RFC 8446 §5.1)");
        wait_for_end(&socket);
        were_too_slow(&server, 1);
    });
}

#[test]
fn a_head_that_comes_slowly_within_tls_is_answered_with_408() {
    in_each_mode(|mode| {
        let server = demanding(mode.builder(), 10_000);
        let http = server.http();
        http.send("GET / HTTP/1.1\r\nHost: h\r\nX-Never-Ends: ");
        assert_eq!(http.response().status, 408);
        http.expect_end();
        let total = || server.handle().stats().total;
        eventually("it is counted", || (total().slow_heads, total().timeouts) == (1, 0));
    });
}

/// What has come gives it time for more, and a client may think between its handshake and its request.
#[test]
fn a_handshake_that_goes_on_and_a_client_that_thinks_are_let_be() {
    in_each_mode(|mode| {
        let server = demanding(mode.builder(), 50);
        let (socket, hello) = (connect(&server), client_hello());
        socket.write_all(&hello[..hello.len() / 2]).expect("send");
        std::thread::sleep(3 * SHORT);
        assert_eq!(server.handle().stats().connections, 1, "it is still there");
        socket.write_all(&hello[hello.len() / 2..]).expect("send");
        let mut first = [0];
        assert_eq!(socket.read(&mut first).expect("an answer"), 1);

        let thinking = connect(&server).with_tls(client_config(), NAME).expect("TLS");
        std::thread::sleep(3 * SHORT);
        let http = HttpClient::new(thinking);
        http.get("/");
        assert_eq!(http.response().status, 404);
        assert_eq!(server.handle().stats().total.slow_heads, 0);
    });
}

/// All that time runs from when the connection is accepted: no step gives any more of it.
#[test]
fn what_leads_to_a_request_has_the_time_of_the_handshake() {
    in_each_mode(|mode: Mode| {
        let builder = mode.builder().handshake_timeout(3 * SHORT);
        let server = Running::start(builder, Script::echo());
        let (silent, begun, answered) = (connect(&server), connect(&server), connect(&server));
        begun.write_all(&client_hello()[..20]).expect("send");
        answered.write_all(&client_hello()).expect("send");
        let done = connect(&server).with_tls(client_config(), NAME).expect("TLS");
        [silent, begun, answered, done].iter().for_each(wait_for_end);
        let total = || server.handle().stats().total;
        eventually("they are counted", || (total().timeouts, total().handshake_timeouts) == (4, 4));
        assert_eq!(total().slow_heads, 0);
    });
}
