//! The closing handshake in every order, and connections that end without one (RFC 6455 §7).

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tickwire::{CloseCode, Closed, Counters, Outcome, Subscribed};

use super::support::{
    Client, Mode, Plan, Proxy, Received, Running, Script, eventually, in_each_mode, soon,
};
use super::with_closes;

fn closed(code: u16, reason: &str, was_clean: bool) -> Closed {
    Closed { code: code.into(), reason: reason.to_owned(), was_clean }
}

/// Echoes, but `bye` makes the server close with 4000.
fn polite() -> Script {
    Script::new().on_text(|ctx, text| match text {
        "bye" => ctx.close(CloseCode::from(4000), "as you wish"),
        text => {
            ctx.send(text);
        }
    })
}

/// Runs `talk` in each mode with a client of a polite server. The handler must then hear of exactly
/// one end, which `check` judges.
fn ends_once(talk: impl Fn(Client), check: impl Fn(&Closed) -> bool) {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(polite());
        let server = mode.start(script);
        talk(server.connect());
        let closed = soon(&closes);
        assert!(check(&closed), "{closed:?}");
        eventually("the connection is let go", || server.handle().stats().connections == 0);
        let counted = |counters: Counters| (counters.upgraded, counters.closed) == (1, 1);
        eventually("it is counted", || counted(server.handle().stats().total));
        drop(server);
        assert_eq!(closes.iter().count(), 0, "close was called again");
    });
}

#[test]
fn the_client_closes_first() {
    let talk = |mut client: Client| {
        client.close(1000, "done here");
        client.expect_close(1000);
        client.expect_end();
    };
    ends_once(talk, |end| *end == closed(1000, "done here", true));
}

#[test]
fn the_client_closes_without_a_code() {
    let talk = |mut client: Client| {
        client.send_raw(&[0x88, 0x80, 1, 2, 3, 4]);
        client.expect_close(1005);
        client.expect_end();
    };
    ends_once(talk, |end| *end == closed(1005, "", true));
}

#[test]
fn the_server_closes_first() {
    let talk = |mut client: Client| {
        client.send_text("bye");
        assert_eq!(client.expect_close(4000), "as you wish");
        client.close(4000, "you too");
        client.expect_end();
    };
    ends_once(talk, |end| *end == closed(4000, "you too", true));
}

#[test]
fn both_close_at_once() {
    let talk = |mut client: Client| {
        client.send_text("bye");
        client.close(1000, "crossing");
        let received = client.recv_to_end();
        // With handler threads either side's close frame may come first; each sends one.
        let ours = Received::Close(4000, "as you wish".to_owned());
        assert!(received == [ours] || received == [Received::Close(1000, String::new())]);
    };
    ends_once(talk, |end| *end == closed(1000, "crossing", true));
}

#[test]
fn the_client_resets_the_connection() {
    let talk = |client: Client| {
        client.ping(b"");
        client.reset();
    };
    ends_once(talk, |end| end.code == CloseCode::ABNORMAL && !end.was_clean);
}

#[test]
fn the_client_ends_the_stream_without_a_close_frame() {
    let talk = |mut client: Client| {
        client.send_text("last words");
        client.expect_text("last words");
        client.shutdown_write();
        client.expect_end();
    };
    ends_once(talk, |end| end.code == CloseCode::ABNORMAL && !end.was_clean);
}

/// Such a peer may still read: callbacks that come to its messages later answer them as ever.
#[test]
fn what_came_before_the_end_of_the_stream_is_answered() {
    const COUNT: usize = 20;
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::new().on_text(|ctx, text| {
            thread::sleep(Duration::from_millis(2));
            ctx.send(text);
        }));
        let server = mode.start(script);
        let mut client = server.connect();
        let texts: Vec<_> = (0..COUNT).map(|i| i.to_string()).collect();
        client.send_texts(texts.iter().map(|text| &**text));
        client.shutdown_write();
        let echoes: Vec<_> = texts.into_iter().map(Received::text).collect();
        assert_eq!(client.recv_to_end(), echoes);
        assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
    });
}

/// Those too that the callback has sent behind what it has asked of the loop.
#[test]
fn what_is_in_the_mailbox_at_the_end_of_the_stream_is_sent() {
    in_each_mode(|mode| {
        let script = Script::new()
            .on_open(|ctx| {
                ctx.send("welcome");
            })
            .on_text(|ctx, text| {
                ctx.subscribe(&ctx.server().topic("any"));
                ctx.send(text);
            });
        let server = mode.start(script);
        for _ in 0..20 {
            let mut client = server.dial().text_behind("hello").connect();
            client.shutdown_write();
            let expected = ["welcome", "hello"].map(Received::text);
            assert_eq!(client.recv_to_end(), expected);
        }
    });
}

#[test]
fn whoever_ends_the_stream_gets_all_that_waits() {
    // More than buffers on the way hold.
    const LEN: usize = 12 << 20;
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::new().on_text(|ctx, _| {
            ctx.send(&*"x".repeat(LEN));
        }));
        let server = Running::start(mode.builder().max_backpressure(2 * LEN), script);
        let mut client = server.connect();
        client.send_text("all of it");
        client.shutdown_write();
        // Nothing is read before the server has seen the end.
        assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
        client.expect(Received::text("x".repeat(LEN)));
        client.expect_end();
    });
}

/// But callbacks have no longer than for a closing handshake.
#[test]
fn who_ends_the_stream_does_not_wait_for_callbacks_for_ever() {
    let (goes_on, go_on) = channel::<()>();
    let go_on = Mutex::new(go_on);
    let (script, closes) = with_closes(Script::new().on_text(move |_, _| {
        let _ = go_on.lock().expect("no poison").recv();
    }));
    let builder = Mode::Threads.builder().close_timeout(Duration::from_millis(100));
    let server = Running::start(builder, script);
    let mut client = server.connect();
    client.send_text("think about it");
    client.shutdown_write();
    assert_eq!(client.recv_to_end(), []);
    eventually("it is counted", || server.handle().stats().total.close_timeouts == 1);
    drop(goes_on);
    assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
}

/// What others have answered meanwhile is theirs nevertheless.
#[test]
fn who_does_not_wait_for_callbacks_any_longer_gets_what_waits() {
    const LEN: usize = 12 << 20;
    let (goes_on, go_on) = channel::<()>();
    let go_on = Mutex::new(go_on);
    let script = Script::new().on_text(move |ctx, text| {
        if text == "think about it" {
            let _ = go_on.lock().expect("no poison").recv();
        } else {
            ctx.send(&*"x".repeat(LEN));
        }
    });
    let builder = Mode::Threads.builder().close_timeout(Duration::from_millis(300));
    let server = Running::start(builder.max_backpressure(2 * LEN), script);
    let mut client = server.connect();
    client.send_texts(["all of it", "think about it"]);
    client.shutdown_write();
    eventually("it is counted", || server.handle().stats().total.close_timeouts == 1);
    assert_eq!(client.recv_to_end(), [Received::text("x".repeat(LEN))]);
    drop(goes_on);
}

#[test]
fn the_stream_ends_in_the_middle_of_a_frame() {
    let talk = |client: Client| {
        client.send_raw(&[0x81, 0x85, 1, 2, 3, 4, b'x']);
        client.shutdown_write();
    };
    ends_once(talk, |end| end.code == CloseCode::ABNORMAL && !end.was_clean);
}

#[test]
fn a_lot_of_data_does_not_hide_the_end_of_the_stream() {
    // More than a connection may send in one turn of the loop: the end has been announced long
    // before it is met.
    const COUNT: usize = 100;
    in_each_mode(|mode| {
        let (messages, heard) = channel();
        let (script, closes) = with_closes(Script::new().on_text(move |_, text| {
            messages.send(text.len()).expect("the test listens");
        }));
        let server = mode.start(script);
        let client = server.connect();
        let text = "x".repeat(50_000);
        client.send_texts([&*text; COUNT]);
        client.shutdown_write();
        assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
        drop(server);
        assert_eq!(heard.iter().collect::<Vec<_>>(), [text.len(); COUNT]);
    });
}

#[test]
fn the_wire_is_cut() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(polite());
        let server = mode.start(script);
        let plan = Plan { cut_after: Some(6000), ..Plan::default() };
        let mut client = Client::connect(Proxy::start(&server.address(), plan).address());
        client.send_text("hello");
        client.expect_text("hello");
        client.send_text(&"x".repeat(10_000));
        assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
        drop(server);
        assert_eq!(closes.iter().count(), 0);
    });
}

#[test]
fn what_follows_a_close_frame_is_ignored() {
    in_each_mode(|mode| {
        let (messages, heard) = channel();
        let (script, closes) = with_closes(Script::new().on_text(move |_, text| {
            messages.send(text.to_owned()).expect("the test listens");
        }));
        let server = mode.start(script);
        let mut client = server.connect();
        client.send_text("before");
        client.close(1000, "");
        let _ = client.try_send_raw(b"\x81\x85\0\0\0\0after and then \xff\xff garbage");
        assert_eq!(client.recv_to_end(), [Received::Close(1000, String::new())]);
        assert_eq!(soon(&closes), closed(1000, "", true));
        drop(server);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["before"]);
    });
}

/// The promise of `Context::close`: the handler has closed, so it gets no message any more, though
/// more of them have been received.
#[test]
fn a_handler_that_has_closed_gets_no_message() {
    in_each_mode(|mode| {
        let (outcomes, heard) = channel();
        let (script, closes) = with_closes(Script::new().on_text(move |ctx, text| {
            ctx.send(text);
            ctx.close(CloseCode::NORMAL, text);
            outcomes.send((text.to_owned(), ctx.send("too late"))).expect("the test listens");
        }));
        let server = mode.start(script);
        let mut client = server.connect();
        client.send_texts(["first", "second", "third"]);
        client.expect_text("first");
        assert_eq!(client.expect_close(1000), "first");
        client.send_text("fourth");
        client.close(1000, "");
        client.expect_end();
        assert_eq!(soon(&closes), closed(1000, "", true));
        drop(server);
        assert_eq!(heard.iter().collect::<Vec<_>>(), [("first".to_owned(), Outcome::Gone)]);
    });
}

/// As above, with something asked of the server's handle first: then the close frame must not
/// overtake it, and waits for its turn.
#[test]
fn a_handler_that_has_published_and_closed_gets_no_message() {
    in_each_mode(|mode| {
        let (messages, heard) = channel();
        let script = Script::new()
            .on_open(|ctx| {
                let topic = ctx.server().topic("all");
                ctx.subscribe(&topic);
            })
            .on_text(move |ctx, text| {
                ctx.server().topic("all").publish(text);
                ctx.close(CloseCode::NORMAL, text);
                messages.send(text.to_owned()).expect("the test listens");
            });
        let server = mode.start(script);
        let mut client = server.connect();
        client.send_texts(["first", "second", "third"]);
        client.expect_text("first");
        assert_eq!(client.expect_close(1000), "first");
        client.close(1000, "");
        client.expect_end();
        drop(server);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["first"]);
    });
}

#[test]
fn terminating_ends_the_connection_without_a_close_frame() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::new().on_text(|ctx, _| ctx.terminate()));
        let server = mode.start(script);
        let mut client = server.connect();
        client.send_text("go");
        assert_eq!(client.recv_to_end(), []);
        let end = soon(&closes);
        assert_eq!((end.code, end.was_clean), (CloseCode::ABNORMAL, false));
        drop(server);
        assert_eq!(closes.iter().count(), 0);
    });
}

#[test]
fn a_peer_that_never_answers_a_close_frame_is_given_up() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(polite());
        let builder = mode.builder().close_timeout(Duration::from_millis(100));
        let server = Running::start(builder, script);
        let mut client = server.connect();
        client.send_text("bye");
        client.expect_close(4000);
        // Whatever it says instead of an answer does not help it.
        let writer = client.writer();
        let talk = thread::spawn(move || {
            while writer.try_send_text("and another thing").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let end = soon(&closes);
        assert_eq!((end.code, end.was_clean), (CloseCode::ABNORMAL, false));
        let total = || server.handle().stats().total;
        eventually("it is counted", || (total().timeouts, total().close_timeouts) == (1, 1));
        client.recv_to_end();
        talk.join().expect("it has heard of the end");
    });
}

#[test]
fn a_peer_that_never_ends_the_stream_is_given_up() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(polite());
        let builder = mode.builder().close_timeout(Duration::from_millis(100));
        let server = Running::start(builder, script);
        let client = server.connect();
        client.close(1000, "");
        assert_eq!(soon(&closes), closed(1000, "", true));
        eventually("the connection is let go", || server.handle().stats().connections == 0);
        drop(client);
    });
}

#[test]
fn reasons_are_cut_and_codes_that_must_not_be_sent_are_not() {
    in_each_mode(|mode| {
        let server = mode.start(Script::new().on_text(|ctx, text| {
            ctx.close(text.parse::<u16>().expect("a code").into(), &"é".repeat(100));
        }));
        let mut client = server.connect();
        client.send_text("1000");
        assert_eq!(client.expect_close(1000), "é".repeat(61));
        let mut client = server.connect();
        client.send_text("1006");
        assert_eq!(client.expect_close(1005), "");
    });
}

/// The name is good for nothing once the handler has heard of the end, even while the socket waits
/// for the peer to hang up.
#[test]
fn what_is_sent_after_the_close_callback_is_gone() {
    in_each_mode(|mode: Mode| {
        let (outcomes, seen) = channel();
        let script = Script::new().on_close(move |ctx, _| {
            let (id, server) = (ctx.id(), ctx.server());
            let by_handle = [
                server.send(id, "x"),
                server.ping(id, b""),
                server.close(id, CloseCode::NORMAL, ""),
                server.terminate(id),
            ];
            assert_eq!(server.subscribe(id, &server.topic("t")), Subscribed::Gone);
            outcomes.send((ctx.send("x"), by_handle, id)).expect("the test listens");
        });
        let server = mode.start(script);
        let mut client = server.connect();
        client.close(1000, "");
        client.expect_close(1000);
        let (by_context, by_handle, id) = soon(&seen);
        assert_eq!(by_context, Outcome::Gone);
        assert_eq!(by_handle, [Outcome::Gone; 4]);
        assert_eq!(server.handle().buffered_amount(id), None);
        client.expect_end();
    });
}
