//! Who subscribes to all topics whose names begin alike, on one loop.
//!
//! A prefix becomes ordinary subscriptions: to the topics that there are, and to each one that is made
//! later. Publishing knows nothing of it.

use std::collections::HashMap;

use super::SubscribeOptions;

/// The prefixes that connections of one loop subscribe to.
#[derive(Debug, Default)]
pub struct PrefixTable {
    by_prefix: HashMap<Box<str>, Vec<(u32, SubscribeOptions)>>,
}

impl PrefixTable {
    /// Adds a connection that is known not to have this prefix yet.
    pub fn insert(&mut self, prefix: &str, key: u32, options: SubscribeOptions) {
        self.by_prefix.entry(prefix.into()).or_default().push((key, options));
    }

    /// Takes a connection's prefix back; says whether it had it.
    pub fn remove(&mut self, prefix: &str, key: u32) -> bool {
        let Some(keys) = self.by_prefix.get_mut(prefix) else { return false };
        let Some(at) = keys.iter().position(|(subscriber, _)| *subscriber == key) else {
            return false;
        };
        keys.swap_remove(at);
        if keys.is_empty() {
            self.by_prefix.remove(prefix);
        }
        true
    }

    /// The connections with a prefix of `name`, by each of their prefixes.
    pub fn matching(&self, name: &str) -> impl Iterator<Item = (u32, SubscribeOptions)> {
        let matching = self.by_prefix.iter().filter(|(prefix, _)| name.starts_with(&***prefix));
        matching.flat_map(|(_, keys)| keys.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_matched_by_each_of_its_prefixes() {
        let mut table = PrefixTable::default();
        let options = SubscribeOptions::default();
        for (prefix, key) in [("book.", 1), ("book.B", 2), ("", 3), ("trades.", 4), ("book.", 5)] {
            table.insert(prefix, key, options);
        }
        let matching = |table: &PrefixTable, name| {
            let mut keys: Vec<_> = table.matching(name).map(|(key, _)| key).collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(matching(&table, "book.BTC"), [1, 2, 3, 5]);
        assert_eq!(matching(&table, "book.ETH"), [1, 3, 5]);
        assert_eq!(matching(&table, "boo"), [3]);
        assert!(table.remove("book.", 1) && !table.remove("book.", 1) && !table.remove("x", 1));
        assert!(table.remove("book.", 5) && table.remove("", 3));
        assert_eq!(matching(&table, "book.ETH"), []);
    }
}
