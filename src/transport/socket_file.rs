//! The files of Unix-domain sockets, and whose they are.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file as it was found at its path: what comes to be there later is somebody else's.
///
/// It is told by its device and its inode. The inode is not given to another file while the socket is open
/// that was bound there: whoever removes the file does so before closing that.
#[derive(Debug)]
pub struct FoundFile {
    path: PathBuf,
    /// `None`: there is none.
    identity: Option<(u64, u64)>,
}

impl FoundFile {
    /// The file that is there now.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        let identity = identity(&path);
        Self { path, identity }
    }

    /// Removes it, unless another is in its place.
    pub fn remove(&self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

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

    /// One of the files, that of a socket that is open.
    pub(super) fn file(&self, path: PathBuf) -> SocketFile {
        SocketFile { file: FoundFile::at(path), files: self.clone() }
    }
}

/// The file of a socket that listens: goes when this is dropped, which must be before the socket is closed.
/// Afterwards another server may take the path for its own.
#[derive(Debug)]
pub struct SocketFile {
    file: FoundFile,
    files: SocketFiles,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.files.sharer_count.load(Ordering::Acquire) == 0 {
            self.file.remove();
        }
    }
}
