//! Files of a test.

use std::path::{Path, PathBuf};

/// A directory of the test's own, removed at its end.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// `name` is the test's own, too.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tickwire-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
