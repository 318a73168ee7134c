//! Frames that many connections get: encoded once, and compressed once for those that can have that.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::protocol::{Compress, Outgoing};

/// Whole frames, one behind another, in shared memory; beside it their compressed form, once somebody
/// has asked for it. All who share the one share the other: subscribers of all loops, and those that
/// get it later out of what their topic retains.
#[derive(Clone, Debug, Default)]
pub struct SharedFrame {
    bytes: Bytes,
    compress: Compress,
    /// `None`: whoever needs the compressed form makes it for itself.
    twin: Option<Arc<Twin>>,
}

#[derive(Debug, Default)]
struct Twin {
    compressed: OnceLock<Bytes>,
    /// The frames one by one, if they are several.
    parts: Box<[SharedFrame]>,
}

impl SharedFrame {
    /// A message's frame. `deflates`: there may be connections that take it compressed.
    pub(crate) fn new(message: &Outgoing<'_>, deflates: bool) -> Self {
        Self {
            bytes: message.encode_shared(),
            compress: message.compress,
            twin: deflates.then(Arc::default),
        }
    }

    /// Several, one behind another.
    #[must_use]
    pub fn join(frames: &[Self]) -> Self {
        if let [frame] = frames {
            return frame.clone();
        }
        let mut bytes = BytesMut::with_capacity(frames.iter().map(|frame| frame.len()).sum());
        frames.iter().for_each(|frame| bytes.extend_from_slice(frame));
        let twin = frames
            .iter()
            .any(|frame| frame.twin.is_some())
            .then(|| Arc::new(Twin { compressed: OnceLock::new(), parts: frames.into() }));
        Self { bytes: bytes.freeze(), compress: Compress::default(), twin }
    }

    /// Whether it is to be compressed.
    #[cfg_attr(not(feature = "deflate"), allow(dead_code))]
    pub(crate) fn compress(&self) -> Compress {
        self.compress
    }

    /// The compressed form, made by `deflate` of single frames unless it is there: the very same
    /// bytes if nothing of it is compressed.
    ///
    /// A thread that finds another at it waits, never for longer than doing it would take.
    #[cfg_attr(not(feature = "deflate"), allow(dead_code))]
    pub(crate) fn compressed(&self, deflate: &mut dyn FnMut(&Self) -> Bytes) -> Bytes {
        let Some(twin) = &self.twin else { return deflate(self) };
        let make = || {
            if twin.parts.is_empty() { deflate(self) } else { self.join_compressed(twin, deflate) }
        };
        twin.compressed.get_or_init(make).clone()
    }

    fn join_compressed(&self, twin: &Twin, deflate: &mut dyn FnMut(&Self) -> Bytes) -> Bytes {
        let mut compressed = BytesMut::with_capacity(self.len());
        twin.parts.iter().for_each(|part| compressed.extend_from_slice(&part.compressed(deflate)));
        if compressed == self.bytes { self.bytes.clone() } else { compressed.freeze() }
    }
}

impl Deref for SharedFrame {
    type Target = Bytes;

    #[inline]
    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl From<Bytes> for SharedFrame {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, ..Self::default() }
    }
}

impl PartialEq for SharedFrame {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for SharedFrame {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_compressed_once_also_as_a_part() {
        let mut count = 0;
        let mut deflate = |frame: &SharedFrame| {
            count += 1;
            frame.slice(..1)
        };
        let one = SharedFrame::new(&"first".into(), true);
        let two = SharedFrame::new(&"second".into(), true);
        let joined = SharedFrame::join(&[one.clone(), two.clone()]);
        assert_eq!(joined.len(), 7 + 8);
        assert_eq!(two.clone().compressed(&mut deflate).len(), 1);
        assert_eq!(joined.clone().compressed(&mut deflate).len(), 2);
        assert_eq!(joined.compressed(&mut deflate).len(), 2);
        assert_eq!(one.compressed(&mut deflate).len(), 1);
        assert_eq!(count, 2);
    }

    #[test]
    fn what_is_not_compressed_is_the_same_memory() {
        let frames = [SharedFrame::new(&"a".into(), true), SharedFrame::new(&"b".into(), true)];
        let joined = SharedFrame::join(&frames);
        let same = joined.compressed(&mut |frame| (**frame).clone());
        assert_eq!(same.as_ptr(), joined.as_ptr());
    }
}
