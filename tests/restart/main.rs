//! Servers that take one another's place while clients come, talk and stay.
#![cfg(feature = "hand-over")]

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod inherited;
mod letters;
mod processes;
mod succession;

use std::path::PathBuf;

use support::Directory;

/// Where servers hand over.
fn place(directory: &Directory) -> PathBuf {
    directory.file("hand-over")
}
