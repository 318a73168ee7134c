//! The targets, one a file.

mod answers;
mod deflate_frames;
mod deflate_messages;
mod deflate_offer;
mod frames;
mod limits;
mod proxy_header;
mod traffic;
mod tungstenite;
mod upgrade_request;
mod upgrade_response;

/// A function of arbitrary bytes that panics if something is wrong with the engine.
pub type Target = fn(&[u8]);

/// Runs the target of that name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, target) = target.unwrap_or_else(|| panic!("there is no target {name}"));
    target(bytes);
}

/// All of them, by the names of their programs and seeds.
pub const TARGETS: [(&str, Target); 8] = [
    ("proxy_header", proxy_header::run),
    ("upgrade_request", upgrade_request::run),
    ("upgrade_response", upgrade_response::run),
    ("frames", frames::run),
    ("tungstenite", tungstenite::run),
    ("deflate_offer", deflate_offer::run),
    ("deflate_frames", deflate_frames::run),
    ("deflate_messages", deflate_messages::run),
];
