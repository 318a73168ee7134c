//! The latest value of each key, by when it was published.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::SharedFrame;

/// The values of a conflated topic. What a subscriber lacks is found by sequence number alone, so
/// nothing is held for those that lag.
#[derive(Debug)]
pub(super) struct Values {
    max_count: usize,
    by_sequence: BTreeMap<u64, Value>,
    sequences: HashMap<Bytes, u64>,
}

#[derive(Debug)]
struct Value {
    key: Bytes,
    frame: SharedFrame,
}

impl Values {
    pub(super) fn new(max_count: usize) -> Self {
        Self { max_count, by_sequence: BTreeMap::new(), sequences: HashMap::new() }
    }

    /// Whether there is room for `keys`, of which some may be new.
    pub(super) fn has_room<'a>(&self, keys: impl Iterator<Item = &'a Bytes>) -> bool {
        let mut room = self.max_count - self.sequences.len();
        for key in keys {
            if !self.sequences.contains_key(key) {
                // A key that comes twice in one call counts twice: refused early, never late.
                if room == 0 {
                    return false;
                }
                room -= 1;
            }
        }
        true
    }

    /// A key's new value. O(log keys).
    pub(super) fn insert(&mut self, sequence: u64, key: &Bytes, frame: SharedFrame) {
        let key = match self.sequences.get_mut(key) {
            Some(before) => {
                let value = self.by_sequence.remove(before);
                *before = sequence;
                value.map_or_else(|| key.clone(), |value| value.key)
            }
            None => {
                self.sequences.insert(key.clone(), sequence);
                key.clone()
            }
        };
        self.by_sequence.insert(sequence, Value { key, frame });
    }

    /// Forgets a key; says whether there was one.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let sequence = self.sequences.remove(key);
        sequence.is_some_and(|sequence| self.by_sequence.remove(&sequence).is_some())
    }

    /// The values published after `after` and up to `upto`, oldest first, with their sequence
    /// numbers.
    pub(super) fn between(
        &self,
        after: u64,
        upto: u64,
    ) -> impl Iterator<Item = (u64, &SharedFrame)> {
        // An empty range must not be asked for the wrong way round.
        let range = after.saturating_add(1)..=upto.max(after.saturating_add(1));
        let values = self.by_sequence.range(range).take_while(move |(at, _)| **at <= upto);
        values.map(|(sequence, value)| (*sequence, &value.frame))
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.sequences.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_sequence.is_empty()
    }

    pub(super) fn key_count(&self) -> usize {
        self.sequences.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn between(values: &Values, after: u64, upto: u64) -> Vec<(u64, &[u8])> {
        values.between(after, upto).map(|(sequence, frame)| (sequence, &frame[..])).collect()
    }

    #[test]
    fn only_the_latest_of_each_key_is_kept_in_the_order_of_publication() {
        let mut values = Values::new(10);
        for (sequence, key, frame) in
            [(1, "a", "a1"), (2, "b", "b2"), (3, "a", "a3"), (4, "c", "c4")]
        {
            values.insert(sequence, &bytes(key), bytes(frame).into());
        }
        assert_eq!(between(&values, 0, 4), [(2, &b"b2"[..]), (3, b"a3"), (4, b"c4")]);
        assert_eq!(between(&values, 2, 3), [(3, &b"a3"[..])]);
        assert_eq!(between(&values, 4, 4), []);
        assert_eq!(between(&values, 9, 4), []);
        assert_eq!(between(&values, u64::MAX, 4), []);
        assert!(values.remove(b"a") && !values.remove(b"a"));
        assert_eq!(between(&values, 0, 4), [(2, &b"b2"[..]), (4, b"c4")]);
    }

    #[test]
    fn there_are_never_more_keys_than_allowed() {
        let mut values = Values::new(2);
        values.insert(1, &bytes("a"), bytes("1").into());
        let fits = |values: &Values, keys: &[&'static str]| {
            let keys: Vec<_> = keys.iter().map(|key| bytes(key)).collect();
            values.has_room(keys.iter())
        };
        assert!(fits(&values, &["b"]) && fits(&values, &["a", "b"]));
        assert!(!fits(&values, &["b", "c"]));
        values.insert(2, &bytes("b"), bytes("2").into());
        assert!(fits(&values, &["a", "b"]) && !fits(&values, &["c"]));
        values.remove(b"a");
        assert!(fits(&values, &["c"]));
        assert_eq!(values.key_count(), 1);
    }
}
