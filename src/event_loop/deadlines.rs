//! What a connection may take its time for, and what happens when it is over.

use std::time::Duration;

use super::connection::{Arriving, Connection, Io, Open, Phase};
use super::core::{Core, RETIREMENT};
use super::counters::Counters;
use super::flags::Flags;
use super::limits::Limits;
use super::outlet::Outlet;
use super::service::Service;
use super::timer_wheel::{Entry, Planned, TICK, Tick};
use super::{Closed, EventLoop};
use crate::frame::CloseCode;
use crate::handshake::Response;
use crate::protocol::KeepAliveAction;

/// A loop that comes so late to its timers has not run meanwhile: its process was stopped, its machine
/// suspended or starved, a callback has blocked.
const LATE: Duration = Duration::from_secs(1);

/// So long it listens then before it gives anybody up: what they have sent may wait to be read.
const LENIENCE: Duration = Duration::from_secs(1);

/// Deadlines looked at in one turn: after a jump of time all have come at once.
const MAX_LOOKS_PER_TURN: usize = 1024;

/// A deadline that is farther away is looked at before.
const FARTHEST_LOOK: Duration = Duration::from_secs(16);

/// What a connection's deadline calls for.
enum Due {
    /// Ask again then; never if `None`.
    At(Option<Tick>),
    Ping,
    /// Its compressor is not used.
    Rest,
    /// Its lagging subscriptions are to be looked at.
    CatchUp,
    /// It may be read again, or it has tried patience.
    Readmit,
    /// It has lived for long enough.
    End,
    /// Its socket takes nothing.
    Stuck,
    /// Its request comes too slowly.
    SlowHead,
    /// The peer is silent or does not finish what it began.
    GiveUp(Overdue),
}

/// What has not come in time.
#[derive(Clone, Copy)]
enum Overdue {
    ProxyHeader,
    Request,
    /// Of the handler, whether and how to upgrade.
    Decision,
    /// Anything at all.
    Word,
    /// Of callbacks that a close frame waits for.
    LastReplies,
    CloseFrame,
    /// Of the peer's direction.
    End,
}

impl Overdue {
    fn reason(self) -> &'static str {
        match self {
            Self::ProxyHeader => "the PROXY header took too long",
            Self::Request => "the request took too long",
            Self::Decision => "the handler took too long to decide",
            Self::Word => "the peer has been silent for too long",
            Self::LastReplies => "the handler took too long for the last messages",
            Self::CloseFrame => "the peer did not answer the close frame",
            Self::End => "the peer did not end the connection",
        }
    }

    fn count(self, counters: &mut Counters) {
        counters.timeouts += 1;
        *match self {
            Self::ProxyHeader | Self::Request | Self::Decision => &mut counters.handshake_timeouts,
            Self::Word => &mut counters.idle_timeouts,
            Self::LastReplies | Self::CloseFrame | Self::End => &mut counters.close_timeouts,
        } += 1;
    }
}

impl<S: Service> EventLoop<S> {
    /// Puts the connection's next deadline on the wheel, unless an earlier look at it is planned.
    pub(super) fn schedule(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let tick = match due(connection, &self.core) {
            Due::At(None) => return,
            Due::At(Some(tick)) => tick,
            Due::Ping | Due::Rest | Due::CatchUp | Due::Readmit | Due::End => {
                self.core.now.after(TICK)
            }
            Due::Stuck | Due::SlowHead | Due::GiveUp(_) => {
                self.core.now.after(TICK).later(self.core.lenient_until)
            }
        };
        connection.io.look_at(&mut self.core, tick);
    }

    /// Looks at the connections whose planned look has come. Those that are too many for one turn stay
    /// in `entries`.
    pub(super) fn expire(&mut self, entries: &mut Vec<Entry>) {
        self.heed_lateness();
        self.core.wheel.expire(self.core.now, entries);
        for _ in 0..MAX_LOOKS_PER_TURN {
            let Some(entry) = entries.pop() else { break };
            if entry.key == RETIREMENT {
                self.core.retire();
                continue;
            }
            let Some(connection) = self.connections.get_mut(entry.key as usize) else { continue };
            // A deadline that came nearer meanwhile has an entry of its own.
            if connection.io.scheduled == Planned::at(entry.tick) {
                connection.io.scheduled = Planned::default();
                self.look_at_deadline(entry.key);
            }
        }
    }

    /// Before anybody is given up in a turn, looks whether the loop could have heard of them.
    pub(super) fn heed_lateness(&mut self) {
        let now = self.core.now;
        if self.core.wheel.lateness(now) >= LATE {
            self.core.lenient_until = now.after(LENIENCE);
        }
    }

    fn look_at_deadline(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let is_lenient = !self.core.now.is_at_or_after(self.core.lenient_until);
        if !is_lenient {
            // Never so far back that it would be taken for what is to come.
            self.core.lenient_until = self.core.now;
        }
        match due(connection, &self.core) {
            Due::At(_) => {}
            Due::Stuck | Due::SlowHead | Due::GiveUp(_) if is_lenient => {}
            Due::Ping => {
                connection.io.flags.insert(Flags::PINGED);
                // It has as long for its answer as if it had been asked in time.
                if let Some(interval) = self.core.config.keep_alive.ping_interval {
                    let io = &mut connection.io;
                    io.since = io.since.later(self.core.now.before(interval));
                }
                if let Phase::Open(open) = &mut connection.phase {
                    let (io, session, core) =
                        (&mut connection.io, &mut open.session, &mut self.core);
                    Outlet { io, session, core }.ping(&[]);
                }
                self.finish_turn(key);
            }
            Due::Rest => {
                if let Phase::Open(open) = &mut connection.phase {
                    open.session.rest();
                }
            }
            Due::CatchUp => {
                if let Phase::Open(open) = &mut connection.phase {
                    open.session.subscriptions_mut().wake = None;
                }
                self.look_behind(key);
            }
            Due::Readmit => return self.readmit(key),
            Due::End => self.end_life(key),
            Due::Stuck => {
                self.core.counters.write_timeouts += 1;
                return self.remove(key, "the peer takes nothing of what is sent");
            }
            Due::SlowHead => {
                self.core.counters.slow_heads += 1;
                return self.give_up(key, "the request comes too slowly");
            }
            Due::GiveUp(overdue) => {
                overdue.count(&mut self.core.counters);
                if let Phase::Open(Open { session, .. }) = &mut connection.phase {
                    let is_cut_off = session.is_cut_off(connection.io.flags);
                    if is_cut_off && connection.io.queued_len() > 0 {
                        session.closed = Some(Closed::abnormal(overdue.reason()).into());
                        return self.conclude(key);
                    }
                    if session.owes_close() {
                        // The callbacks are not waited for any longer.
                        let (code, reason) = session.owed_close();
                        let (io, core) = (&mut connection.io, &mut self.core);
                        Outlet { io, session, core }.close_now(code, &reason);
                        return self.finish_turn(key);
                    }
                }
                return self.give_up(key, overdue.reason());
            }
        }
        self.schedule(key);
    }

    /// Lets a connection go. If there was something of a request, the client may still want to know; it is
    /// not waited for.
    fn give_up(&mut self, key: u32, reason: &str) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if matches!(connection.phase, Phase::Deciding(_)) {
            return self.give_decision_up(key);
        }
        let io = &mut connection.io;
        if matches!(connection.phase, Phase::Request(_)) && !io.carried().is_empty() {
            let mut response = Vec::new();
            Response::new(http::StatusCode::REQUEST_TIMEOUT).encode(
                false,
                http::Version::HTTP_11,
                false,
                &mut response,
            );
            io.send_opaque(&mut self.core, response);
        }
        self.remove(key, reason);
    }

    /// A connection has lived for long enough: it is closed behind what is queued, and what callbacks still
    /// send.
    fn end_life(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let Connection { io, phase: Phase::Open(Open { state, session, .. }) } = connection else {
            return;
        };
        io.ends_at = Planned::default();
        let core = &mut self.core;
        core.counters.lifetimes_ended += 1;
        let (code, reason) = (CloseCode::GOING_AWAY, "the connection has lived for long enough");
        if self.service.end_input(io.id, state, code, reason) {
            Outlet { io, session, core }.close_now(code, reason);
        }
        self.service.hand_over();
        self.finish_turn(key);
    }
}

impl Io {
    /// Puts a look at the connection's deadlines on the wheel, unless an earlier one is planned.
    pub(super) fn look_at(&mut self, core: &mut Core, tick: Tick) {
        // The wheel keeps what is no longer wanted until its time has come: that is not to be far away.
        let tick = tick.earlier(core.now.after(FARTHEST_LOOK));
        let planned = self.scheduled.tick();
        if planned.is_none_or(|planned| !tick.is_at_or_after(planned)) {
            self.scheduled = Planned::at(tick);
            core.wheel.insert(self.id.index, tick);
        }
    }
}

fn due<S>(connection: &Connection<S>, core: &Core) -> Due {
    let (io, limits) = (&connection.io, &core.config.limits);
    let due = due_in_phase(connection, core);
    match &connection.phase {
        Phase::Open(open) => {
            let is_closing = open.session.endpoint.is_close_sent() || open.session.owes_close();
            let end = io.ends_at.tick().filter(|_| !is_closing);
            let stuck = io.stuck_since().filter(|_| !is_closing);
            let stuck = stuck.zip(limits.write_timeout).map(|(since, time)| since.after(time));
            due.or_sooner(open.session.rests_at(core), Due::Rest, core.now)
                .or_sooner(open.session.wake(), Due::CatchUp, core.now)
                .or_sooner(end, Due::End, core.now)
                .or_sooner(stuck, Due::Stuck, core.now)
        }
        Phase::Request(arriving) if !io.must_wait() => {
            due.or_sooner(arriving.end(io, limits), Due::SlowHead, core.now)
        }
        _ => due,
    }
}

impl Due {
    /// `then` at `tick`, unless something else is due before.
    fn or_sooner(self, tick: Option<Tick>, then: Self, now: Tick) -> Self {
        match (self, tick) {
            (Self::At(_), Some(tick)) if now.is_at_or_after(tick) => then,
            (Self::At(at), Some(tick)) => Self::At(Some(at.map_or(tick, |at| at.earlier(tick)))),
            (due, _) => due,
        }
    }
}

impl Arriving {
    /// Until when more must have come of the TLS handshake, or else of the head, if it has begun.
    fn end(&self, io: &Io, limits: &Limits) -> Option<Tick> {
        match io.stream.handshake_len() {
            // What it has sent waits for the loop.
            Some(_) if io.flags.contains(Flags::LISTED) => None,
            Some(len) => head_end(limits, self.greeted?, len),
            None => head_end(limits, self.began?, io.carried().len()),
        }
    }

    /// Nothing of a head has come, but something of a TLS handshake may have.
    pub(super) fn time_handshake(&mut self, io: &mut Io, core: &mut Core) {
        let Some(len @ 1..) = io.stream.handshake_len() else { return };
        let greeted = *self.greeted.get_or_insert(core.now);
        if let Some(end) = head_end(&core.config.limits, greeted, len) {
            io.look_at(core, end);
        }
    }
}

/// Until when more of a head, or of a TLS handshake, must have come of which there are `len` bytes.
pub(super) fn head_end(limits: &Limits, began: Tick, len: usize) -> Option<Tick> {
    let rate = limits.min_head_rate?;
    let earned = Duration::from_secs(len as u64) / rate.max(1);
    Some(began.after(limits.head_grace + earned))
}

fn due_in_phase<S>(connection: &Connection<S>, core: &Core) -> Due {
    let (io, config, now) = (&connection.io, &core.config, core.now);
    let limit = |wait: Duration, overdue| {
        let end = io.since.after(wait);
        if now.is_at_or_after(end) { Due::GiveUp(overdue) } else { Due::At(Some(end)) }
    };
    match &connection.phase {
        Phase::Proxied(_) => limit(config.handshake_timeout, Overdue::ProxyHeader),
        Phase::Request(_) if io.must_wait() => readmission(io, core),
        Phase::Request(_) => limit(config.handshake_timeout, Overdue::Request),
        Phase::Deciding(_) => limit(config.handshake_timeout, Overdue::Decision),
        Phase::Lingering => limit(config.close_timeout, Overdue::End),
        Phase::Open(open) if open.session.endpoint.is_close_sent() => {
            limit(config.close_timeout, Overdue::CloseFrame)
        }
        Phase::Open(open) if open.session.owes_close() || open.session.is_cut_off(io.flags) => {
            limit(config.close_timeout, Overdue::LastReplies)
        }
        // It is not read: whether it is silent shows when its lane has room again.
        Phase::Open(_) if io.flags.contains(Flags::STALLED) => Due::At(None),
        // Or when callbacks have worked through its share of it.
        Phase::Open(_) if io.awaits_callbacks() => Due::At(None),
        Phase::Open(_) if io.must_wait() => readmission(io, core),
        Phase::Open(_) => match config
            .keep_alive
            .action(now.since(io.since), io.flags.contains(Flags::PINGED))
        {
            KeepAliveAction::Wait(silence) => {
                let end = silence.map(|silence| io.since.after(silence));
                // An answer to the ping plans nothing by itself: it is looked for, so that the next
                // silence is met by a ping in time too.
                let look =
                    config.keep_alive.ping_interval.filter(|_| io.flags.contains(Flags::PINGED));
                let look = look.map(|interval| now.after(interval));
                Due::At([end, look].into_iter().flatten().reduce(Tick::earlier))
            }
            KeepAliveAction::Ping => Due::Ping,
            KeepAliveAction::GiveUp => Due::GiveUp(Overdue::Word),
        },
    }
}

/// Nor is one that is made to wait.
fn readmission(io: &Io, core: &Core) -> Due {
    match core.throttled.get(&io.id.index) {
        Some(throttling) if !core.now.is_at_or_after(throttling.until) => {
            Due::At(Some(throttling.until))
        }
        _ => Due::Readmit,
    }
}
