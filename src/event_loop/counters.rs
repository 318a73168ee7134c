//! Numbers that a loop keeps and any thread may read.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What one or all event loops did since they started. Each loop publishes its numbers once
        /// per turn.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// How many times shorter compression has made what was sent; `None`: nothing was.
            #[must_use]
            pub fn deflate_ratio(&self) -> Option<f64> {
                ratio(self.deflated_from_bytes, self.deflated_to_bytes)
            }

            /// How many times longer what was received compressed became; `None`: nothing was.
            #[must_use]
            pub fn inflate_ratio(&self) -> Option<f64> {
                ratio(self.inflated_to_bytes, self.inflated_from_bytes)
            }

            /// Adds another loop's numbers.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }

        /// The published copy of a loop's counters.
        #[derive(Debug, Default)]
        pub(crate) struct PublishedCounters {
            $($name: AtomicU64,)*
        }

        impl PublishedCounters {
            pub(crate) fn publish(&self, counters: &Counters) {
                $(self.$name.store(counters.$name, Ordering::Relaxed);)*
            }

            /// Bytes that wait in the loop's write queues.
            pub(super) fn bytes_queued(&self) -> u64 {
                self.bytes_queued.load(Ordering::Relaxed)
            }

            /// Bytes that have come to the loop of what is not whole.
            pub(super) fn bytes_unfinished(&self) -> u64 {
                self.bytes_unfinished.load(Ordering::Relaxed)
            }

            pub(crate) fn read(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name),)*];
    };
}

counters! {
    /// Connections accepted.
    accepted,
    /// Connections turned away because `max_connections` was reached.
    over_capacity,
    /// Connections refused at listeners behind proxies: from somebody else, or without a proper PROXY
    /// header.
    proxies_refused,
    /// Connections turned away because there were `max_connections_per_address` from their address.
    over_address_limit,
    /// Times that accepting rested because clients came faster than `accept_rate`.
    accept_waits,
    /// Times that accepting paused because descriptors or memory ran out.
    accept_pauses,
    /// Times that a connection was not read for a while because it sent more than `message_rate`,
    /// `byte_rate` or `control_frame_rate` allow.
    throttled,
    /// Connections closed because they went on sending too many messages.
    message_floods,
    /// Connections closed because they went on sending too many bytes.
    byte_floods,
    /// Connections closed because they went on sending too many control frames.
    control_frame_floods,
    /// Requests given up with 408, and TLS handshakes without a word, because they arrived more slowly
    /// than `min_head_rate`.
    slow_heads,
    /// Upgrades refused with 403 because their origin is not among `allowed_origins`.
    origins_refused,
    /// Connections closed because they had `max_subscriptions` and came to one more.
    subscription_floods,
    /// Requests answered with 503 because the lanes of all handler threads were full, or because none had
    /// decided within `handshake_timeout`.
    requests_shed,
    /// Connections given up because they took nothing of what was sent for `write_timeout`.
    write_timeouts,
    /// Connections closed with 1001, or behind an HTTP response, because they had reached their
    /// `max_lifetime`.
    lifetimes_ended,
    /// Connections closed with 1013, the slowest first, because more waited for all connections together
    /// than `max_queued_len`.
    queues_shed,
    /// Connections closed with 1013, those of whom the most had come first, because more had come of all
    /// connections' messages and requests that were not whole than `max_unfinished_len`.
    unfinished_shed,
    /// Opening handshakes that were accepted.
    upgraded,
    /// HTTP requests answered otherwise: plain ones, refused upgrades, malformed ones.
    http_responses,
    /// WebSocket connections closed, cleanly or not.
    closed,
    /// Connections failed for breaking the protocol or a limit.
    protocol_errors,
    /// Those of them with a message longer than `max_message_len`, also once it is inflated, or a frame
    /// longer than `max_frame_len`: closed with 1009.
    messages_too_long,
    /// Those of them with a message in more fragments than `max_fragment_count`, or with a compressed one that
    /// is made of too many blocks, or goes on behind too many last ones: closed with 1008.
    fragment_floods,
    /// Those of them with a request whose head exceeds the `head_limits`: answered with 414 or 431.
    heads_too_long,
    /// Connections given up for the time that they took: the sum of the next three.
    timeouts,
    /// Those of them whose request did not come within the `handshake_timeout`, the PROXY header and the
    /// TLS handshake before it included, or was not decided upon then.
    handshake_timeouts,
    /// Those of them that were silent for the `idle_timeout`.
    idle_timeouts,
    /// Those of them that did not answer a close frame within the `close_timeout`, or did not end the
    /// connection then, or whose callbacks had not come to their end by then.
    close_timeouts,
    /// TLS handshakes that came to a request.
    tls_handshakes,
    /// Those of them that resumed an earlier session.
    tls_resumed,
    /// TLS handshakes that came to nothing, for whatever reason but time.
    tls_handshakes_failed,
    /// TLS streams that ended without the peer's `close_notify`, before any close frame.
    tls_truncated,
    /// TLS streams given up for a damaged record or a fatal alert.
    tls_broken,
    /// Messages received.
    messages_received,
    /// Messages accepted for sending, publications aside.
    messages_sent,
    /// Sends refused because the connection's queue was full.
    sends_dropped,
    /// Publications that reached this loop.
    publications,
    /// Publications handed to a subscriber's socket or queue.
    deliveries,
    /// Publications that a lagging subscriber got a newer value instead of.
    deliveries_conflated,
    /// Publications dropped for one subscriber: its queue was full, they were too old, or a snapshot
    /// made up for them.
    deliveries_dropped,
    /// Times that a lagging subscriber was brought up to date by a snapshot.
    resyncs,
    /// Times that handlers were told of a slow consumer.
    slow_consumers,
    /// Subscribers closed because they were too slow.
    subscribers_closed,
    /// Bytes read from sockets; with TLS, once they are decrypted.
    bytes_received,
    /// Bytes written to sockets; with TLS, before they are encrypted.
    bytes_sent,
    /// Bytes that wait in the write queues now.
    bytes_queued,
    /// Bytes that had come of messages and requests that were not whole, when they were last added up:
    /// each time that an eighth of what a loop may have of `max_unfinished_len` has come.
    bytes_unfinished,
    /// Compressors that connections have of their own now: see
    /// [`DedicatedCompression`](crate::DedicatedCompression).
    dedicated_compressors,
    /// Messages and publications that were compressed, each once for all who got it so.
    messages_deflated,
    /// Their bytes before.
    deflated_from_bytes,
    /// Their bytes after.
    deflated_to_bytes,
    /// Messages received compressed.
    messages_inflated,
    /// Their bytes as they came.
    inflated_from_bytes,
    /// Their bytes after.
    inflated_to_bytes,
    /// Times that the loop went through its turn.
    turns,
}

fn ratio(long: u64, short: u64) -> Option<f64> {
    (short > 0).then(|| long as f64 / short as f64)
}

#[cfg(test)]
mod tests {
    use super::NAMES;

    /// The last cells of its tables of limits.
    #[test]
    fn the_counters_that_the_readme_names_are_there() {
        let readme = include_str!("../../README.md");
        let (_, section) = readme.split_once("## Limits and their defaults").expect("a section");
        let (section, _) = section.split_once("\n## ").expect("another behind it");
        let cells = section.lines().filter_map(|line| {
            let (_, cell) = line.strip_prefix("| `")?.strip_suffix(" |")?.rsplit_once('|')?;
            (cell != " counter").then_some(cell)
        });
        let named: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert!(named.len() > 20, "{named:?}");
        named.iter().for_each(|name| assert!(NAMES.contains(name), "{name}"));
    }
}
