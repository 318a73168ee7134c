//! The event-loop thread: it accepts, reads, decodes, calls, writes, and never blocks.
//!
//! A loop owns its connections alone. What it does to them when the application must decide, it
//! asks of a [`Service`]; what other threads want of it comes through its mailbox as
//! [`Command`](command::Command)s.

mod accept;
mod addresses;
mod at_hand;
mod carry;
mod close;
mod command;
mod commands;
mod config;
mod connection;
mod core;
mod counters;
mod deadlines;
#[cfg_attr(not(feature = "deflate"), path = "no_deflate.rs")]
mod deflate;
mod directory;
mod fan_out;
mod flags;
mod frames;
mod handshakes;
mod id;
mod lifetimes;
mod limits;
mod link;
mod loss;
mod memory;
mod meter;
mod outbox;
mod outcome;
mod outlet;
mod peer;
mod post;
mod proxied;
mod rate;
mod read;
mod reader_stats;
mod service;
mod sockets;
mod subscribe;
mod subscriptions;
mod throttle;
mod timer_wheel;
#[cfg(feature = "tls")]
mod tls;
mod turn;
mod unfinished;
mod upgrade;
mod withdraw;
mod write;
#[cfg(test)]
mod write_tests;

pub use close::Closed;
pub use counters::Counters;
pub use id::ConnectionId;
pub use limits::Limits;
pub use outcome::Outcome;
pub use rate::Rate;

pub(crate) use addresses::Addresses;
pub(crate) use command::{Command, Decision};
pub(crate) use config::LoopConfig;
pub(crate) use directory::{MAX_SEND_LEN, fits};
pub(crate) use link::{LoopLink, Loops};
pub(crate) use meter::{MAX_BURST, MAX_CONTROL_BURST};
pub(crate) use outbox::Outbox;
pub(crate) use outlet::Outlet;
pub(crate) use post::{
    Patience, post, publish, stand_at_handler, subscribe, subscribe_prefix, supply_snapshot,
};
pub(crate) use service::{Answer, Service};
pub(crate) use timer_wheel::Tick;
pub(crate) use turn::{EventLoop, Seat, Unstarted};
pub(crate) use withdraw::Withdrawal;
