//! Waiting for what must happen, with an end: a test that hangs says nothing.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// How long a test waits before it fails. Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds; `what` says in the failure what never came.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "in {PATIENCE:?} it never came that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The next value of a channel that a callback sends to.
#[track_caller]
pub(crate) fn soon<T>(receiver: &Receiver<T>) -> T {
    match receiver.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(error) => panic!("nothing came through the channel in {PATIENCE:?}: {error}"),
    }
}
