//! Servers that take one another's place while clients come, talk and stay.
#![cfg(feature = "hand-over")]

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod inherited;
mod processes;
mod succession;

use std::path::PathBuf;

/// A directory of the test's own, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tickwire-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    /// Where servers hand over.
    fn path(&self) -> PathBuf {
        self.0.join("hand-over")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
