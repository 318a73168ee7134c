//! User code that panics is stopped here.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a callback; `None` when it panicked. Its connection is failed by the caller, so that nobody
/// sees the state that the panic left behind, but for `close`, which is told.
#[inline]
pub(super) fn guard<R>(callback: &str, run: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(panic) => {
            report(callback, panic.as_ref());
            None
        }
    }
}

#[cold]
fn report(callback: &str, panic: &(dyn std::any::Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    log::error!("the handler's `{callback}` panicked: {message}");
}
