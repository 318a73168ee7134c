//! Ctrl-C: what was measured so far is reported, and nothing more is measured.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;

static IS_CAUGHT: AtomicBool = AtomicBool::new(false);

/// From now on an interrupt is only taken note of; the second one ends the program. Servers and load
/// are interrupted with it by the terminal, or end when it ends.
pub(crate) fn catch() -> Result<()> {
    Ok(ctrlc::set_handler(|| {
        if IS_CAUGHT.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?)
}

pub(crate) fn is_caught() -> bool {
    IS_CAUGHT.load(Ordering::Relaxed)
}
