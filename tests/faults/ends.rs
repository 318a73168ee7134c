//! Peers that reset the connection, or end their direction of it, in every state.

use std::net::Shutdown;
use std::time::Duration;

use tickwire::Builder;

use super::ledger::{Ledger, PAGE_LEN};
use super::states::{Peer, State};
use super::support::{Mode, in_each_mode};

/// Peers in each state at once.
const COUNT: usize = 4;

/// So long that no timer ends a connection: the event itself must.
const NEVER: Duration = Duration::from_secs(600);

pub(crate) fn patient(builder: Builder) -> Builder {
    builder
        .handshake_timeout(NEVER)
        .close_timeout(NEVER)
        .ping_interval(None)
        .idle_timeout(None)
        .max_backpressure(1 << 20)
}

/// In each state, a few peers at once, and again.
fn in_each_state(mode: Mode, fault: impl Fn(&Ledger, State, Vec<Peer>)) {
    let ledger = Ledger::open(mode, patient);
    for state in State::all(mode) {
        println!("in state {state:?}");
        ledger.in_rounds(|| {
            let peers = state.peers(&ledger, COUNT);
            if state.is_open() {
                assert_eq!(ledger.open_count(), COUNT);
            }
            fault(&ledger, state, peers);
            ledger.let_go();
        });
    }
    assert_eq!(ledger.handle().stats().total.timeouts, 0);
    ledger.close();
}

#[test]
fn a_reset_ends_the_connection_at_once_in_every_state() {
    in_each_mode(|mode| {
        in_each_state(mode, |_, _, peers| {
            for peer in &peers {
                peer.socket().reset_on_close();
            }
            drop(peers);
        });
    });
}

/// The peer says nothing more (`shutdown(SHUT_WR)`) and reads on: it gets what waits for it, if
/// anything may, and then the end.
#[test]
fn the_end_of_the_peers_direction_ends_the_connection_in_every_state() {
    in_each_mode(|mode| {
        in_each_state(mode, |ledger, state, peers| {
            for peer in &peers {
                peer.socket().shutdown(Shutdown::Write).expect("shut down");
            }
            ledger.let_go();
            for peer in &peers {
                let len = peer.read_to_end();
                assert!(state != State::PageUnread || len > PAGE_LEN, "{len} bytes of a page");
            }
        });
    });
}

/// A close that is none: the peer's process is gone, and its kernel answers what comes with a reset.
#[test]
fn a_peer_whose_process_ends_is_let_go_in_every_state() {
    in_each_mode(|mode| in_each_state(mode, |_, _, peers| drop(peers)));
}
