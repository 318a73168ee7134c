//! Peers that fail while a server sends its clients away.

use std::net::Shutdown;
use std::time::Duration;

use super::ends::patient;
use super::ledger::Ledger;
use super::states::{Peer, State};
use super::support::{eventually, in_each_mode};

const WINDOW: Duration = Duration::from_millis(100);
const NEVER: Duration = Duration::from_secs(600);

/// What becomes of a peer.
type Fault = fn(&Peer);

const FAULTS: [(&str, Fault); 3] = [
    ("reset", |peer| peer.socket().reset_on_close()),
    ("half-close", |peer| {
        // It may have been sent away already.
        let _ = peer.socket().shutdown(Shutdown::Write);
        peer.read_to_end();
    }),
    ("gone", |_| {}),
];

/// Some have been sent away, some are yet to be: the server ends as soon as nobody is left.
#[test]
fn whoever_fails_while_all_are_sent_away_is_let_go() {
    in_each_mode(|mode| {
        for (name, fault) in FAULTS {
            println!("{name}");
            let ledger = Ledger::open(mode, patient);
            let crowd: Vec<Peer> = State::ALL.iter().map(|state| state.peer(&ledger)).collect();
            ledger.handle().shutdown_over(WINDOW, NEVER);
            for peer in crowd {
                fault(&peer);
                std::thread::sleep(WINDOW / 20);
            }
            ledger.join();
        }
    });
}

/// Callbacks that are at work when it begins hold nobody's place for longer than they take.
#[test]
fn whoever_fails_while_its_callbacks_hold_is_let_go() {
    in_each_mode(|mode| {
        for state in State::all(mode).filter(|state| State::HELD.contains(state)) {
            for (name, fault) in FAULTS {
                println!("{state:?}: {name}");
                let ledger = Ledger::open(mode, patient);
                let crowd = state.peers(&ledger, 2);
                ledger.handle().shutdown_over(Duration::ZERO, NEVER);
                if name == "half-close" {
                    ledger.let_go();
                }
                crowd.iter().for_each(fault);
                drop(crowd);
                ledger.let_go();
                ledger.join();
            }
        }
    });
}

/// Whoever is there when the time is up is cut off, and its handler hears of it once, be it later.
#[test]
fn whoever_is_there_at_the_deadline_is_cut_off_in_every_state() {
    in_each_mode(|mode| {
        for state in State::all(mode) {
            println!("in state {state:?}");
            let ledger = Ledger::open(mode, patient);
            let crowd = state.peers(&ledger, 2);
            ledger.handle().shutdown(Duration::ZERO);
            eventually("they are cut off", || ledger.connection_count() == 0);
            drop(crowd);
            ledger.let_go();
            ledger.join();
        }
    });
}
