//! Handler threads that are slow: their own connections wait, and nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickwire::frame::{OpCode, encode_frame};
use tickwire::{Builder, CloseCode, Context, Outcome, TopicOptions};

use super::support::{Client, Mode, Received, Running, Script, eventually, soon};
use super::with_closes;

/// Counts how many messages a blocked callback has left in the kernel and in its lane.
const MAX_LANE_LEN: usize = 512 << 10;

/// Longer than a handler thread's turn.
const WORK: Duration = Duration::from_micros(200);

/// An echo whose `who` names its handler thread, whose `block` waits until the test lets it go, and whose
/// `how much` tells how much has been worked.
struct Slow {
    server: Running,
    release: Sender<()>,
    entered: std::sync::mpsc::Receiver<()>,
    /// Messages that were `work`: of more than a turn each.
    worked: Arc<AtomicUsize>,
}

impl Slow {
    fn start(builder: Builder, script: Script) -> Self {
        let (release, gate) = channel::<()>();
        let (enter, entered) = channel();
        let gate = Mutex::new(gate);
        let worked = Arc::new(AtomicUsize::new(0));
        let counter = worked.clone();
        let script = script.on_text(move |ctx, text| match text {
            "who" => {
                ctx.send(std::thread::current().name().expect("a name"));
            }
            "block" => {
                enter.send(()).expect("the test listens");
                gate.lock().expect("a gate").recv().expect("the test lets go");
                ctx.send("unblocked");
            }
            "how much" => {
                ctx.send(counter.load(Ordering::Relaxed).to_string());
            }
            text if text.starts_with("quiet") => {}
            text if text.starts_with("work") => {
                std::thread::sleep(WORK);
                counter.fetch_add(1, Ordering::Relaxed);
            }
            text => {
                ctx.send(text);
            }
        });
        Self { server: Running::start(builder, script), release, entered, worked }
    }

    /// A connection on a lane for which `wanted` holds.
    fn connect(&self, wanted: impl Fn(&str) -> bool) -> (Client, String) {
        loop {
            let mut client = self.server.connect();
            client.send_text("who");
            let Received::Text(lane) = client.recv() else { panic!("no name") };
            if wanted(&lane) {
                return (client, lane);
            }
            client.leave();
        }
    }

    /// A connection whose callback blocks, and its lane.
    fn block(&self) -> (Client, String) {
        let (client, lane) = self.connect(|_| true);
        client.send_text("block");
        soon(&self.entered);
        (client, lane)
    }

    fn connect_elsewhere(&self, lane: &str) -> (Client, String) {
        // Asking for its name would block on the blocked lane: connections take turns, and the next
        // one is elsewhere.
        let (client, other) = self.connect(|_| true);
        assert_ne!(other, lane);
        (client, other)
    }

    /// Sends a message that is longer than the lane: what comes behind it stays in the kernel.
    fn fill_lane(&self, client: &Client, text: &str) {
        let received = || self.server.handle().stats().total.bytes_received;
        let before = received();
        client.send_text(text);
        eventually("the lane is full", || received() > before);
    }

    fn release(&self) {
        self.release.send(()).expect("somebody waits");
    }
}

fn builder() -> Builder {
    Mode::Threads.builder().max_lane_len(MAX_LANE_LEN).max_backpressure(64 << 20)
}

#[test]
fn a_slow_handler_thread_delays_its_own_connections_alone() {
    let slow = Slow::start(builder().event_loops(2).handler_threads(3), Script::new());
    let neighbours: Vec<_> = (0..12).map(|_| slow.connect(|_| true)).collect();
    let (mut blocked, blocked_lane) = slow.block();
    let (waiting, others): (Vec<_>, Vec<_>) =
        neighbours.into_iter().partition(|(_, lane)| *lane == blocked_lane);
    assert_eq!((waiting.len(), others.len()), (4, 8), "connections are spread over the lanes");
    for (client, _) in waiting.iter().chain(&others) {
        client.send_text("hello");
    }
    // These answer while the callback still blocks; new connections come in too.
    for (mut client, _) in others {
        client.expect_text("hello");
    }
    slow.release();
    blocked.expect_text("unblocked");
    for (mut client, _) in waiting {
        client.expect_text("hello");
    }
}

#[test]
fn a_flood_to_a_slow_handler_thread_is_pushed_back_and_nothing_is_lost() {
    const LEN: usize = 10_000;
    let slow = Slow::start(builder(), Script::new());
    let (mut blocked, lane) = slow.block();
    let (mut other, _) = slow.connect_elsewhere(&lane);
    let before = slow.server.handle().stats().total.bytes_received;

    let text = "x".repeat(LEN);
    let mut frame = Vec::new();
    encode_frame(&mut frame, true, OpCode::Text, Some([0; 4]), text.as_bytes());
    let filled = blocked.fill(&frame, (96 << 20) / LEN);
    assert!(filled.pushed_back, "the server took everything");
    let taken = slow.server.handle().stats().total.bytes_received - before;
    // What the lane holds, and the turn in which it became full.
    let bound = (MAX_LANE_LEN + (512 << 10)) as u64;
    assert!(taken <= bound, "{taken} bytes were read for a lane of {MAX_LANE_LEN}");
    other.send_text("and I?");
    other.expect_text("and I?");

    slow.release();
    let writer = blocked.writer();
    let rest = std::thread::spawn(move || {
        writer.send_raw(&filled.rest);
        writer.send_text("the end");
    });
    blocked.expect_text("unblocked");
    for i in 0..filled.count {
        assert!(blocked.recv() == Received::Text(text.clone()), "message {i}");
    }
    blocked.expect_text("the end");
    rest.join().expect("the rest is sent");
    blocked.leave();
}

/// Ten connections have far more for a handler thread than its lane takes: each has its share of it and
/// its turns, and others have theirs.
#[test]
fn a_connection_waits_for_a_turn_of_others_and_not_for_their_floods() {
    const FLOODERS: usize = 10;
    const LEN: usize = 1000;
    const EACH: usize = 100;
    let builder = builder().event_loops(1).handler_threads(1);
    let slow = Slow::start(builder, Script::new());
    let (mut patient, _) = slow.connect(|_| true);
    let flooders: Vec<_> = (0..FLOODERS).map(|_| slow.server.connect()).collect();
    let (mut blocked, _) = slow.block();
    let mut flood = Vec::new();
    for _ in 0..EACH {
        let text = format!("work{}", "!".repeat(LEN));
        encode_frame(&mut flood, true, OpCode::Text, Some([0; 4]), text.as_bytes());
    }
    flooders.iter().for_each(|flooder| flooder.send_raw(&flood));
    let messages = || slow.server.handle().stats().total.messages_received;
    let before = settled(messages);

    patient.send_text("and I?");
    eventually("its message is taken in", || messages() > before);
    slow.release();
    blocked.expect_text("unblocked");
    patient.expect_text("and I?");
    let ahead = slow.worked.load(Ordering::Relaxed);
    assert!(ahead < 5 * FLOODERS, "{ahead} messages of others were handled before");
    let done = || slow.worked.load(Ordering::Relaxed);
    eventually("all are handled", || done() == FLOODERS * EACH);
}

/// However many there are of the short ones.
#[test]
fn long_callbacks_do_not_hide_behind_short_ones() {
    const SHORT_COUNT: usize = 34;
    const LONG_COUNT: usize = 60;
    let builder = builder().event_loops(1).handler_threads(1);
    let slow = Slow::start(builder, Script::new());
    let (mut patient, _) = slow.connect(|_| true);
    let flooder = slow.server.connect();
    let (mut blocked, _) = slow.block();
    let messages = || slow.server.handle().stats().total.messages_received;
    let before = settled(messages);
    let texts = ["quiet"; SHORT_COUNT].into_iter().chain(["work"; LONG_COUNT]);
    flooder.send_texts(texts);
    let count = (SHORT_COUNT + LONG_COUNT) as u64;
    eventually("they are taken in", || messages() == before + count);

    patient.send_text("how much");
    eventually("its message is taken in", || messages() == before + count + 1);
    slow.release();
    blocked.expect_text("unblocked");
    let Received::Text(ahead) = patient.recv() else { panic!("no number") };
    let ahead: usize = ahead.parse().expect("a number");
    assert!(ahead <= 20, "{ahead} messages were handled before");
    eventually("all are handled", || slow.worked.load(Ordering::Relaxed) == LONG_COUNT);
}

/// A number once it does not change any more.
fn settled(number: impl Fn() -> u64) -> u64 {
    loop {
        let before = number();
        std::thread::sleep(Duration::from_millis(100));
        if number() == before {
            return before;
        }
    }
}

#[test]
fn messages_of_a_stalled_lane_stay_in_order() {
    let slow = Slow::start(builder().max_lane_len(4096), Script::new());
    let (mut blocked, _) = slow.block();
    let texts: Vec<String> = (0..20_000).map(|i| format!("message {i}")).collect();
    let writer = blocked.writer();
    let sender = {
        let texts = texts.clone();
        std::thread::spawn(move || writer.send_texts(texts.iter().map(String::as_str)))
    };
    slow.release();
    blocked.expect_text("unblocked");
    for text in &texts {
        blocked.expect_text(text);
    }
    sender.join().expect("the sender");
}

/// The engine does not read what its own lane has no room for: that is not the client's silence.
#[test]
fn a_client_whose_lane_is_stalled_is_not_silent() {
    const SHORT: Duration = Duration::from_millis(500);
    let (script, closes) = with_closes(Script::new());
    let builder = builder().ping_interval(None).idle_timeout(SHORT).max_lane_len(4096);
    let slow = Slow::start(builder, script);
    let (mut blocked, _) = slow.block();
    let text = "x".repeat(8_000);
    slow.fill_lane(&blocked, &text);
    for _ in 1..8 {
        blocked.send_text(&text);
    }
    // Longer than anybody may be silent.
    std::thread::sleep(2 * SHORT);
    assert!(closes.try_recv().is_err(), "the client was given up while its lane was stalled");
    slow.release();
    blocked.expect_text("unblocked");
    for _ in 0..8 {
        blocked.expect_text(&text);
    }
    // Now it is.
    assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
}

/// Nor is one that has its share of a lane which has room for others.
#[test]
fn a_client_that_has_its_share_of_a_lane_is_not_silent() {
    const SHORT: Duration = Duration::from_millis(500);
    const COUNT: usize = 30;
    let (script, closes) = with_closes(Script::new());
    let slow = Slow::start(builder().ping_interval(None).idle_timeout(SHORT), script);
    let (mut blocked, _) = slow.block();
    let text = "x".repeat(8_000);
    let before = slow.server.handle().stats().total.bytes_received;
    (0..COUNT).for_each(|_| blocked.send_text(&text));
    // Longer than anybody may be silent.
    std::thread::sleep(2 * SHORT);
    let taken = slow.server.handle().stats().total.bytes_received - before;
    assert!(taken < (COUNT * text.len()) as u64, "it is held back");
    assert!(closes.try_recv().is_err(), "the client was given up while it was not read");
    slow.release();
    blocked.expect_text("unblocked");
    for _ in 0..COUNT {
        blocked.expect_text(&text);
    }
    // Now it is.
    assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
}

/// The end of the stream is announced once; a stalled lane must not make the loop forget it, nor what came
/// before it.
#[test]
fn an_end_of_stream_behind_a_stalled_lane_is_met() {
    let (script, closes) = with_closes(Script::new());
    let slow = Slow::start(builder().max_lane_len(4096), script);
    let (blocked, _) = slow.block();
    let quiet = "quiet ".repeat(1_300);
    slow.fill_lane(&blocked, &quiet);
    blocked.send_text(&quiet);
    blocked.shutdown_write();
    std::thread::sleep(Duration::from_millis(50));
    slow.release();
    assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
    eventually("it is let go", || slow.server.handle().stats().connections == 0);
    // Who it is, the one that blocks, and both that are quiet.
    let received = || slow.server.handle().stats().total.messages_received;
    eventually("all that came before it is handled", || received() == 4);
}

/// A stalled lane takes no messages, but behind a close frame there are none.
#[test]
fn a_closing_handshake_ends_while_the_lane_is_stalled() {
    let (ids, opened) = channel();
    let script = Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
    let slow = Slow::start(builder().max_lane_len(4096), script);
    let (mut blocked, _) = slow.block();
    let id = opened.try_iter().last().expect("the blocked connection");
    slow.fill_lane(&blocked, &"x".repeat(8_000));
    blocked.send_text(&"x".repeat(8_000));
    slow.server.handle().close(id, CloseCode::NORMAL, "enough");
    assert_eq!(blocked.expect_close(1000), "enough");
    blocked.close(1000, "");
    blocked.expect_end();
    slow.release();
}

/// Nor does anything more go there of a connection that has its share of it.
#[test]
fn a_closing_handshake_ends_while_its_share_of_the_lane_is_full() {
    let (ids, opened) = channel();
    let script = Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
    let slow = Slow::start(builder(), script);
    let (mut blocked, _) = slow.block();
    let id = opened.try_iter().last().expect("the blocked connection");
    let messages = || slow.server.handle().stats().total.messages_received;
    blocked.send_texts(std::iter::repeat_n(&*"x".repeat(8_000), 30));
    assert!(settled(messages) < 30, "it is held back");
    slow.server.handle().close(id, CloseCode::NORMAL, "enough");
    assert_eq!(blocked.expect_close(1000), "enough");
    blocked.close(1000, "");
    blocked.expect_end();
    slow.release();
}

/// The answer to a close frame goes behind what callbacks still send, but they are not waited for for ever.
#[test]
fn a_close_frame_is_answered_though_a_callback_does_not_end() {
    let slow = Slow::start(builder().close_timeout(Duration::from_millis(200)), Script::new());
    let (mut blocked, _) = slow.block();
    blocked.close(1000, "");
    blocked.expect_close(1000);
    blocked.expect_end();
    eventually("it is counted", || slow.server.handle().stats().total.timeouts == 1);
    slow.release();
}

/// `upgrade` runs on the handler threads too: one that blocks delays its lane alone.
#[test]
fn an_upgrade_may_block() {
    let (release, gate) = channel::<()>();
    let (enter, entered) = channel();
    let gate = Arc::new(Mutex::new(gate));
    let script = Script::echo().on_upgrade(move |request| {
        if request.path() == "/slow" {
            enter.send(()).expect("the test listens");
            gate.lock().expect("a gate").recv().expect("the test lets go");
        }
        Ok(tickwire::Upgrade::new(()))
    });
    let server = Mode::Threads.start(script);
    let slow = {
        let address = server.address();
        std::thread::spawn(move || {
            let mut client =
                super::support::Dial::path(&address, "/slow").text_behind("at once").connect();
            client.expect_text("at once");
            client.leave();
        })
    };
    soon(&entered);
    // Lanes take turns: this one is on the other.
    server.connect().leave();
    release.send(()).expect("it waits");
    slow.join().expect("the slow client");
}

/// Whoever asks while the only handler thread is at something else is told so in time, and what is decided
/// later concerns nobody.
#[test]
fn a_request_that_is_not_decided_upon_in_time_is_answered_with_503() {
    let (script, closes) = with_closes(Script::new());
    let builder = builder().handler_threads(1).handshake_timeout(Duration::from_millis(300));
    let slow = Slow::start(builder, script);
    let (mut blocked, _) = slow.block();
    let response = slow.server.dial().refused();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    let total = || slow.server.handle().stats().total;
    eventually("it is counted", || (total().requests_shed, total().upgraded) == (1, 1));
    slow.release();
    blocked.expect_text("unblocked");
    // It was let in, and heard of the end at once.
    assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
    blocked.leave();
    slow.connect(|_| true).0.leave();
    eventually("one has been let in", || total().upgraded == 2);
}

/// A full lane takes no request, however long that might wait.
#[test]
fn requests_are_answered_with_503_while_all_lanes_are_full() {
    let slow = Slow::start(builder().handler_threads(1), Script::new());
    let (mut blocked, _) = slow.block();
    let text = "quiet".repeat(MAX_LANE_LEN / 5);
    slow.fill_lane(&blocked, &text);
    let total = || slow.server.handle().stats().total;
    // Each request before is in the lane; the kernel may bring the flood in several turns.
    eventually("a request is refused", || {
        let waiting = slow.server.dial().send();
        std::thread::sleep(Duration::from_millis(20));
        drop(waiting);
        total().requests_shed > 0
    });
    assert_eq!(slow.server.dial().refused().status, 503);
    slow.release();
    blocked.expect_text("unblocked");
    blocked.leave();
    slow.connect(|_| true).0.leave();
}

#[test]
fn a_snapshot_is_taken_though_whoever_needed_it_first_is_on_a_blocked_lane() {
    let (ids, opened) = channel();
    let open = move |ctx: &mut Context<'_>| ids.send(ctx.id()).expect("the test listens");
    let slow = Slow::start(builder(), Script::new().on_open(open));
    let options = TopicOptions::resync().replay(1, 1 << 20);
    let options = options.snapshot_source(|| Some((2, "the state".into())));
    let topic = slow.server.handle().topic_with("t", options);
    (0..2).for_each(|_| assert_eq!(topic.publish("a delta"), Outcome::Sent));
    let (mut blocked, lane) = slow.block();
    let blocked_id = opened.try_iter().last().expect("it is open");
    let (mut other, _) = slow.connect_elsewhere(&lane);
    let other_id = opened.try_iter().last().expect("it is open");
    for id in [blocked_id, other_id] {
        assert!(slow.server.handle().subscribe(id, &topic).is_subscribed());
    }
    other.expect_text("the state");
    blocked.expect_text("the state");
    slow.release();
    blocked.expect_text("unblocked");
}
