//! What a thread does: it opens its share of the connections, loads them, waits for the last
//! replies, and says goodbye.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{NEVER, Nanos, nanos};
use crate::cpu_time::{Meter, ServerMeter};
use crate::crew::Crew;
use crate::error::LoadError;
use crate::options::{Load, Wait};
use crate::pace::{Pace, Spacing};
use crate::share::Share;
use crate::shared::Shared;
use crate::tally::{Tally, Window};

/// How long a thread sleeps at most before it looks around.
const TICK: Duration = Duration::from_millis(20);
/// How soon a thread notices what others do while nothing is measured.
const NAP: Duration = Duration::from_millis(1);
/// For the connection, and for the answer to the handshake.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// For replies once the user has lost patience, and for close frames.
const AT_LAST: Duration = Duration::from_secs(1);

pub(crate) struct Worker {
    shared: Arc<Shared>,
    share: Share,
    crew: Crew,
    /// Only one thread looks at the server, and only if it knows its process.
    server_meter: Option<ServerMeter>,
    /// Messages that the progress line knows of.
    shown: u64,
}

impl Worker {
    pub(crate) fn new(index: u32, shared: Arc<Shared>) -> io::Result<Self> {
        let share = Share::of(index, &shared.options);
        let crew = Crew::new(share, Arc::clone(&shared))?;
        Ok(Self { shared, share, crew, server_meter: None, shown: 0 })
    }

    /// All of a thread's life.
    pub(crate) fn run(mut self) -> Result<Tally, LoadError> {
        self.open_all()?;
        let begin = self.await_begin()?;
        self.load_from(begin)?;
        self.drain()?;
        self.stop_server_meter();
        self.say_goodbye()?;
        Ok(self.crew.into_tally())
    }

    /// Opens all connections, at the pace that was asked for.
    fn open_all(&mut self) -> Result<(), LoadError> {
        let rate = self.shared.options.ramp_up.map(|rate| rate * self.share.fraction);
        let mut pace =
            rate.map(|rate| Pace::new(rate, Spacing::Even, self.now(), self.share.phase));
        while !self.crew.is_all_open() {
            self.check_stop()?;
            let now = self.now();
            while self.crew.may_begin_another() {
                let is_time = pace.as_mut().is_none_or(|pace| pace.take_due(now).is_some());
                if !(is_time && self.crew.begin_another()?) {
                    break;
                }
            }
            self.crew.turn(NAP)?;
            if self.crew.longest_opening(now) > nanos(OPEN_WITHIN) {
                return Err(self.crew.gives_no_answer());
            }
        }
        Ok(())
    }

    /// Waits for the other threads' connections. This thread's may be pinged meanwhile.
    fn await_begin(&mut self) -> Result<Nanos, LoadError> {
        loop {
            match self.shared.begin() {
                Some(begin) if self.now() >= begin => return Ok(begin),
                // Nobody is late for the beginning.
                Some(_) => self.crew.turn(Duration::ZERO)?,
                None => self.crew.turn(NAP)?,
            };
            self.check_stop()?;
        }
    }

    /// The warm-up and the measurement.
    fn load_from(&mut self, begin: Nanos) -> Result<(), LoadError> {
        let options = &self.shared.options;
        let spins = options.wait() == Wait::Spin;
        let window = Window::new(begin, options.warm_up, options.duration());
        let mut pace = match options.load() {
            Load::Open { rate } => {
                let rate = rate * self.share.fraction;
                Some(Pace::new(rate, options.spacing, begin, self.share.phase))
            }
            Load::Closed { .. } | Load::Subscribe => None,
        };
        let mut meter = Meter::new(window.from);
        let watched = options.pid.filter(|_| self.share.is_first());
        self.server_meter = watched.map(|pid| ServerMeter::new(pid, window.from));
        let mut next_look = begin;
        self.crew.begin_load(window);
        loop {
            let now = self.now();
            if now >= next_look {
                next_look = now + nanos(TICK);
                self.show_progress();
                if self.shared.is_stopped() || self.is_stuck(begin, now) {
                    break;
                }
            }
            if now >= window.until || self.crew.is_done() {
                break;
            }
            meter.look(now);
            if let Some(meter) = &mut self.server_meter {
                meter.look(now);
            }
            if let Some(pace) = &mut pace {
                self.crew.send_on_time(pace, now);
            }
            let next = pace.map_or(NEVER, |pace| pace.next()).min(next_look).min(window.until);
            let nap = if spins { 0 } else { next.saturating_sub(now) };
            if !self.crew.turn(Duration::from_nanos(nap))? && spins {
                meter.add_spin(self.now() - now);
            }
        }
        let now = self.now();
        // A number of messages is done with the last reply.
        if !self.crew.is_done() {
            self.stop_server_meter();
        }
        self.crew.end_load(now, meter.stop(now));
        Ok(())
    }

    fn stop_server_meter(&mut self) {
        if let Some(meter) = self.server_meter.take() {
            self.crew.note_server_cpu(meter.stop());
        }
    }

    /// Whether a number of messages will never be reached. A time passes by itself.
    fn is_stuck(&self, begin: Nanos, now: Nanos) -> bool {
        let options = &self.shared.options;
        let since = self.crew.stuck_since().map(|since| since.max(begin));
        options.duration().is_none()
            && since.is_some_and(|since| now.saturating_sub(since) > nanos(options.patience))
    }

    /// Waits for what is under way, until nothing has come for too long: that is lost.
    fn drain(&mut self) -> Result<(), LoadError> {
        let mut under_way = self.crew.under_way();
        let mut since = self.now();
        while under_way > 0 {
            let patience = match self.shared.is_interrupted() {
                true => self.shared.options.patience.min(AT_LAST),
                false => self.shared.options.patience,
            };
            let now = self.now();
            if now - since >= nanos(patience) {
                break;
            }
            self.crew.turn(TICK.min(patience))?;
            let left = self.crew.under_way();
            if left < under_way {
                (under_way, since) = (left, now);
            }
            self.show_progress();
        }
        Ok(())
    }

    /// Closes all connections as RFC 6455 §7 asks for.
    fn say_goodbye(&mut self) -> Result<(), LoadError> {
        self.crew.close_all();
        let deadline = self.now() + nanos(AT_LAST);
        while self.crew.has_living() && self.now() < deadline {
            self.crew.turn(NAP)?;
        }
        Ok(())
    }

    fn show_progress(&mut self) {
        let messages = self.crew.messages_so_far();
        self.shared.add_messages(messages - self.shown);
        self.shown = messages;
    }

    /// Before the load there is nothing to report.
    fn check_stop(&self) -> Result<(), LoadError> {
        if !self.shared.is_stopped() {
            return Ok(());
        }
        let (opened, wanted) = (self.shared.opened(), self.shared.options.connections);
        Err(LoadError::Interrupted { opened, wanted })
    }

    fn now(&self) -> Nanos {
        self.shared.clock.now()
    }
}
