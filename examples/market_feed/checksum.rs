//! The checksum of a book: CRC-32 (IEEE, as in zlib) over the ASCII text of its best levels.
//!
//! The text is the best ten bids, best first, then the best ten asks, each as `price:quantity`
//! with the decimal strings of the wire, joined by `,`.

use crate::fixed;
use crate::level_book::LevelBook;
use crate::message::{Instrument, Side};

/// The levels of each side that the checksum covers.
pub(crate) const DEPTH: usize = 10;

/// The checksum of a book. `scratch` is overwritten; passing the same one again saves allocations.
pub(crate) fn of_book(book: &LevelBook, instrument: &Instrument, scratch: &mut String) -> u32 {
    scratch.clear();
    for side in [Side::Buy, Side::Sell] {
        for level in book.levels(side).take(DEPTH) {
            if !scratch.is_empty() {
                scratch.push(',');
            }
            fixed::push(scratch, level.price, instrument.price_decimals);
            scratch.push(':');
            fixed::push(scratch, level.quantity, instrument.quantity_decimals);
        }
    }
    crc32fast::hash(scratch.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument() -> Instrument {
        Instrument {
            symbol: "BTC-USD".into(),
            name: "Bitcoin".into(),
            price_decimals: 2,
            quantity_decimals: 4,
        }
    }

    #[test]
    fn covers_the_wire_text_of_both_sides_best_first() {
        let mut book = LevelBook::default();
        book.set(Side::Buy, 6_123_449, 4_120);
        book.set(Side::Buy, 6_123_448, 1);
        book.set(Side::Sell, 6_123_451, 10_000);
        let mut text = String::new();
        let checksum = of_book(&book, &instrument(), &mut text);
        assert_eq!(text, "61234.49:0.4120,61234.48:0.0001,61234.51:1.0000");
        // zlib.crc32 of that text.
        assert_eq!(checksum, 0xBCD7_66B3);
    }

    #[test]
    fn an_empty_book_has_the_checksum_of_no_text() {
        assert_eq!(of_book(&LevelBook::default(), &instrument(), &mut String::new()), 0);
    }

    #[test]
    fn ignores_what_lies_deeper_than_ten_levels() {
        let mut book = LevelBook::default();
        for price in 1..=10 {
            book.set(Side::Buy, 100 + price, price);
        }
        let mut scratch = String::new();
        let before = of_book(&book, &instrument(), &mut scratch);
        book.set(Side::Buy, 50, 7);
        assert_eq!(of_book(&book, &instrument(), &mut scratch), before);
        book.set(Side::Buy, 101, 9);
        assert_ne!(of_book(&book, &instrument(), &mut scratch), before);
    }
}
