//! Peers that are not there any more, though nothing says so: no end, no reset, and no answer.

use std::time::Duration;

use tickwire::{Builder, Counters, SocketOptions};

use super::ledger::Ledger;
use super::states::{Peer, State};
use super::support::{Mode, eventually, in_each_mode};

const COUNT: usize = 3;
const SHORT: Duration = Duration::from_millis(400);

fn impatient(builder: Builder) -> Builder {
    builder
        .handshake_timeout(SHORT)
        .close_timeout(SHORT)
        .ping_interval(SHORT / 2)
        .idle_timeout(SHORT)
        .max_backpressure(1 << 20)
}

/// Neither an answer to a ping, nor a byte more, nor room for one: with what waits it would stay for
/// ever, if it were not for time.
#[test]
fn a_peer_that_has_vanished_is_given_up_in_every_state() {
    in_each_mode(|mode| {
        let ledger = Ledger::open(mode, impatient);
        let crowd = State::ALL.iter().flat_map(|&state| [state; COUNT]);
        let peers: Vec<Peer> = crowd.map(|state| state.peer(&ledger)).collect();
        eventually("they are given up", || ledger.connection_count() == 0);
        drop(peers);
        ledger.settle();
        if mode == Mode::Threads {
            State::HELD.iter().for_each(|&state| vanish_while_held(&ledger, state));
        }
        let Counters { timeouts, handshake_timeouts, idle_timeouts, close_timeouts, .. } =
            ledger.handle().stats().total;
        assert!(handshake_timeouts > 0 && idle_timeouts > 0 && close_timeouts > 0);
        assert_eq!(timeouts, handshake_timeouts + idle_timeouts + close_timeouts);
        ledger.close();
    });
}

/// Whether it is there still shows when the server is ready to hear it. A decision has its time all the same.
fn vanish_while_held(ledger: &Ledger, state: State) {
    let peers = state.peers(ledger, COUNT);
    if state == State::Deciding {
        eventually("they are sent away", || ledger.connection_count() == 0);
    } else {
        std::thread::sleep(SHORT + SHORT / 2);
        assert_eq!(ledger.connection_count(), COUNT, "{state:?} is not their doing");
    }
    ledger.let_go();
    eventually("they are given up", || ledger.connection_count() == 0);
    drop(peers);
    ledger.settle();
}

/// Nothing is taken, and so nothing is read of what it says: what waits for it is its own doing.
#[test]
fn a_peer_that_keeps_its_window_closed_is_given_up_though_it_speaks() {
    in_each_mode(|mode| {
        // What the system takes leaves far more than half of what may wait.
        let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
        let ledger = Ledger::open(mode, |builder| {
            let builder = impatient(builder).event_loops(1).max_backpressure(512 << 10);
            builder.socket_options(socket_options)
        });
        let Peer::Client(client) = State::Unread.peer(&ledger) else { panic!("a client") };
        let handle = ledger.server().handle();
        let waiting = || handle.slowest(1).first().map_or(0, |worst| worst.buffered_amount);
        eventually("its queue fills, or it is gone", || {
            waiting() > 100_000 || ledger.connection_count() == 0
        });
        eventually("it is given up", || {
            std::thread::sleep(Duration::from_millis(20));
            let _ = client.try_send_text("still here");
            assert!(waiting() <= 1 << 20, "what waits is bounded");
            ledger.connection_count() == 0
        });
        drop(client);
        ledger.close();
    });
}
