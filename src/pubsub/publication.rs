//! What is published, and what reaches a loop of it.

use std::sync::Arc;

use bytes::Bytes;

use super::{SharedFrame, TopicId};

/// One message on its way to all subscribers.
#[derive(Clone, Debug)]
pub struct Publication {
    /// What it is the latest value of. Empty: of the topic itself.
    pub key: Bytes,
    /// The whole frame, as every subscriber gets it.
    pub frame: SharedFrame,
}

/// Publications of one topic, one behind another, as a loop gets them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose publications.
    pub topic: TopicId,
    /// The first one's sequence number.
    pub first: u64,
    /// The last one's sequence number.
    pub last: u64,
    /// All of their frames.
    pub frames: SharedFrame,
    /// Each by itself, if the topic merges values.
    pub parts: Option<Arc<[Publication]>>,
}

impl Batch {
    /// How many publications it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last + 1 - self.first
    }

    /// Joins batches of one topic that follow one another, up to the topic's `max_len` in bytes, and puts
    /// what comes of it in line. `gathered` is empty after that.
    pub fn line_up(
        gathered: &mut Vec<Self>,
        max_len: impl Fn(TopicId) -> usize,
        line: &mut impl Extend<Self>,
    ) {
        // Alone it is moved: nothing of it is counted or copied.
        if let [_] = gathered[..] {
            return line.extend(gathered.pop());
        }
        let mut rest = &gathered[..];
        while let Some(first) = rest.first() {
            let mut len = first.frames.len();
            let mut count = 1;
            let max_len = max_len(first.topic);
            while let Some(next) = rest.get(count).filter(|next| next.topic == first.topic) {
                if len + next.frames.len() > max_len {
                    break;
                }
                len += next.frames.len();
                count += 1;
            }
            line.extend(Self::join(&rest[..count]));
            rest = &rest[count..];
        }
        gathered.clear();
    }

    /// Joins batches of one topic, of which each begins where the one before ends.
    fn join(batches: &[Self]) -> Option<Self> {
        let (first, rest) = batches.split_first()?;
        let last = rest.last().unwrap_or(first).last;
        if rest.is_empty() {
            return Some(first.clone());
        }
        let frames: Vec<_> = batches.iter().map(|batch| batch.frames.clone()).collect();
        let frames = SharedFrame::join(&frames);
        let parts = first.parts.is_some().then(|| {
            let parts = batches.iter().filter_map(|batch| batch.parts.as_deref());
            parts.flatten().cloned().collect()
        });
        Some(Self { topic: first.topic, first: first.first, last, frames, parts })
    }
}
