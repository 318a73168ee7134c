//! The files of Unix-domain sockets, and whose they are.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether the files of a server's sockets go with its listeners. They do, unless another process listens
/// at the same sockets, or is about to: then clients would not find it any more.
#[derive(Clone, Debug, Default)]
pub struct SocketFiles {
    /// A server may have a predecessor yet when its successor comes.
    sharer_count: Arc<AtomicUsize>,
}

impl SocketFiles {
    /// Another process has the sockets too: from here on the files stay.
    pub fn share(&self) {
        self.sharer_count.fetch_add(1, Ordering::AcqRel);
    }

    /// One process that [had](Self::share) the sockets too has them no more. Without any the files go with the
    /// listeners.
    pub fn claim(&self) {
        self.sharer_count.fetch_sub(1, Ordering::AcqRel);
    }

    /// One of the files.
    pub(super) fn file(&self, path: PathBuf) -> SocketFile {
        SocketFile { path, files: self.clone() }
    }
}

/// The file of a socket that listens: goes when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    files: SocketFiles,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.files.sharer_count.load(Ordering::Acquire) == 0 {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
