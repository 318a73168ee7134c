//! What the tests of the running engine share: servers, clients, a proxy, and looks at a process.
#![allow(dead_code, unused_imports, reason = "each test binary uses what it needs")]

mod client;
mod http_client;
mod process;
mod proxy;
mod script;
mod server;
mod socket;
mod wait;

pub(crate) use client::{Client, Dial, Received, Writer};
pub(crate) use http_client::{HttpClient, HttpResponse};
pub(crate) use process::{Process, example, spawn_example};
pub(crate) use proxy::{Plan, Proxy};
pub(crate) use script::Script;
pub(crate) use server::{Mode, Running, in_each_mode};
pub(crate) use socket::Socket;
pub(crate) use wait::{PATIENCE, eventually, soon};
