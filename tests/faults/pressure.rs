//! More at once than is kept for reuse.

use std::time::Duration;

use tickwire::Limits;

use super::allocations::{held_by_process, leave_out_this_thread};
use super::ledger::{Ledger, PLAIN};
use super::states::{Peer, State, are_read, in_payload};
use super::support::{Client, eventually, in_each_mode};

/// What two loops may keep for reuse when many connections have needed much, in bytes: large receive
/// buffers of 8 MiB in all, and 256 emptied queues and small buffers each.
const KEPT_LEN: isize = 2 * ((8 << 20) + 256 * 6 * 1024);

/// Each connection with half a megabyte in its queue, and half a message received: when they have gone,
/// what they took is given back, but for what the pools keep.
#[test]
fn a_crowd_leaves_no_more_than_the_pools_keep() {
    const COUNT: usize = 150;
    in_each_mode(|mode| {
        let ledger = Ledger::open(mode, |builder| {
            builder.ping_interval(None).idle_timeout(None).close_timeout(Duration::from_secs(600))
        });
        // What is made once.
        drop(State::Unread.peer(&ledger));
        ledger.settle();
        let before = held_by_process();
        // Both kinds on both loops, which take turns.
        let crowd: Vec<Peer> = (0..2 * COUNT)
            .map(|at| if at % 4 < 2 { State::Unread } else { State::InLargePayload })
            .map(|state| state.peer(&ledger))
            .collect();
        let waiting = || ledger.server().handle().stats().total.bytes_queued;
        eventually("their queues fill", || waiting() > COUNT as u64 * 200_000);
        let held = held_by_process() - before;
        assert!(held > COUNT as isize * 200_000, "{held} bytes");
        drop(crowd);
        ledger.settle();
        // Large buffers stay for a second or two, for whoever comes next.
        eventually("the rest is given back", || held_by_process() - before <= KEPT_LEN);
        ledger.close();
    });
}

/// What two loops may keep of them for good.
const RESTING_LEN: isize = 2 * (8 << 20);

#[test]
fn buffers_of_large_messages_are_given_back_when_nobody_has_wanted_them_for_a_while() {
    const LEN: usize = 3 << 20;
    in_each_mode(|mode| {
        let limits = Limits::for_messages_up_to(4 << 20);
        let ledger = Ledger::open(mode, |builder| builder.limits(limits));
        drop(State::Open.peer(&ledger));
        ledger.settle();
        let before = held_by_process();
        let crowd: Vec<Peer> = (0..12).map(|_| in_payload(&ledger, LEN as u64 + 1, LEN)).collect();
        let held = held_by_process() - before;
        assert!(held > 12 * LEN as isize, "{held} bytes");
        drop(crowd);
        ledger.settle();
        let held = || held_by_process() - before;
        eventually("most is given back", || held() <= RESTING_LEN + (1 << 20));
        ledger.close();
    });
}

/// A message of which little has come may lie in a buffer that has held much: that counts.
#[test]
fn what_does_not_end_holds_no_more_than_it_may_in_buffers_that_were_of_use_before() {
    const COUNT: usize = 60;
    const LEN: usize = 1 << 20;
    const MAX_LEN: usize = 16 << 20;
    // The clients' own buffers are no matter of the server's.
    leave_out_this_thread();
    in_each_mode(|mode| {
        let limits =
            Limits { max_unfinished_len: Some(MAX_LEN), ..Limits::for_messages_up_to(LEN) };
        let ledger = Ledger::open(mode, |builder| builder.limits(limits).max_backpressure(4 << 20));
        drop(State::Open.peer(&ledger));
        ledger.settle();
        let before = held_by_process();
        let large = "x".repeat(LEN);
        let crowd: Vec<Client> = (0..COUNT)
            .map(|_| {
                let mut client = Client::connect(&ledger.address(PLAIN));
                client.send_text(&large);
                client.expect_text(&large);
                are_read(&ledger, 7, || client.send_raw(b"\x01\x81\0\0\0\0x"));
                client
            })
            .collect();
        let held = || held_by_process() - before;
        eventually("it is no more than may be", || held() <= (MAX_LEN + MAX_LEN / 4) as isize);
        let total = ledger.handle().stats().total;
        assert_eq!((total.unfinished_shed, ledger.connection_count()), (0, COUNT));
        drop(crowd);
        ledger.settle();
        ledger.close();
    });
}
