//! What must be remembered of a connection between turns.

use bitflags::bitflags;

bitflags! {
    /// One word, so that the common case, in which nothing is remembered, is one comparison.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Flags: u32 {
        /// The socket failed or ended: to be removed when its turn is over.
        const BROKEN = 1;
        /// The end of the stream or an error was announced and has not been met.
        const END_ANNOUNCED = 1 << 1;
        /// Reading stopped early: there may be bytes that no readiness will announce again.
        const UNREAD = 1 << 2;
        /// The socket has refused bytes that wait now.
        const BLOCKED = 1 << 3;
        /// Its own callbacks send to it: what waits for it is its doing, or may be.
        const ANSWERS = 1 << 4;
        /// On the list of connections to come back to.
        const LISTED = 1 << 5;
        /// On the list of connections to be flushed.
        const DIRTY = 1 << 6;
        /// On the list of connections whose lagging subscriptions are to be looked at.
        const BEHIND = 1 << 7;
        /// Its handler has been told that it is slow.
        const SLOW = 1 << 8;
        /// There may be publications in its queue that grow too old.
        const AGES = 1 << 9;
        /// Not read until its own sends have drained.
        const HELD = 1 << 10;
        /// On the list of connections that wait for their lane.
        const STALLED = 1 << 11;
        /// A ping was sent in this silence.
        const PINGED = 1 << 12;
        /// The handler was told of backpressure and wants to hear of the drain.
        const DRAIN_OWED = 1 << 13;
        /// The phase that waits for the peer's close is timed.
        const CLOSING_TIMED = 1 << 14;
        /// A close frame was encoded into the cork: what holds it goes behind everything that waits.
        const CLOSE_ENCODED = 1 << 15;
        /// Our direction of the stream has ended.
        const FIN_SENT = 1 << 16;
        /// The peer's direction has ended.
        const FIN_RECEIVED = 1 << 17;
        /// The handler has closed, and the close frame waits for its turn in the mailbox.
        const CLOSE_POSTED = 1 << 18;
        /// Messages may be sent compressed.
        const DEFLATES = 1 << 19;
        /// A request has been answered, and another may come.
        const SERVED = 1 << 20;
        /// Not read until it has saved up what it may take in.
        const THROTTLED = 1 << 21;
    }
}

impl Flags {
    /// Whether nothing is remembered but what lasts as long as the connection.
    #[inline]
    pub(super) fn is_at_ease(self) -> bool {
        self.difference(Self::DEFLATES).is_empty()
    }

    /// Sets a flag; says whether it was not set before.
    #[inline]
    pub(super) fn raise(&mut self, flag: Self) -> bool {
        let was_down = !self.contains(flag);
        self.insert(flag);
        was_down
    }

    /// Clears a flag; says whether it was set before.
    #[inline]
    pub(super) fn lower(&mut self, flag: Self) -> bool {
        let was_up = self.contains(flag);
        self.remove(flag);
        was_up
    }

    /// Sets a flag if something holds.
    #[inline]
    pub(super) fn insert_if(&mut self, flag: Self, holds: bool) {
        if holds {
            self.insert(flag);
        }
    }

    /// Clears a flag unless something holds.
    #[inline]
    pub(super) fn keep_if(&mut self, flag: Self, holds: bool) {
        if !holds {
            self.remove(flag);
        }
    }
}
