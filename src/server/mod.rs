//! What a service embeds: [`Server`], its [`Builder`], the [`Handler`] trait and the handles.

mod agenda;
mod batch;
mod builder;
mod check;
mod config;
mod connection_stats;
mod context;
mod descriptors;
mod error;
mod guard;
#[cfg(feature = "hand-over")]
mod hand_over;
mod handle;
mod handler;
mod handler_thread;
mod inline;
mod lane;
mod lane_service;
mod places;
mod running;
mod stats;
#[cfg(feature = "hand-over")]
mod succession;
mod topic;

pub use builder::Builder;
pub use config::Config;
pub use connection_stats::ConnectionStats;
pub use context::Context;
pub use error::{Error, Result};
#[cfg(feature = "hand-over")]
pub use hand_over::HandOver;
pub use handle::ServerHandle;
pub use handler::Handler;
pub use running::Server;
pub use stats::Stats;
pub use topic::Topic;
