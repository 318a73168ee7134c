//! What other threads ask of a loop.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;

use super::ConnectionId;
use super::addresses::Visit;
use super::outbox::Replies;
use super::withdraw::Withdrawal;
use crate::frame::CloseCode;
use crate::handshake::Response;
use crate::protocol::Compress;
use crate::pubsub::{Batch, SubscribeOptions, Subscription, TopicCore, TopicId};
use crate::transport::Accepted;

#[derive(Debug)]
pub(crate) enum Command {
    /// An accepted connection, from the loop that accepts. It is counted here already.
    Adopt(Accepted, Visit),
    /// One frame to one connection. Its bytes have been charged.
    Send {
        id: ConnectionId,
        frame: Bytes,
        compress: Compress,
    },
    /// A ping with a payload of at most 125 bytes, ahead of what waits.
    Ping {
        id: ConnectionId,
        payload: Box<[u8]>,
    },
    /// What a handler thread sends to connections of this loop. Their bytes have been charged.
    Replies(Replies),
    /// Frames to all subscribers.
    Publish(Batch),
    /// The interest has been counted.
    Subscribe {
        id: ConnectionId,
        topic: Arc<TopicCore>,
        subscription: Subscription,
    },
    Unsubscribe {
        id: ConnectionId,
        topic: TopicId,
    },
    /// A connection subscribes to all topics whose names begin so, and has been counted. The topics
    /// that there are follow as commands of their own.
    SubscribePrefix {
        id: ConnectionId,
        prefix: Box<str>,
        options: SubscribeOptions,
    },
    UnsubscribePrefix {
        id: ConnectionId,
        prefix: Box<str>,
    },
    /// A new topic whose name begins with a prefix that somebody here subscribes to. Its interest has
    /// been counted once.
    TopicMade {
        topic: Arc<TopicCore>,
    },
    /// A topic has a snapshot that subscribers here wait for.
    SnapshotSupplied {
        topic: TopicId,
    },
    Close {
        id: ConnectionId,
        code: CloseCode,
        reason: Box<str>,
    },
    /// A callback panicked.
    Fail {
        id: ConnectionId,
        code: CloseCode,
        reason: &'static str,
    },
    /// End it without a closing handshake.
    Terminate {
        id: ConnectionId,
    },
    /// A handler thread's answer to a request.
    Decide {
        id: ConnectionId,
        decision: Box<Decision>,
    },
    /// A handler thread's lane has room again.
    Resume {
        lane: usize,
    },
    /// Answer with the listening sockets, to be handed to another process; with none once accepting has
    /// ended.
    #[cfg(feature = "hand-over")]
    ShareListeners(std::sync::mpsc::Sender<std::io::Result<Vec<std::os::fd::OwnedFd>>>),
    /// Stop accepting, close one after another with 1001, then shut down. Goes to the loop that
    /// accepts, which tells the others.
    Withdraw(Withdrawal),
    /// Stop accepting, close everything with 1001, end by the deadline.
    Shutdown {
        deadline: Instant,
    },
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Decision {
    /// 101, with what the handler chose.
    Upgrade { subprotocol: Option<String>, headers: HeaderMap },
    /// Any other response.
    Respond(Response),
}
