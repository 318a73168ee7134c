//! Ranges of IP addresses by their leading bits.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// All IP addresses with the same leading bits: `10.0.0.0/8`, `2001:db8::/32`, or one alone,
/// `127.0.0.1`.
///
/// IPv4 addresses that come in IPv6's form (`::ffff:192.0.2.1`) are IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPrefix {
    ip: IpAddr,
    len: u8,
}

/// Not a prefix of IP addresses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a prefix of IP addresses such as 10.0.0.0/8: {reason}")]
pub struct IpPrefixError {
    text: String,
    reason: &'static str,
}

impl IpPrefix {
    /// Whether `ip` is among its addresses.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                leading(own.to_bits().into(), 32, self.len)
                    == leading(ip.to_bits().into(), 32, self.len)
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                leading(own.to_bits(), 128, self.len) == leading(ip.to_bits(), 128, self.len)
            }
            _ => false,
        }
    }
}

/// The first `len` of an address's `bit_count` bits.
fn leading(address: u128, bit_count: u8, len: u8) -> u128 {
    address.checked_shr(u32::from(bit_count - len)).unwrap_or(0)
}

/// The address alone.
impl From<IpAddr> for IpPrefix {
    fn from(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        Self { ip, len: if ip.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for IpPrefix {
    type Err = IpPrefixError;

    /// Bits behind the prefix must be zero: `10.1.2.3/8` is more likely a slip than a range.
    fn from_str(text: &str) -> Result<Self, IpPrefixError> {
        let wrong = |reason| IpPrefixError { text: text.to_owned(), reason };
        let (ip, len) = text.split_once('/').map_or((text, None), |(ip, len)| (ip, Some(len)));
        let ip: IpAddr = ip.parse().map_err(|_| wrong("no address"))?;
        let Some(len) = len else { return Ok(ip.into()) };
        let max_len = if ip.is_ipv4() { 32 } else { 128 };
        let digits = !len.is_empty() && len.bytes().all(|byte| byte.is_ascii_digit());
        let len: u8 = len
            .parse()
            .ok()
            .filter(|&len| digits && len <= max_len)
            .ok_or_else(|| wrong("no length in bits"))?;
        let (bits, missing) = match ip {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32 - len),
            IpAddr::V6(ip) => (ip.to_bits(), 128 - len),
        };
        if missing > 0 && bits << (128 - missing) != 0 {
            return Err(wrong("the address has bits behind it"));
        }
        Ok(Self { ip, len })
    }
}

/// In the form that is read.
impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> IpPrefix {
        text.parse().expect(text)
    }

    #[test]
    fn addresses_are_in_or_out() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "::10.1.2.3", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.128/25", "192.0.2.128", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("fe80::1", "fe80::1", true),
            ("fe80::1/128", "fe80::2", false),
        ];
        for (text, ip, expected) in cases {
            let contains = prefix(text).contains(ip.parse().expect("an address"));
            assert_eq!(contains, expected, "{text} {ip}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.1.0.0/8",
            "10.0.0/8",
            "::/129",
            "::1/127",
            "example.com",
            "10.0.0.0 /8",
            "10.0.0.1:80",
        ] {
            let error = text.parse::<IpPrefix>().expect_err(text);
            assert!(error.to_string().starts_with(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn prefixes_are_written_as_they_are_read() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::1/128"] {
            assert_eq!(prefix(text).to_string(), text);
        }
        assert_eq!(prefix("127.0.0.1").to_string(), "127.0.0.1/32");
    }
}
