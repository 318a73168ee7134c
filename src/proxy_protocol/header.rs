//! A PROXY header of either version.

use std::net::SocketAddr;

use super::{ProxyHeaderError, v1, v2};

/// Longer headers are not taken, whatever else is allowed: 16 KiB. Addresses have 232 bytes at most;
/// what may follow (TLVs) is a name, an identifier, a certificate.
pub const MAX_PROXY_HEADER_LEN: usize = 16 * 1024;

/// What a proxy says of the connection that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// It is relayed for this client.
    Relayed {
        /// The client's address, as the proxy sees it.
        source: SocketAddr,
        /// The address that the client has connected to.
        destination: SocketAddr,
    },
    /// The proxy speaks for itself, such as to see whether the server lives (`LOCAL`), or for a client
    /// of whom it knows no IP address (`UNKNOWN`, `AF_UNSPEC`, `AF_UNIX`): the connection's own
    /// addresses hold.
    Unaddressed,
}

impl ProxyHeader {
    /// Decodes the header at the beginning of `input`, which is everything that has been received;
    /// says also how many bytes it has. `None`: more are needed. Of version 2 at most `max_len` bytes are
    /// taken, and never more than [`MAX_PROXY_HEADER_LEN`]; of version 1 the 107 that it may have.
    ///
    /// What version 2 has behind the addresses (TLVs) is skipped, but for the checksum, which is
    /// verified.
    ///
    /// # Errors
    ///
    /// As soon as `input` cannot become a header any more.
    pub fn decode(input: &[u8], max_len: usize) -> Result<Option<(Self, usize)>, ProxyHeaderError> {
        if begins(input, v2::SIGNATURE) {
            v2::decode(input, max_len.min(MAX_PROXY_HEADER_LEN))
        } else if begins(input, v1::SIGNATURE) {
            v1::decode(input)
        } else {
            Err(ProxyHeaderError::Missing)
        }
    }

    /// The header as a proxy sends it, in version 1: a line of text.
    #[must_use]
    pub fn encode_v1(&self) -> Vec<u8> {
        v1::encode(self)
    }

    /// The header as a proxy sends it, in version 2, with a checksum.
    #[must_use]
    pub fn encode_v2(&self) -> Vec<u8> {
        v2::encode(self)
    }
}

/// Whether `input` begins with `signature`, as far as it goes.
fn begins(input: &[u8], signature: &[u8]) -> bool {
    let len = input.len().min(signature.len());
    input[..len] == signature[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relayed(source: &str, destination: &str) -> ProxyHeader {
        let address = |text: &str| text.parse().expect("an address");
        ProxyHeader::Relayed { source: address(source), destination: address(destination) }
    }

    #[test]
    fn headers_come_out_as_they_went_in_wherever_they_are_split() {
        let headers = [
            relayed("192.0.2.7:1", "198.51.100.1:65535"),
            relayed("0.0.0.0:0", "255.255.255.255:443"),
            relayed("[2001:db8::1]:5000", "[::1]:9001"),
            relayed("[::ffff:192.0.2.1]:1", "[fe80::1]:2"),
            ProxyHeader::Unaddressed,
        ];
        for header in headers {
            for mut bytes in [header.encode_v1(), header.encode_v2()] {
                let len = bytes.len();
                for at in 0..len {
                    let decoded = ProxyHeader::decode(&bytes[..at], 1024);
                    assert_eq!(decoded, Ok(None), "{header:?} cut at {at}");
                }
                bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
                assert_eq!(ProxyHeader::decode(&bytes, 1024), Ok(Some((header, len))));
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
        for (input, right_len) in [
            ("GET / HTTP/1.1\r\n", 0),
            ("PRI * HTTP/2.0", 2),
            ("proxy TCP4 ", 0),
            ("PROXY\tTCP4 ", 5),
            ("\r\n\r\n\0\r\nQUIX\n", 10),
            ("\x16\x03\x01", 0),
        ] {
            let input = input.as_bytes();
            assert_eq!(ProxyHeader::decode(&input[..right_len], 1024), Ok(None), "{input:?}");
            let decoded = ProxyHeader::decode(&input[..=right_len], 1024);
            assert_eq!(decoded, Err(ProxyHeaderError::Missing), "{input:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics_and_more_input_changes_no_verdict(
            version in 0..3,
            mut tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            cut in 0..300_usize,
        ) {
            let mut input = match version {
                0 => Vec::new(),
                1 => b"PROXY TCP".to_vec(),
                _ => v2::SIGNATURE.to_vec(),
            };
            input.append(&mut tail);
            let cut = cut.min(input.len());
            let (part, whole) =
                (ProxyHeader::decode(&input[..cut], 256), ProxyHeader::decode(&input, 256));
            proptest::prop_assert!(part == Ok(None) || part == whole, "{:?} then {:?}", part, whole);
        }
    }
}
