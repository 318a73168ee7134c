//! How far back a compressed message may refer (RFC 7692 §7.1.2).

/// The base-2 logarithm of an LZ77 window's length in bytes: 8 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB: what is meant where nothing is said.
    pub const MAX: Self = Self(15);

    /// So many bits, if the RFC knows such a window.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The window's length in bytes.
    #[must_use]
    pub const fn window_len(self) -> usize {
        1 << self.0
    }

    /// Reads the value of a parameter: a decimal number without leading zeros (RFC 7692 §7.1.2.1).
    pub(super) fn decode(value: &str) -> Option<Self> {
        match value.as_bytes() {
            [digit @ b'8'..=b'9'] => Some(Self(digit - b'0')),
            [b'1', digit @ b'0'..=b'5'] => Some(Self(10 + digit - b'0')),
            _ => None,
        }
    }
}

impl Default for WindowBits {
    fn default() -> Self {
        Self::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_8_to_15_are_window_bits() {
        for bits in 0..=u8::MAX {
            let expected = (8..=15).contains(&bits).then_some(WindowBits(bits));
            assert_eq!(WindowBits::new(bits), expected);
            assert_eq!(WindowBits::decode(&bits.to_string()), expected, "{bits}");
        }
        for value in ["", "08", "8 ", "+8", "8.0", "-9", "0x9", "0010", "１０"] {
            assert_eq!(WindowBits::decode(value), None, "{value:?}");
        }
    }
}
