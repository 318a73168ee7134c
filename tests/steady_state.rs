//! Promise 6: in steady state inline mode allocates nothing per message; nor do event loop and handler
//! thread together, while messages are small.

#[path = "support/allocations.rs"]
mod allocations;
mod support;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use support::{Client, Mode, soon};
use tickwire::{Context, Handler, Message};

/// One test at a time: what the process allocates is counted.
static ALONE: Mutex<()> = Mutex::new(());

/// Echoes; when told "count" it says how much its thread, the event loop, has allocated so far.
struct Echo {
    counts: Sender<usize>,
}

impl Handler for Echo {
    type State = ();

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        if message.as_text() == Some("count") {
            self.counts.send(allocations::count()).expect("the test waits");
        } else {
            ctx.send(message);
        }
    }
}

/// Sends batches of messages and takes every echo, so that nothing ever waits for the socket.
fn exchange(client: &mut Client, payload: &str, batches: usize, depth: usize) {
    let writer = client.writer();
    for _ in 0..batches {
        writer.send_texts(std::iter::repeat_n(payload, depth));
        (0..depth).for_each(|_| client.expect_text(payload));
    }
}

#[test]
fn promise_6_steady_state_allocates_nothing_per_message_inline() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (counts, counted) = channel();
    let server = Mode::Inline.start(Echo { counts });
    // Single small messages, full read buffers of them (their last is cut), and ones
    // that are received into a buffer of their own.
    let kinds = [("hello, tick".to_owned(), 1), ("x".repeat(1000), 200), ("y".repeat(40_000), 1)];
    for (payload, depth) in &kinds {
        let mut client = server.connect();
        let count = |client: &Client| {
            client.writer().send_text("count");
            soon(&counted)
        };
        exchange(&mut client, payload, 20, *depth);
        // Saying a count over a channel may itself allocate: the first does not matter.
        count(&client);
        let before = count(&client);
        exchange(&mut client, payload, 200, *depth);
        let after = count(&client);
        let messages = 200 * depth;
        assert!(
            after - before <= 5,
            "{} allocations for {messages} messages of {} bytes",
            after - before,
            payload.len()
        );
    }
}

#[cfg(feature = "deflate")]
#[test]
fn compressing_allocates_nothing_per_message_either() {
    use tickwire::Compression;
    use tickwire::deflate::Params;

    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for compression in [Compression::shared(), Compression::dedicated()] {
        let (counts, counted) = channel();
        let builder = Mode::Inline.builder().compression(compression);
        let server = support::Running::start(builder, Echo { counts });
        for payload in ["compress me ".repeat(40), "and me ".repeat(10_000)] {
            let mut client = server.dial().deflate(Params::default()).connect();
            let exchange = |client: &mut Client, times| {
                for _ in 0..times {
                    client.send_deflated(&payload);
                    client.expect_text(&payload);
                }
            };
            let count = |client: &Client| {
                client.writer().send_text("count");
                soon(&counted)
            };
            // A dedicated window grows with what has come.
            exchange(&mut client, 200);
            count(&client);
            let before = count(&client);
            exchange(&mut client, 100);
            let after = count(&client);
            assert!(after - before <= 5, "{} allocations for 100 messages", after - before);
        }
    }
}

/// Echoes, on a handler thread.
struct PlainEcho;

impl Handler for PlainEcho {
    type State = ();

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        ctx.send(message);
    }
}

#[test]
fn steady_state_allocates_nothing_per_message_on_handler_threads() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The client allocates; the server's threads are all others that this test starts.
    allocations::leave_out_this_thread();
    let server = Mode::Threads.start(PlainEcho);
    for len in [20, 1024, 4096] {
        for depth in [1, 16] {
            let payload = "x".repeat(len);
            let mut client = server.connect();
            exchange(&mut client, &payload, 200, depth);
            let before = allocations::count_of_process();
            exchange(&mut client, &payload, 1000, depth);
            let count = allocations::count_of_process() - before;
            // Now and then more batches are under way than ever before, up to the 32 that are kept: each has
            // two buffers.
            let messages = 1000 * depth;
            assert!(count <= 64, "{count} allocations for {messages} messages of {len} bytes");
        }
    }
}
