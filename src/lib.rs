//! A WebSocket server engine for services that care about latency: market-data feeds, games,
//! auctions, chat, dashboards, device fleets.
//!
//! A service embeds tickwire as a library. It is not a framework and not an async runtime: a fixed
//! pool of event-loop threads owns the connections, and the service's [`Handler`] is called either
//! on those loops or on handler threads of their own.
//!
//! ```no_run
//! use tickwire::{Context, Handler, Message, Server};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type State = ();
//!
//!     fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
//!         ctx.send(message);
//!     }
//! }
//!
//! fn main() -> tickwire::Result<()> {
//!     Server::builder().bind("127.0.0.1:9001").start(Echo)?.join()
//! }
//! ```
//!
//! # Threads
//!
//! ```text
//! clients ──TCP──► event-loop thread 0 ─┐   batches    ┌─► handler thread 0
//!                  event-loop thread 1 ─┼─────────────►├─► handler thread 1
//!                  ...                  │   bounded    └─► ...
//!                  each owns: poller,   │                      │
//!                  connections, timers, │◄─────────────────────┘ replies, commands
//!                  subscribers          │   mailbox + waker
//!                                       └◄── any thread (ServerHandle, Topic)
//! ```
//!
//! - A connection belongs to one event loop for life; nothing that a loop owns is shared or locked.
//! - With [`handler_threads(M)`](Builder::handler_threads) callbacks run on `M` threads of their
//!   own and may block. All callbacks of one connection run on one of them, in order.
//! - With `handler_threads(0)`, *inline* mode, callbacks run on the event loop itself: the lowest
//!   latency, but a callback that blocks stops the whole loop.
//! - Any thread may send, publish, close and look through [`ServerHandle`] and [`Topic`].
//! - A loop never blocks. When a handler thread falls behind, the connections that feed it are not
//!   read until it has caught up, and TCP pushes back on their clients.
//!
//! # What holds
//!
//! 1. Messages of a connection are handled in order; sends from one thread to one connection arrive
//!    in order; publications of one publisher on a topic arrive in order, without duplicates, and
//!    every gap is one that a policy made and counted.
//! 2. Each `open` has exactly one `close`, whatever happens.
//! 3. No client makes the engine hold more than the configured [limits](Config).
//! 4. No input panics, and a handler that panics loses its own connection (1011) and nothing else.
//! 5. No loop blocks, and no lock is held while the service's code runs. One exception: a loop waits
//!    for another that is just compressing the same publication, no longer than doing it would take.
//! 6. In steady state inline mode allocates nothing per message over plain sockets, uncompressed.
//! 7. [`shutdown`](ServerHandle::shutdown) closes with 1001 behind what is queued: nothing is lost
//!    while the peer reads.
//!
//! # Layers
//!
//! A module imports only from layers below its own. The lower ones know no socket, thread or clock
//! and are public for people who want only the codec.
//!
//! | layer | modules | hold |
//! |---|---|---|
//! | 5 | `server` | [`Server`], [`Builder`], [`Handler`], [`Context`], [`ServerHandle`], handler threads |
//! | 4 | `event_loop` | the threads that own connections |
//! | 3 | [`transport`], [`mailbox`], [`pubsub`] | sockets; queues that wake a loop; topics |
//! | 2 | [`protocol`], [`handshake`], [`proxy_protocol`] | messages, closing, keep-alive; HTTP heads and upgrades; what proxies say of clients |
//! | 1 | [`frame`], `deflate` | one frame on the wire; permessage-deflate |
//! | 0 | [`buf`], [`mask`], [`utf8`], `scheduling` | buffers, masking, text; when a thread runs |
//!
//! # Decisions that measurements made
//!
//! - **One acceptor, handing over.** The first loop accepts for all and gives each connection to
//!   the loop with the fewest. See `benches/accept.rs`.
//! - **Publications and subscriptions go through the loop's mailbox also when a callback on that
//!   very loop makes them**: one order for all, so that a snapshot followed by a subscription has
//!   neither gap nor overlap.
//! - **A subscriber that lags is a number**: that of the last publication that it has. What it lacks
//!   is looked up in what its topic retains once it can take more, so a publication costs nothing for
//!   those that lag, and nothing is held for them; only a topic that merges values holds one a key.
//! - **A subscriber of deltas is brought up to date by the shorter way**: the publications that it
//!   lacks if the replay ring has them, or the snapshot and those that follow it.
//! - **A sequence number is known before its message is encoded, and no lock is held meanwhile**:
//!   [`Topic::publish_with`] builds the message for the next number and begins again if another
//!   publisher was quicker.
//! - **What waits for a connection leaves by rank**: control frames, then what was sent to it alone,
//!   then publications, then the close frame.
//! - **The loop compresses, not the handler thread**: messages that refer to those before them must be
//!   compressed in the order in which they leave, and that order is the loop's.
//! - **A publication is compressed once, by itself**, and passes the compressors of connections by that
//!   have their own: until it has left, what such a connection sends refers to nothing before it. So it
//!   goes in whatever order suits the queue, and the peer understands it.
//! - **What is received is inflated when it is whole**, by one decompressor a loop; a connection keeps only
//!   the bytes that its next message may refer to. A message that does not end costs no more than its
//!   compressed bytes.
//! - **TLS by rustls's unbuffered interface**, driven in buffers that a thread's streams share: an idle
//!   connection takes 3.3 KB instead of 7.4 KB with the buffered one, and a 125-byte echo 4,340
//!   instructions instead of 4,820. ring instead of aws-lc-rs: 4,340 instead of 5,030, 12 % slower at
//!   16 KiB, and built in a quarter of the time.
//! - **A handler thread gives its connections turns**, and each has a share of what may wait for it: one
//!   whose messages take long, or are a flood, keeps others waiting for a turn, not for all that it has
//!   sent. See `benches/handler_threads.rs`.
//! - **Event loops and handler threads have short time slices**, of 0.1 ms (Linux 6.12 and later). A handler
//!   thread yields after a turn, so that a loop on the same core brings messages and takes replies; what
//!   it yields is the rest of its slice. With slices of milliseconds one echo in a hundred took 56 ms beside
//!   hostile clients, and takes 2 ms now (`tests/chaos`); without yielding it waited for milliseconds beside
//!   others that are work (`benches/handler_threads.rs`).
//! - **The common case has a path of its own**: an open connection of which nothing is remembered sends
//!   whole messages of one frame. One look at the connection, one receive, one guard against panics for
//!   all callbacks of the read, one write from the cork: 488 instructions for an echo of 20 bytes alone,
//!   196 among sixteen. Whatever else there is goes the general way, which does the same.
//! - **A connection is two cache lines.** What is remembered of it between turns is one word of flags;
//!   what few have (subscriptions, an unfinished frame, compression) is a pointer. 160 resident bytes
//!   an idle connection.
//! - **What is sent of a large message that was just received waits in that message's buffer**: the queue
//!   adopts it, and gives it back once it is written. An echo of 1 MiB costs less than half of what it
//!   did when the rest was copied.
//! - **The doorbell** of a mailbox is one atomic swap on each side; the model checker finds no lost
//!   wakeup in it.
#![deny(missing_docs)]

pub mod buf;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod frame;
pub mod handshake;
pub mod mailbox;
pub mod mask;
pub mod protocol;
pub mod proxy_protocol;
pub mod pubsub;
pub mod transport;
pub mod utf8;

// The model checker looks at what synchronises threads by hand alone.
#[cfg(not(tickwire_loom))]
mod event_loop;
#[cfg(all(test, tickwire_loom))]
#[path = "event_loop/under_loom.rs"]
mod event_loop;
#[cfg(not(tickwire_loom))]
mod scheduling;
#[cfg(not(tickwire_loom))]
mod server;

#[cfg(feature = "deflate")]
pub use deflate::{Compression, CompressionMode, DedicatedCompression};
#[cfg(not(tickwire_loom))]
pub use event_loop::{Closed, ConnectionId, Counters, Limits, Outcome, Rate};
pub use frame::CloseCode;
#[cfg(feature = "tls")]
pub use handshake::TlsInfo;
pub use handshake::{AllowedOrigins, HeadLimits, NoOrigin, Refusal, Request, Response, Upgrade};
pub use protocol::{KeepAlive, Message, Outgoing};
pub use proxy_protocol::TrustedProxies;
pub use pubsub::{
    Delivery, Missed, Notice, Overflow, ReplayLimits, SlowConsumer, Start, SubscribeOptions,
    Subscribed, TopicOptions, TopicStats,
};
/// The TLS library, for what [`Tls::from_config`] takes and what [`TlsInfo`] says.
#[cfg(feature = "tls")]
pub use rustls;
#[cfg(all(feature = "hand-over", not(tickwire_loom)))]
pub use server::HandOver;
#[cfg(not(tickwire_loom))]
pub use server::{
    Builder, Config, ConnectionStats, Context, Error, Handler, Result, Server, ServerHandle, Stats,
    Topic,
};
#[cfg(feature = "tls")]
pub use transport::Tls;
pub use transport::{BindTarget, LocalAddr, SocketOptions};

/// Compiles the README's examples.
#[cfg(all(doctest, not(tickwire_loom)))]
#[doc = include_str!("../README.md")]
struct Readme;
