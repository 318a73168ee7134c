//! A market-data feed.
mod binance;
mod binary;
mod book;
mod capture;
mod checksum;
mod client_book;
mod fixed;
mod incoming;
mod level_book;
mod market;
mod message;
mod profiles;
mod published;
mod replay;
mod replay_book;
mod replayed;
mod request;
#[cfg(test)]
mod scratch_dir;
mod simulated;
mod simulator;
mod wire;
fn main() {}
