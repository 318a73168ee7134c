//! What may wait for all connections together.

use std::sync::mpsc::channel;

use tickwire::{Limits, SocketOptions};

use super::support::{Received, Running, Script, eventually, in_each_mode_at_once, soon};

const LEN: usize = 8 << 10;

/// The slowest is told so, and nothing is taken from the others.
#[test]
fn when_too_much_waits_for_all_the_slowest_is_closed_with_1013() {
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let script =
            Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let limits = Limits { max_queued_len: Some(512 << 10), ..Limits::trusted() };
        let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
        let builder = mode.builder().event_loops(2).limits(limits).socket_options(socket_options);
        let server = Running::start(builder.max_backpressure(8 << 20), script);
        let mut clients = [0; 3].map(|_| {
            let client = server.dial().receive_len(16 << 10).connect();
            (client, soon(&opened))
        });
        let send = |id, count: usize| {
            for _ in 0..count {
                assert!(server.handle().send(id, vec![b'x'; LEN]).is_accepted());
            }
        };
        let queued = || server.handle().stats().total.bytes_queued;
        let [few, many, some] = [16, 50, 20];
        send(clients[0].1, few);
        send(clients[1].1, many);
        eventually("most of it waits", || queued() > 50 * LEN as u64);
        assert_eq!(server.handle().stats().total.queues_shed, 0);
        send(clients[2].1, some);
        // Nothing happens to the loop that has the most.
        eventually("one is closed", || server.handle().stats().total.queues_shed == 1);
        let mut count = 0;
        let end = loop {
            match clients[1].0.recv() {
                Received::Binary(_) => count += 1,
                end => break end,
            }
        };
        let reason = "too slow while too much waits for all";
        assert_eq!(end, Received::Close(1013, reason.into()));
        assert!(count < many, "what waited for it has been dropped");
        let waiting = clients.each_ref().map(|(_, id)| server.handle().buffered_amount(*id));
        assert!(matches!(waiting, [Some(1..), _, Some(1..)]), "{waiting:?}");
    });
}
