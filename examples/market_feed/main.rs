//! A market-data feed.
mod binance;
mod binary;
mod book;
mod capture;
mod checksum;
mod client_book;
mod fixed;
mod level_book;
mod message;
mod request;
#[cfg(test)]
mod scratch_dir;
mod wire;
fn main() {}
