//! Text to be compressed: an exchange's book updates, as their public feeds write them.

use std::io::Write as _;

/// Ticks that a price is away from the middle at most.
const MAX_DISTANCE: i64 = 400;
/// Levels of one side in an update, at most.
const MAX_LEVELS: u32 = 12;

/// A market whose price wanders, and whose numbers and times go up.
#[derive(Debug)]
pub(crate) struct Market {
    /// In cents.
    middle: i64,
    update: u64,
    millis: u64,
}

impl Market {
    pub(crate) fn new() -> Self {
        let update = fastrand::u64(40_000_000_000..50_000_000_000);
        Self { middle: 6_123_450, update, millis: 1_732_623_580_123 }
    }

    /// Appends updates, until there are `len` bytes in all.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, len: usize) {
        while out.len() < len {
            self.append_update(out);
        }
        out.truncate(len);
    }

    fn append_update(&mut self, out: &mut Vec<u8>) {
        self.middle += fastrand::i64(-20..=20);
        self.millis += 100;
        let first = self.update + 1;
        self.update += fastrand::u64(1..60);
        let (millis, last) = (self.millis, self.update);
        append(out, format_args!(r#"{{"e":"depthUpdate","E":{millis},"s":"BTCUSDT","#));
        append(out, format_args!(r#""U":{first},"u":{last},"b":["#));
        self.append_levels(out, -1);
        append(out, format_args!(r#"],"a":["#));
        self.append_levels(out, 1);
        append(out, format_args!("]}}"));
    }

    fn append_levels(&self, out: &mut Vec<u8>, side: i64) {
        for level in 0..fastrand::u32(1..=MAX_LEVELS) {
            let price = self.middle + side * fastrand::i64(1..MAX_DISTANCE);
            // A third of the levels go, and most orders are of few lots.
            let lots = match fastrand::u32(0..6) {
                0 | 1 => 0,
                2 | 3 => fastrand::u32(1..100) * 1_000,
                _ => fastrand::u32(1..500_000),
            };
            let comma = if level == 0 { "" } else { "," };
            let (units, cents) = (price / 100, price % 100);
            append(out, format_args!(r#"{comma}["{units}.{cents:02}000000","#));
            append(out, format_args!(r#""{}.{:05}000"]"#, lots / 100_000, lots % 100_000));
        }
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_json_and_no_other_is_the_same() {
        let mut market = Market::new();
        let mut updates = Vec::new();
        for _ in 0..100 {
            let mut update = Vec::new();
            market.append_update(&mut update);
            let value: serde_json::Value = serde_json::from_slice(&update).expect("JSON");
            assert!(value["b"][0][0].is_string() && value["a"][0][1].is_string(), "{value}");
            updates.push(update);
        }
        updates.sort();
        updates.dedup();
        assert_eq!(updates.len(), 100);
    }

    #[test]
    fn there_is_as_much_text_as_asked_for() {
        for len in [0, 1, 16, 1024, 5000] {
            let mut text = Vec::new();
            Market::new().append(&mut text, len);
            assert_eq!(text.len(), len);
        }
    }
}
