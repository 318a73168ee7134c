//! The market feed and its terminal client as programs, through clients that know only the
//! protocol: every book is rebuilt and held against its checksum, every sequence against a gap.

#[path = "../support/mod.rs"]
mod support;

mod captures;
mod follower;
mod message;
mod program;
mod session;

mod full_replay;
mod replay;
mod requests;
mod resume;
mod simulator;
mod site;
mod slow_reader;
mod terminal_client;
