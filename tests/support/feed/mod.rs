//! Publications whose every byte follows from their topic and number, who makes them, and who checks
//! what comes of them.

mod publications;
mod publisher;
mod watcher;

pub(crate) use publications::{FRAME_LEN, KEY_COUNT, Kind, LAG_LEN, Mark, RING};
pub(crate) use publisher::Publications;
pub(crate) use watcher::{Feed, Watcher};
