//! When to ping a silent peer, and when to give it up.

use std::time::Duration;

/// How long a peer may be silent. Any received byte ends the silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence after which a ping is sent (RFC 6455 §5.5.2). `None`: never.
    pub ping_interval: Option<Duration>,
    /// Silence after which the connection is given up. `None`: never.
    pub idle_timeout: Option<Duration>,
}

/// What a silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAliveAction {
    /// Nothing before the silence is this long; `None`: nothing ever.
    Wait(Option<Duration>),
    /// Send a ping, then ask again.
    Ping,
    /// Give the connection up.
    GiveUp,
}

impl KeepAlive {
    /// What to do after `silence`, given whether a ping has been sent in it. Nobody is given up who has
    /// not been asked, however long it has been silent: maybe it was the asker that was away.
    #[must_use]
    pub fn action(&self, silence: Duration, pinged: bool) -> KeepAliveAction {
        let is_over = self.idle_timeout.is_some_and(|timeout| silence >= timeout);
        match self.ping_interval {
            Some(interval) if !pinged && silence >= interval => KeepAliveAction::Ping,
            _ if is_over => KeepAliveAction::GiveUp,
            Some(interval) if !pinged => {
                let next = self.idle_timeout.map_or(interval, |timeout| timeout.min(interval));
                KeepAliveAction::Wait(Some(next))
            }
            _ => KeepAliveAction::Wait(self.idle_timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_silent_peer_is_pinged_once_and_then_given_up() {
        let policy = KeepAlive { ping_interval: Some(secs(30)), idle_timeout: Some(secs(60)) };
        assert_eq!(policy.action(secs(0), false), KeepAliveAction::Wait(Some(secs(30))));
        assert_eq!(policy.action(secs(30), false), KeepAliveAction::Ping);
        assert_eq!(policy.action(secs(30), true), KeepAliveAction::Wait(Some(secs(60))));
        assert_eq!(policy.action(secs(60), true), KeepAliveAction::GiveUp);
        assert_eq!(policy.action(secs(99), false), KeepAliveAction::Ping);
        assert_eq!(policy.action(secs(99), true), KeepAliveAction::GiveUp);
    }

    #[test]
    fn either_half_may_be_off() {
        let ping_only = KeepAlive { ping_interval: Some(secs(30)), idle_timeout: None };
        assert_eq!(ping_only.action(secs(31), false), KeepAliveAction::Ping);
        assert_eq!(ping_only.action(secs(9999), true), KeepAliveAction::Wait(None));
        let idle_only = KeepAlive { ping_interval: None, idle_timeout: Some(secs(5)) };
        assert_eq!(idle_only.action(secs(1), false), KeepAliveAction::Wait(Some(secs(5))));
        assert_eq!(idle_only.action(secs(5), false), KeepAliveAction::GiveUp);
        let off = KeepAlive { ping_interval: None, idle_timeout: None };
        assert_eq!(off.action(secs(1 << 30), false), KeepAliveAction::Wait(None));
    }
}
