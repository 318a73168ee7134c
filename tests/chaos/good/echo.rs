//! A client whose every message must come back, once, in order and unharmed.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tickwire::frame::{OpCode, encode_frame};

use super::{Shared, leave, recv};
use crate::settings;
use crate::support::{Client, Dial, Received};

#[derive(Clone, Debug)]
pub(super) struct Echo {
    name: &'static str,
    dial: Option<Dial>,
    /// Payload bytes; about half of the messages are as short as can be.
    max_len: usize,
    /// Messages that are sent at once, before the first echo is read.
    depth: u64,
    /// How often a second.
    rate: f64,
    is_timed: bool,
    /// Its connection may be cut, and then it loses what was on its way.
    may_be_cut: bool,
    random: fastrand::Rng,
}

impl Echo {
    pub(super) fn new(name: &'static str, max_len: usize, depth: u64, rate: f64) -> Self {
        assert_is_allowed(max_len, depth, rate);
        let random = fastrand::Rng::new();
        Self { name, dial: None, max_len, depth, rate, is_timed: false, may_be_cut: false, random }
    }

    pub(super) fn named(&self, name: &'static str) -> Self {
        Self { name, ..self.clone() }
    }

    pub(super) fn timed(&self) -> Self {
        Self { is_timed: true, ..self.clone() }
    }

    pub(super) fn cut(&self) -> Self {
        Self { may_be_cut: true, ..self.clone() }
    }

    pub(super) fn by(&self, dial: &Dial) -> Self {
        Self { dial: Some(dial.clone()), random: fastrand::Rng::new(), ..self.clone() }
    }

    pub(super) fn is_timed(&self) -> bool {
        self.is_timed
    }

    pub(super) fn connect(&self) -> Client {
        self.dial.as_ref().expect("a place to go to").connect()
    }

    /// Echoes until it is over.
    pub(super) fn run(mut self, mut client: Client, shared: &Shared) {
        let interval = Duration::from_secs_f64(1.0 / self.rate);
        // They do not all send in step.
        let mut due = Instant::now() + interval.mul_f64(self.random.f64());
        let mut next = 0;
        while !shared.is_over() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let messages: Vec<_> = (next..next + self.depth).map(|at| self.message(at)).collect();
            next += self.depth;
            let done = exchange(&mut client, &messages, self.name);
            match done {
                Ok(()) => {
                    shared.echoes.fetch_add(self.depth, Ordering::Relaxed);
                }
                Err(error) if self.may_be_cut => {
                    log::debug!("{}: {error}", self.name);
                    shared.cuts.fetch_add(1, Ordering::Relaxed);
                    client = self.connect();
                }
                Err(error) => panic!("{}: {error}", self.name),
            }
            // From when it was meant to be sent: a server that stands still cannot hide it.
            if self.is_timed {
                shared.latencies.record(due.elapsed());
            }
            due += interval;
            // Who is late does not hurry: it would be throttled for that.
            if !self.is_timed {
                due = due.max(Instant::now());
            }
        }
        if !self.may_be_cut {
            leave(client);
        }
    }

    fn message(&mut self, at: u64) -> String {
        let mut message = format!("{}, message {at}: ", self.name);
        let len = if self.random.bool() { 0 } else { self.random.usize(..self.max_len) };
        while message.len() < len {
            // Words that differ from message to message, and can be compressed a little.
            let word = self.random.u32(..);
            message.push_str(&format!("{word:x} is {at} "));
        }
        message
    }
}

/// Who echoes so much stays within half of what a connection may send, and is never held back.
fn assert_is_allowed(max_len: usize, depth: u64, rate: f64) {
    let limits = settings::limits();
    let messages = depth as f64 * rate;
    // As they come, and inflated.
    let bytes = 2.0 * messages * max_len as f64;
    for (sent, limit) in [(messages, limits.message_rate), (bytes, limits.byte_rate)] {
        let allowed = limit.map_or(f64::INFINITY, |limit| f64::from(limit.per_second));
        assert!(sent <= allowed / 2.0, "{sent} a second, of {allowed}");
    }
}

/// Sends all messages and takes their echoes.
fn exchange(client: &mut Client, messages: &[String], name: &str) -> io::Result<()> {
    send(client, messages)?;
    for (at, message) in messages.iter().enumerate() {
        match recv(client) {
            Received::Text(echo) => assert!(
                echo == *message,
                "{name}: echo {at} is {:?} and not {:?}",
                head(&echo),
                head(message),
            ),
            end @ (Received::End | Received::Reset) => {
                return Err(io::Error::other(format!("{end:?} instead of an echo")));
            }
            other => panic!("{name}: {other:?} instead of an echo"),
        }
    }
    Ok(())
}

fn send(client: &mut Client, messages: &[String]) -> io::Result<()> {
    #[cfg(feature = "deflate")]
    if client.deflates() {
        messages.iter().for_each(|message| client.send_deflated(message));
        return Ok(());
    }
    let mut frames = Vec::new();
    for message in messages {
        encode_frame(&mut frames, true, OpCode::Text, Some([1, 2, 3, 4]), message.as_bytes());
    }
    client.try_send_raw(&frames)
}

fn head(text: &str) -> &str {
    text.get(..60).unwrap_or(text)
}
