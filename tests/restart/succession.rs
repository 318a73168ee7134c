//! One server after another, in one process.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickwire::transport::{BindTarget, GOES_ON, LocalAddr, READY, send_listeners};
use tickwire::{Builder, HandOver, Server, ServerHandle};

use super::place;
use super::support::{
    Client, Directory, HttpClient, Mode, Received, Running, Script, Socket, eventually,
    in_each_mode,
};

/// What the sockets come with.
const GREETING: &[u8] = b"tickwire hand-over 1\n";

const LONG: Duration = Duration::from_secs(60);

fn at_once(path: &Path) -> HandOver {
    HandOver::at(path).window(Duration::ZERO).deadline(LONG)
}

/// A server at the same port as the one before it.
fn builder(mode: Mode, directory: &Directory) -> Builder {
    mode.builder().event_loops(2).hand_over(at_once(&place(directory)))
}

/// Answers with its name.
fn named(name: &'static str) -> Script {
    Script::new().on_text(move |ctx, _| {
        ctx.send(name);
    })
}

fn who_serves(client: &mut Client) -> String {
    client.send_text("who are you?");
    match client.recv() {
        Received::Text(name) => name,
        other => panic!("{other:?} instead of a name"),
    }
}

fn serves_everywhere(addresses: &[LocalAddr], name: &str) {
    for address in addresses {
        let mut client = Client::connect(address);
        assert_eq!(who_serves(&mut client), name);
        client.leave();
    }
}

fn leave_when_told(mut client: Client) {
    client.expect_close(1001);
    client.close(1001, "");
    client.expect_end();
}

#[test]
fn the_successor_serves_whoever_comes_and_the_predecessor_sends_its_clients_away() {
    in_each_mode(|mode| {
        let directory = Directory::new("one-after-another");
        let mut server = Running::start(builder(mode, &directory), named("0"));
        let address = server.address();
        for name in ["1", "2", "3"] {
            let mut client = server.connect();
            let before = who_serves(&mut client);
            let successor = Running::start(builder(mode, &directory), named(name));
            assert_eq!(successor.address(), address);
            assert_ne!(before, name);
            let mut new_client = Client::connect(&address);
            assert_eq!(who_serves(&mut new_client), name);
            leave_when_told(client);
            server.join();
            assert_eq!(who_serves(&mut new_client), name);
            new_client.leave();
            server = successor;
        }
        drop(server);
        assert!(!place(&directory).exists());
        assert!(Socket::connect(&address).is_err(), "nobody listens any more");
    });
}

/// All have come when the server is succeeded, and the callback of the first is not done yet.
#[test]
fn what_waits_for_a_handler_thread_is_answered_before_the_close_frame() {
    const MESSAGE_COUNT: usize = 100;
    let directory = Directory::new("lane");
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().expect("nobody has it");
    let patient = Script::new().on_text({
        let gate = gate.clone();
        move |ctx, text| {
            drop(gate.lock());
            ctx.send(text);
        }
    });
    let server = Running::start(builder(Mode::Threads, &directory), patient);
    let mut client = server.connect();
    (0..MESSAGE_COUNT).for_each(|number| client.send_text(&number.to_string()));
    client.ping(b"all have come");
    client.expect(Received::Pong(b"all have come".to_vec()));
    let successor = Running::start(builder(Mode::Threads, &directory), named("new"));
    assert_eq!(who_serves(&mut successor.connect()), "new");
    drop(closed);
    (0..MESSAGE_COUNT).for_each(|number| client.expect_text(&number.to_string()));
    leave_when_told(client);
    server.join();
}

/// Those that are there when it happens stay with whom they are until their turn has come.
#[test]
fn clients_are_spread_over_the_window() {
    let directory = Directory::new("window");
    let slowly = HandOver::at(place(&directory)).window(24 * 60 * LONG);
    let server = Running::start(Mode::Inline.builder().hand_over(slowly), named("old"));
    let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let successor = Running::start(builder(Mode::Inline, &directory), named("new"));
    leave_when_told(clients.remove(0));
    for client in &mut clients {
        assert_eq!(who_serves(client), "old");
    }
    assert_eq!(who_serves(&mut successor.connect()), "new");
    server.handle().shutdown(LONG);
    clients.into_iter().for_each(leave_when_told);
    server.join();
}

#[test]
fn every_kind_of_listener_is_handed_over() {
    let directory = Directory::new("kinds");
    let unix = directory.file("socket");
    let all = |builder: Builder| {
        let builder = builder.bind("127.0.0.1:0").bind(BindTarget::Unix(unix.clone()));
        #[cfg(feature = "tls")]
        let builder = builder.bind_tls("127.0.0.2:0", super::support::tls::server_tls());
        builder
    };
    let start = |name| Running::start(all(builder(Mode::Inline, &directory)), named(name));
    let addresses = |server: &ServerHandle| server.local_addrs().to_vec();
    let server = start("old");
    let expected = addresses(server.handle());
    let successor = start("new");
    assert_eq!(addresses(successor.handle()), expected);
    server.join();
    assert!(unix.exists(), "the file is the successor's");
    serves_everywhere(&expected[..3], "new");
    #[cfg(feature = "tls")]
    {
        let config = super::support::tls::client_config();
        let mut client = super::support::Dial::new(&expected[3]).tls(config).connect();
        assert_eq!(who_serves(&mut client), "new");
        client.leave();
    }
    drop(successor);
    assert!(!unix.exists());
}

#[test]
fn a_successor_that_does_not_start_changes_nothing() {
    let directory = Directory::new("fails");
    let unix = directory.file("socket");
    let builder = |mode, directory| builder(mode, directory).bind(BindTarget::Unix(unix.clone()));
    let server = Running::start(builder(Mode::Inline, &directory), named("old"));
    let mut client = server.connect();
    let blocker = TcpListener::bind("127.0.0.1:0").expect("bind");
    let taken = blocker.local_addr().expect("an address");
    let failing = builder(Mode::Inline, &directory).bind(taken);
    assert!(failing.start(named("new")).expect_err("an address in use").is_bind());
    drop(blocker);
    // And one that has the sockets already when it goes, and some that are none at all.
    for _ in 0..3 {
        let mut stranger = UnixStream::connect(place(&directory)).expect("it waits");
        let mut greeting = [0; 16];
        stranger.read_exact(&mut greeting).expect("a greeting");
    }
    drop(UnixStream::connect(place(&directory)).expect("it waits"));
    assert_eq!(who_serves(&mut client), "old");
    serves_everywhere(server.handle().local_addrs(), "old");
    let successor = Running::start(builder(Mode::Inline, &directory), named("new"));
    leave_when_told(client);
    server.join();
    assert_eq!(who_serves(&mut successor.connect()), "new");
    drop(successor);
    assert!(!unix.exists());
}

/// Told to end by somebody who does not know of the successor, or does not wait for it.
#[test]
fn a_server_that_ends_while_its_successor_starts_leaves_it_what_it_has_handed_over() {
    let directory = Directory::new("early");
    let unix = directory.file("socket");
    let builder = || builder(Mode::Inline, &directory).bind(BindTarget::Unix(unix.clone()));
    let server = Running::start(builder(), named("old"));
    let path = place(&directory);
    let mut successor = UnixStream::connect(&path).expect("it waits");
    successor.read_exact(&mut [0; 16]).expect("a greeting, and the sockets with it");
    drop(server);
    assert!(unix.exists(), "clients find the successor");
    assert!(path.exists(), "and so does its own");
    // It has given up after all: nobody listens there any more.
    drop(successor);
    let server = Running::start(builder(), named("new"));
    serves_everywhere(server.handle().local_addrs(), "new");
    drop(server);
    assert!(!unix.exists() && !path.exists());
}

#[test]
fn more_listeners_than_can_be_handed_over_are_refused() {
    let directory = Directory::new("many");
    let many = |count| {
        let nothing = Server::builder().hand_over(at_once(&place(&directory)));
        (0..count).fold(nothing, |builder, _| builder.bind("127.0.0.1:0"))
    };
    let error = many(253).start(named("new")).expect_err("too many");
    assert!(error.is_config() && error.to_string().contains("hand_over"), "{error}");
    drop(many(252).start(named("new")).expect("just not too many"));
}

#[test]
fn only_this_user_may_succeed_and_a_stale_file_is_replaced() {
    let directory = Directory::new("files");
    drop(UnixListener::bind(place(&directory)).expect("bind"));
    let server = Running::start(builder(Mode::Inline, &directory), named("only"));
    let mode = std::fs::metadata(place(&directory)).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let names: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").collect();
    assert_eq!(names.len(), 1, "nothing else is left there: {names:?}");
    drop(server);
    assert!(!place(&directory).exists());
}

#[test]
fn where_another_server_has_come_to_wait_since_it_goes_on_waiting() {
    let directory = Directory::new("since");
    let path = place(&directory);
    let server = Running::start(builder(Mode::Inline, &directory), named("first"));
    std::fs::remove_file(&path).expect("its file");
    let second = Running::start(builder(Mode::Inline, &directory), named("second"));
    drop(server);
    let third = Running::start(builder(Mode::Inline, &directory), named("third"));
    assert_eq!(third.address(), second.address());
    second.join();
    drop(third);
    assert!(!path.exists());
}

#[test]
fn who_answers_at_the_path_must_be_a_server_of_this_kind() {
    let directory = Directory::new("stranger");
    let stranger = UnixListener::bind(place(&directory)).expect("bind");
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = stranger.accept().expect("a successor");
        stream.write_all(b"220 mail.example ESMTP ready\r\n").expect("a greeting");
    });
    let error = builder(Mode::Inline, &directory).start(named("new")).expect_err("a stranger");
    assert!(error.is_hand_over(), "{error}");
    assert!(error.to_string().contains("hand-over"), "{error}");
    answering.join().expect("it has answered");

    let nowhere = HandOver::at("/no/such/directory/hand-over");
    let error =
        Mode::Inline.builder().hand_over(nowhere).start(named("new")).expect_err("no place");
    assert!(error.is_hand_over(), "{error}");
}

/// It is let in by the one that ends, and finds nobody: it starts by itself.
#[test]
fn a_server_that_ends_meanwhile_is_not_succeeded() {
    in_each_mode(|mode| {
        let directory = Directory::new("ends");
        let server = Running::start(builder(mode, &directory), named("old"));
        let client = server.connect();
        server.handle().shutdown(LONG);
        eventually("nobody can succeed it", || {
            let connected = UnixStream::connect(place(&directory));
            connected.is_err_and(|error| {
                [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind())
            })
        });
        let successor = Running::start(builder(mode, &directory), named("new"));
        assert_eq!(who_serves(&mut successor.connect()), "new");
        leave_when_told(client);
        server.join();
    });
}

/// It has the sockets, and starts when the server has given it up: only one of the two may go on.
#[test]
fn a_successor_that_is_too_late_is_told_so_and_the_server_goes_on() {
    let directory = Directory::new("late");
    let impatient = at_once(&place(&directory)).patience(Duration::from_millis(50));
    let builder = || Mode::Inline.builder().hand_over(impatient.clone());
    let server = Running::start(builder(), named("old"));
    let mut late = UnixStream::connect(place(&directory)).expect("it waits");
    late.read_exact(&mut [0; GREETING.len()]).expect("a greeting, and the sockets with it");
    let mut answer = Vec::new();
    late.read_to_end(&mut answer).expect("it is given up");
    assert_eq!(answer, [GOES_ON]);
    assert!(late.write_all(&[READY]).is_err(), "nobody is there to be relieved");
    serves_everywhere(server.handle().local_addrs(), "old");
    drop(server);
    assert!(!place(&directory).exists());
}

#[test]
fn a_server_whose_predecessor_goes_on_does_not_start() {
    let directory = Directory::new("goes-on");
    let path = place(&directory);
    let predecessor = UnixListener::bind(&path).expect("bind");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let handing_over = std::thread::spawn(move || {
        let (mut successor, _) = predecessor.accept().expect("a successor");
        let listeners = [predecessor.into(), listener.into()];
        send_listeners(&successor, &listeners).expect("it takes them");
        successor.write_all(&[GOES_ON]).expect("it is there");
        listeners
    });
    let error = builder(Mode::Inline, &directory).start(named("new")).expect_err("it is too late");
    assert!(error.is_hand_over() && error.to_string().contains("start again"), "{error}");
    let listeners = handing_over.join().expect("it has handed them over");
    assert!(path.exists(), "where the predecessor waits for the next");
    drop(listeners);
}

/// What can fail without the predecessor does not take its time.
#[test]
fn what_cannot_be_bound_anyway_is_found_out_before_the_predecessor_is_asked() {
    let directory = Directory::new("before");
    let predecessor = UnixListener::bind(place(&directory)).expect("bind");
    predecessor.set_nonblocking(true).expect("an option");
    let error = builder(Mode::Inline, &directory).bind("nonsense").start(named("new"));
    assert!(error.expect_err("no address").is_bind());
    #[cfg(feature = "tls")]
    {
        let tls = tickwire::Tls::from_files("/no/such/certificate", "/no/such/key");
        let error = builder(Mode::Inline, &directory).bind_tls("127.0.0.1:0", tls);
        assert!(error.start(named("new")).expect_err("no certificate").is_tls());
    }
    let asked = predecessor.accept().map(|_| ());
    assert_eq!(asked.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

/// Connections that wait in the backlog when it happens, and when nobody accepts for a while.
#[test]
fn what_waits_in_the_backlog_is_accepted_by_one_of_the_two() {
    let directory = Directory::new("backlog");
    let server = Running::start(builder(Mode::Inline, &directory), named("old"));
    let address = server.address();
    let coming = std::thread::spawn(move || {
        let served = |_| {
            let http = HttpClient::connect(&address);
            http.get("/");
            u32::from(http.response().status == 404)
        };
        (0..2000).map(served).sum::<u32>()
    });
    let successor = Running::start(builder(Mode::Inline, &directory), named("new"));
    server.join();
    assert_eq!(coming.join().expect("no connection was lost"), 2000);
    assert!(matches!(successor.address(), LocalAddr::Tcp(_)));
}
