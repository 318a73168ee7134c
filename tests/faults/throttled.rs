//! Peers that are not read because they send too much, and fail meanwhile.

use std::net::Shutdown;
use std::time::Duration;

use tickwire::{Builder, Counters, Limits, Rate};

use super::ledger::Ledger;
use super::states::{Peer, State};
use super::support::{eventually, in_each_mode};

const COUNT: usize = 3;
const PATIENCE: Duration = Duration::from_millis(150);

fn impatient(builder: Builder) -> Builder {
    let limits = Limits {
        message_rate: Some(Rate::new(100, 20)),
        max_excess_time: PATIENCE,
        ..Limits::trusted()
    };
    builder.limits(limits).close_timeout(PATIENCE)
}

/// Peers that have sent far more than may be taken in, and are held back.
fn throttled(ledger: &Ledger) -> Vec<Peer> {
    let throttled = || ledger.handle().stats().total.throttled;
    let before = throttled();
    let peers = State::Open.peers(ledger, COUNT);
    for client in peers.iter().filter_map(Peer::client) {
        client.send_texts(std::iter::repeat_n("too much", 2000));
    }
    eventually("they are held back", || throttled() >= before + COUNT as u64);
    peers
}

/// Floods and timeouts that there have been.
fn numbers(ledger: &Ledger) -> [u64; 2] {
    let Counters { message_floods, timeouts, .. } = ledger.handle().stats().total;
    [message_floods, timeouts]
}

/// What has come of them is dealt with first, as far as patience goes: then they are closed, and are gone.
#[test]
fn a_peer_that_fails_while_it_is_held_back_is_let_go_in_time() {
    const ALL: u64 = COUNT as u64;
    in_each_mode(|mode| {
        let ledger = Ledger::open(mode, impatient);
        let resetting = throttled(&ledger);
        resetting.iter().for_each(|peer| peer.socket().reset_on_close());
        drop(resetting);
        assert_eq!(ledger.settle(), COUNT);
        let [floods, timeouts] = numbers(&ledger);
        assert!(floods <= ALL && timeouts == 0, "{floods} floods, {timeouts} timeouts");

        let ending = throttled(&ledger);
        for peer in &ending {
            peer.socket().shutdown(Shutdown::Write).expect("shut down");
            assert!(peer.read_to_end() > 0);
        }
        drop(ending);
        assert_eq!(ledger.settle(), COUNT);
        assert_eq!(numbers(&ledger), [floods + ALL, 0]);

        // Nobody answers the close frames.
        let silent = throttled(&ledger);
        eventually("they are given up", || ledger.connection_count() == 0);
        drop(silent);
        assert_eq!(ledger.settle(), COUNT);
        assert_eq!(numbers(&ledger), [floods + 2 * ALL, ALL]);
        ledger.close();
    });
}
