//! The files of Unix-domain sockets, and whose they are.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the files of a server's sockets go with its listeners. They do, unless another process listens
/// at the same sockets, or is about to: then clients would not find it any more.
#[derive(Clone, Debug, Default)]
pub struct SocketFiles {
    stay: Arc<AtomicBool>,
}

impl SocketFiles {
    /// Another process has the sockets too: from here on the files stay.
    pub fn share(&self) {
        self.stay.store(true, Ordering::Release);
    }

    /// Nobody else has the sockets any more: the files go with the last listener.
    pub fn claim(&self) {
        self.stay.store(false, Ordering::Release);
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
        if !self.files.stay.load(Ordering::Acquire) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
