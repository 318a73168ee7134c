//! What the tests of the running engine share: servers, clients, a proxy, and looks at a process.
#![allow(dead_code, unused_imports, reason = "each test binary uses what it needs")]

mod client;
mod dial;
mod directory;
pub(crate) mod feed;
mod http_client;
mod process;
mod proxy;
mod script;
mod server;
mod socket;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod wait;

/// Whether this test's servers speak TLS and nothing else: some behaviours are tested a second time
/// that way.
pub(crate) fn is_over_tls() -> bool {
    env!("CARGO_CRATE_NAME").ends_with("tls")
}

pub(crate) use client::{Client, Received, Writer};
pub(crate) use dial::Dial;
pub(crate) use directory::Directory;
pub(crate) use http_client::{HttpClient, HttpResponse};
pub(crate) use process::{Process, example, spawn_example};
pub(crate) use proxy::{Plan, Proxy};
pub(crate) use script::Script;
pub(crate) use server::{Mode, Running, in_each_mode, in_each_mode_at_once};
pub(crate) use socket::Socket;
pub(crate) use wait::{PATIENCE, eventually, soon};
