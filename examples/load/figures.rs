//! Numbers as people read them.

use crate::clock::Nanos;

/// `1,234,567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `123,457/s`, and with a digit behind the point when there are few.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 100.0 {
        format!("{per_second:.1}/s")
    } else {
        format!("{}/s", count(per_second.round() as u64))
    }
}

/// `1.5 MiB`
pub(crate) fn bytes(len: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if len < 1024.0 {
        return format!("{len:.0} B");
    }
    let power = (len.log2() / 10.0).floor().min(units.len() as f64);
    format!("{:.1} {}", len / 1024_f64.powf(power), units[power as usize - 1])
}

/// `31.2 µs`: three digits that count, which is what is measured.
pub(crate) fn time(nanos: Nanos) -> String {
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// `1 connection`, `2 connections`.
pub(crate) fn several(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([rate(0.0), rate(12.34), rate(123_456.7)], ["0.0/s", "12.3/s", "123,457/s"]);
        assert_eq!(
            [bytes(0.0), bytes(1023.0), bytes(1024.0), bytes(1.5 * 1024.0 * 1024.0)],
            ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]
        );
        assert_eq!(bytes(1e18), "909494.7 TiB");
        assert_eq!(
            [time(0), time(999), time(1_234), time(31_249)],
            ["0 ns", "999 ns", "1.23 µs", "31.2 µs"]
        );
        assert_eq!([time(250_000_000), time(61_000_000_000)], ["250 ms", "61.0 s"]);
        assert_eq!([several(1, "thread"), several(2_000, "thread")], ["1 thread", "2,000 threads"]);
    }
}
