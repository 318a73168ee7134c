//! A line on the terminal that tells how far it is. None where there is no terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::clock::{Nanos, nanos};
use crate::figures;
use crate::shared::Shared;

/// How soon the end of all threads is noticed.
const TICK: Duration = Duration::from_millis(10);
/// Between two lines: less would only take time from what is measured.
const REFRESH: Duration = Duration::from_millis(250);
const BAR_LEN: usize = 24;

pub(crate) struct Progress {
    shared: Arc<Shared>,
    is_shown: bool,
    shown_at: Nanos,
    /// What the line before said of messages.
    messages: u64,
}

impl Progress {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let is_shown = io::stderr().is_terminal();
        Self { shared: Arc::clone(shared), is_shown, shown_at: 0, messages: 0 }
    }

    /// Waits a moment, and shows what is to be shown.
    pub(crate) fn tick(&mut self) {
        thread::sleep(TICK);
        let now = self.shared.clock.now();
        let since = now - self.shown_at;
        if self.is_shown && since >= nanos(REFRESH) {
            let messages = self.shared.messages();
            let per_second = (messages - self.messages) as f64 * 1e9 / since as f64;
            (self.shown_at, self.messages) = (now, messages);
            show(&self.line(now, per_second));
        }
    }

    /// Leaves no trace.
    pub(crate) fn clear(&self) {
        if self.is_shown {
            show("");
        }
    }

    fn line(&self, now: Nanos, per_second: f64) -> String {
        let options = &self.shared.options;
        let Some(begin) = self.shared.begin() else {
            let (opened, wanted) = (self.shared.opened() as u64, u64::from(options.connections));
            let bar = bar(opened as f64 / wanted as f64);
            let (opened, wanted) = (figures::count(opened), figures::count(wanted));
            return format!("{bar} connecting: {opened} of {wanted}");
        };
        let elapsed = now.saturating_sub(begin);
        let warm_up = nanos(options.warm_up);
        if elapsed < warm_up {
            return format!("{} warming up", bar(elapsed as f64 / warm_up as f64));
        }
        let elapsed = elapsed - warm_up;
        let by_time = options.duration().map(|it| elapsed as f64 / nanos(it) as f64);
        let by_count = options.messages.map(|wanted| self.messages as f64 / wanted as f64);
        let done = by_time.unwrap_or(0.0).max(by_count.unwrap_or(0.0));
        let mut line = bar(done);
        let (seconds, rate) = (elapsed as f64 / 1e9, figures::rate(per_second));
        let _ = match done {
            1.0.. => write!(line, " waiting for the last replies"),
            _ => write!(line, " {seconds:.1} s, {rate}"),
        };
        line
    }
}

/// `[########--------]`
fn bar(done: f64) -> String {
    let len = ((done * BAR_LEN as f64) as usize).min(BAR_LEN);
    format!("[{}{}]", "#".repeat(len), "-".repeat(BAR_LEN - len))
}

fn show(line: &str) {
    // The terminal may be gone; the report still counts.
    let _ = write!(io::stderr(), "\r\x1b[K{line}");
    let _ = io::stderr().flush();
}
