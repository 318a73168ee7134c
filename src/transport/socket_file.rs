//! The files of Unix-domain sockets, and whose they are.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
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

    /// One of the files, that of a socket that is open and was bound there.
    #[must_use]
    pub fn file(&self, path: PathBuf) -> SocketFile {
        SocketFile { identity: identity(&path), path, files: self.clone() }
    }
}

/// The file of a socket that listens: goes when this is dropped, unless another is in its place by then, which
/// is somebody else's.
///
/// To be dropped before the socket is closed: from then on another server may come to listen there, and the
/// file's inode may be given to another file.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// `None`: there was none.
    identity: Option<Identity>,
    files: SocketFiles,
}

/// Its device and its inode.
type Identity = (u64, u64);

fn identity(path: &Path) -> Option<Identity> {
    let file = std::fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_alone = self.files.sharer_count.load(Ordering::Acquire) == 0;
        if is_alone && self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
