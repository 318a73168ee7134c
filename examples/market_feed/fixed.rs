//! Decimal fixed point: an `i64` that counts units of `10^-decimals`.
//!
//! Prices and quantities never pass through a float: the text that a client hashes for its checksum
//! must be the text that the server hashed, digit for digit.

use thiserror::Error;

/// The largest number of decimals that a value may have.
pub(crate) const MAX_DECIMALS: u32 = 18;

/// Why a text is not a fixed-point number of the wanted scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FixedError {
    /// Not an optional minus sign, digits, and optionally a point and digits.
    #[error("not a decimal number")]
    NotANumber,
    /// A digit other than zero stands beyond the last decimal of the scale.
    #[error("more than {0} decimals")]
    TooPrecise(u32),
    /// The value does not fit an `i64` at this scale.
    #[error("too large")]
    TooLarge,
}

/// Reads `text` as a count of units of `10^-decimals`. Zeros beyond the scale are accepted, other
/// digits there are an error: nothing is ever rounded.
pub(crate) fn parse(text: &str, decimals: u32) -> Result<i64, FixedError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || fraction.is_empty() {
        return Err(FixedError::NotANumber);
    }
    // Accumulated below zero, where i64 has one value more.
    let mut value: i64 = 0;
    for &byte in whole.as_bytes() {
        value = push_digit(value, byte)?;
    }
    let fraction = fraction.as_bytes();
    let kept = fraction.len().min(decimals as usize);
    for &byte in &fraction[..kept] {
        value = push_digit(value, byte)?;
    }
    for _ in kept..decimals as usize {
        value = push_digit(value, b'0')?;
    }
    for &byte in &fraction[kept..] {
        match byte {
            b'0' => {}
            b'1'..=b'9' => return Err(FixedError::TooPrecise(decimals)),
            _ => return Err(FixedError::NotANumber),
        }
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or(FixedError::TooLarge) }
}

fn push_digit(value: i64, byte: u8) -> Result<i64, FixedError> {
    if !byte.is_ascii_digit() {
        return Err(FixedError::NotANumber);
    }
    value
        .checked_mul(10)
        .and_then(|value| value.checked_sub(i64::from(byte - b'0')))
        .ok_or(FixedError::TooLarge)
}

/// The decimals that `text` needs: its digits after the point without trailing zeros.
pub(crate) fn decimals_used(text: &str) -> u32 {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    u32::try_from(fraction.trim_end_matches('0').len()).unwrap_or(u32::MAX)
}

/// Appends `value` with exactly `decimals` digits after the point (and no point for 0 decimals).
pub(crate) fn push(out: &mut String, value: i64, decimals: u32) {
    debug_assert!(decimals <= MAX_DECIMALS);
    let decimals = decimals as usize;
    // 20 digits of a u64, a point and a sign; or 18 decimals with "-0." before them.
    let mut buffer = [b'0'; 24];
    let mut at = buffer.len();
    let mut rest = value.unsigned_abs();
    let mut written = 0;
    while rest > 0 || written <= decimals {
        if written == decimals && decimals > 0 {
            at -= 1;
            buffer[at] = b'.';
        }
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        written += 1;
    }
    if value < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    out.push_str(std::str::from_utf8(&buffer[at..]).unwrap_or_default());
}

/// Appends an unsigned integer.
pub(crate) fn push_u64(out: &mut String, value: u64) {
    let mut buffer = [0u8; 20];
    let mut at = buffer.len();
    let mut rest = value;
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&buffer[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn print(value: i64, decimals: u32) -> String {
        let mut out = String::new();
        push(&mut out, value, decimals);
        out
    }

    #[test]
    fn prints_exactly_the_decimals_of_the_scale() {
        assert_eq!(print(6_123_450, 2), "61234.50");
        assert_eq!(print(5, 2), "0.05");
        assert_eq!(print(0, 4), "0.0000");
        assert_eq!(print(0, 0), "0");
        assert_eq!(print(-7, 0), "-7");
        assert_eq!(print(-7, 1), "-0.7");
        assert_eq!(print(i64::MIN, 18), "-9.223372036854775808");
        assert_eq!(print(-1, 18), "-0.000000000000000001");
    }

    #[test]
    fn parses_what_exchanges_send() {
        assert_eq!(parse("61685.99000000", 2), Ok(6_168_599));
        assert_eq!(parse("0.00017000", 5), Ok(17));
        assert_eq!(parse("7", 2), Ok(700));
        assert_eq!(parse("-0.5", 1), Ok(-5));
        assert_eq!(parse("-9223372036854775808", 0), Ok(i64::MIN));
    }

    #[test]
    fn refuses_what_it_would_have_to_change() {
        assert_eq!(parse("1.005", 2), Err(FixedError::TooPrecise(2)));
        assert_eq!(parse("9223372036854775808", 0), Err(FixedError::TooLarge));
        assert_eq!(parse("92233720368547758.08", 3), Err(FixedError::TooLarge));
        for text in ["", ".", "1.", ".5", "-", "1e5", "+1", "1,5", " 1", "1.2.3", "1.00x", "٣"] {
            assert_eq!(parse(text, 2), Err(FixedError::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn counts_the_decimals_that_matter() {
        assert_eq!(decimals_used("61685.99000000"), 2);
        assert_eq!(decimals_used("100.00"), 0);
        assert_eq!(decimals_used("100"), 0);
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(value: i64, decimals in 0..=MAX_DECIMALS) {
            prop_assert_eq!(parse(&print(value, decimals), decimals), Ok(value));
        }

        #[test]
        fn integers_print_as_the_standard_library_prints_them(value: u64, signed: i64) {
            let mut out = String::new();
            push_u64(&mut out, value);
            prop_assert_eq!(out, value.to_string());
            prop_assert_eq!(print(signed, 0), signed.to_string());
        }

        #[test]
        fn no_text_panics(text in "[-0-9.e]{0,24}", decimals in 0..=MAX_DECIMALS) {
            let _ = parse(&text, decimals);
        }
    }
}
