//! Version 2: binary.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::crc32c::crc32c;
use super::v1::to_v6;
use super::{ProxyHeader, ProxyHeaderError};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family and transport, and the length of what follows.
const FIXED_LEN: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The type of the field that holds the checksum, and the length of its value.
const CRC32C_TYPE: u8 = 0x03;
const CRC32C_LEN: usize = 4;

/// Type and length of a field.
const TLV_HEAD_LEN: usize = 3;

pub(super) fn decode(
    input: &[u8],
    max_len: usize,
) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    // Only these two are defined (§2.2).
    if input.get(12).is_some_and(|command| ![LOCAL, PROXY].contains(command)) {
        return Err(ProxyHeaderError::Unknown("version and command"));
    }
    let Some(fixed) = input.first_chunk::<FIXED_LEN>() else { return Ok(None) };
    let (command, transport) = (fixed[12], fixed[13]);
    let len = FIXED_LEN + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len > max_len {
        return Err(ProxyHeaderError::TooLong { len, max: max_len });
    }
    let is_local = command == LOCAL;
    let addresses_len = if is_local { 0 } else { addresses_len(transport)? };
    if len < FIXED_LEN + addresses_len {
        return Err(ProxyHeaderError::CutOff);
    }
    let Some(header) = input.get(..len) else { return Ok(None) };
    // What a proxy that speaks for itself has in here is to be skipped, whatever it is.
    if is_local {
        return Ok(Some((ProxyHeader::Unaddressed, len)));
    }
    verify_fields(header, FIXED_LEN + addresses_len)?;
    Ok(Some((addresses(transport, &header[FIXED_LEN..]), len)))
}

/// What addresses of this family take; those of no family take nothing that is known.
fn addresses_len(transport: u8) -> Result<usize, ProxyHeaderError> {
    if transport & 0xf > 2 {
        return Err(ProxyHeaderError::Unknown("transport"));
    }
    match transport >> 4 {
        0 => Ok(0),
        1 => Ok(2 * 4 + 2 * 2),
        2 => Ok(2 * 16 + 2 * 2),
        3 => Ok(2 * 108),
        _ => Err(ProxyHeaderError::Unknown("address family")),
    }
}

/// The addresses, if they are of TCP. For the others there are no clients here: they are taken as
/// unspecified, as they may be (§2.2).
fn addresses(transport: u8, block: &[u8]) -> ProxyHeader {
    let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    let (source, destination, ports_at) = match transport {
        TCP4 => {
            let ip = |at: usize| IpAddr::V4(Ipv4Addr::from(chunk::<4>(block, at)));
            (ip(0), ip(4), 8)
        }
        TCP6 => {
            let ip = |at: usize| IpAddr::V6(Ipv6Addr::from(chunk::<16>(block, at)));
            (ip(0), ip(16), 32)
        }
        _ => return ProxyHeader::Unaddressed,
    };
    ProxyHeader::Relayed {
        source: SocketAddr::new(source, port(ports_at)),
        destination: SocketAddr::new(destination, port(ports_at + 2)),
    }
}

fn chunk<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    let mut chunk = [0; N];
    chunk.copy_from_slice(&block[at..at + N]);
    chunk
}

/// Skips the fields behind the addresses; one that is a checksum must be right. Behind addresses of
/// no family nobody knows where fields begin.
fn verify_fields(header: &[u8], mut at: usize) -> Result<(), ProxyHeaderError> {
    if at == FIXED_LEN {
        return Ok(());
    }
    while at < header.len() {
        let Some(&[field, high, low]) = header[at..].first_chunk::<TLV_HEAD_LEN>() else {
            return Err(ProxyHeaderError::CutOff);
        };
        let value_at = at + TLV_HEAD_LEN;
        let value_end = value_at + usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = header.get(value_at..value_end) else {
            return Err(ProxyHeaderError::CutOff);
        };
        if field == CRC32C_TYPE {
            let blanked = [&header[..value_at], &[0; CRC32C_LEN], &header[value_end..]];
            if value != crc32c(&blanked).to_be_bytes() {
                return Err(ProxyHeaderError::Checksum);
            }
        }
        at = value_end;
    }
    Ok(())
}

pub(super) fn encode(header: &ProxyHeader) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    match header {
        ProxyHeader::Unaddressed => bytes.extend_from_slice(&[LOCAL, 0, 0, 0]),
        ProxyHeader::Relayed { source, destination } => {
            encode_addresses(*source, *destination, &mut bytes);
        }
    }
    bytes
}

fn encode_addresses(source: SocketAddr, destination: SocketAddr, bytes: &mut Vec<u8>) {
    let (transport, addresses) = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            (TCP4, [source.octets(), destination.octets()].concat())
        }
        (source, destination) => {
            (TCP6, [to_v6(source).octets(), to_v6(destination).octets()].concat())
        }
    };
    let len = addresses.len() + 2 * 2 + TLV_HEAD_LEN + CRC32C_LEN;
    bytes.extend_from_slice(&[PROXY, transport, 0, len as u8]);
    bytes.extend_from_slice(&addresses);
    bytes.extend_from_slice(&source.port().to_be_bytes());
    bytes.extend_from_slice(&destination.port().to_be_bytes());
    bytes.extend_from_slice(&[CRC32C_TYPE, 0, CRC32C_LEN as u8]);
    let checksum = crc32c(&[bytes, &[0; CRC32C_LEN]]);
    bytes.extend_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

    fn bytes(command: u8, transport: u8, block: &[u8]) -> Vec<u8> {
        let len = (block.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, transport, len[0], len[1]], block].concat()
    }

    fn decoded(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
        let (header, len) = ProxyHeader::decode(bytes, 1024)?.expect("it is whole");
        assert_eq!(len, bytes.len());
        // As many bytes as there are, and the same verdict from each on that gives one.
        for at in 0..len {
            assert_eq!(ProxyHeader::decode(&bytes[..at], 1024), Ok(None), "cut at {at}");
        }
        Ok(header)
    }

    #[test]
    fn valid_headers() {
        let relayed = ProxyHeader::Relayed {
            source: ([192, 0, 2, 7], 56324).into(),
            destination: ([198, 51, 100, 1], 443).into(),
        };
        let relayed_v6 = ProxyHeader::Relayed {
            source: ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 258).into(),
            destination: ([0, 0, 0, 0, 0, 0, 0, 1], 772).into(),
        };
        let mut v6 = [0x20, 0x01, 0x0d, 0xb8].to_vec();
        v6.extend_from_slice(&[0; 11]);
        v6.push(7);
        v6.extend_from_slice(&[0; 15]);
        v6.extend_from_slice(&[1, 1, 2, 3, 4]);
        let with = |tlvs: &[u8]| [&ADDRESSES[..], tlvs].concat();
        let unaddressed = ProxyHeader::Unaddressed;
        let cases: [(u8, u8, &[u8], ProxyHeader); 13] = [
            (PROXY, TCP4, &ADDRESSES, relayed),
            (PROXY, TCP6, &v6, relayed_v6),
            (PROXY, TCP4, &with(&[4, 0, 0]), relayed),
            (PROXY, TCP4, &with(&[2, 0, 3, b'a', b'b', b'c', 0xee, 0, 1, 9]), relayed),
            // UDP, Unix-domain, unspecified: somebody, but nobody with a TCP address.
            (PROXY, 0x12, &ADDRESSES, unaddressed),
            (PROXY, 0x22, &v6, unaddressed),
            (PROXY, 0x31, &[b'/'; 216], unaddressed),
            (PROXY, 0x32, &[0; 216], unaddressed),
            (PROXY, 0x00, &[], unaddressed),
            (PROXY, 0x00, &[1, 2, 3, 4, 5], unaddressed),
            // Whatever a LOCAL header holds is skipped.
            (LOCAL, 0x00, &[], unaddressed),
            (LOCAL, TCP4, &ADDRESSES, unaddressed),
            (LOCAL, 0xff, &[0xff; 40], unaddressed),
        ];
        for (command, transport, block, expected) in cases {
            let bytes = bytes(command, transport, block);
            assert_eq!(decoded(&bytes), Ok(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn invalid_headers() {
        use ProxyHeaderError::{CutOff, Unknown};
        let with = |tlvs: &[u8]| [&ADDRESSES[..], tlvs].concat();
        let cases: [(u8, u8, &[u8], ProxyHeaderError); 13] = [
            (0x11, TCP4, &ADDRESSES, Unknown("version and command")),
            (0x31, TCP4, &ADDRESSES, Unknown("version and command")),
            (0x22, TCP4, &ADDRESSES, Unknown("version and command")),
            (0x2f, TCP4, &ADDRESSES, Unknown("version and command")),
            (PROXY, 0x13, &ADDRESSES, Unknown("transport")),
            (PROXY, 0x1f, &ADDRESSES, Unknown("transport")),
            (PROXY, 0x41, &ADDRESSES, Unknown("address family")),
            (PROXY, 0xf1, &ADDRESSES, Unknown("address family")),
            (PROXY, TCP4, &ADDRESSES[..11], CutOff),
            (PROXY, TCP6, &ADDRESSES, CutOff),
            (PROXY, 0x31, &[0; 215], CutOff),
            (PROXY, TCP4, &with(&[4, 0]), CutOff),
            (PROXY, TCP4, &with(&[4, 0, 2, 0]), CutOff),
        ];
        for (command, transport, block, expected) in cases {
            let bytes = bytes(command, transport, block);
            assert_eq!(decoded(&bytes), Err(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn a_checksum_must_be_right_wherever_it_stands() {
        for (before, after) in [(&[][..], &[][..]), (&[4, 0, 1, 0], &[5, 0, 2, 1, 2])] {
            let tlvs = [before, &[CRC32C_TYPE, 0, 4, 0, 0, 0, 0], after].concat();
            let mut header = bytes(PROXY, TCP4, &[&ADDRESSES[..], &tlvs].concat());
            let value_at = FIXED_LEN + ADDRESSES.len() + before.len() + TLV_HEAD_LEN;
            let checksum = crc32c(&[&header]);
            header[value_at..][..4].copy_from_slice(&checksum.to_be_bytes());
            assert!(decoded(&header).is_ok());
            header[value_at] ^= 1;
            assert_eq!(decoded(&header), Err(ProxyHeaderError::Checksum));
            header[value_at] ^= 1;
            header[FIXED_LEN] ^= 1;
            assert_eq!(decoded(&header), Err(ProxyHeaderError::Checksum), "another address");
        }
        let short = bytes(PROXY, TCP4, &[&ADDRESSES[..], &[CRC32C_TYPE, 0, 2, 0, 0]].concat());
        assert_eq!(decoded(&short), Err(ProxyHeaderError::Checksum));
    }

    #[test]
    fn longer_than_allowed_is_refused_by_the_length_alone() {
        let header = bytes(PROXY, TCP4, &[0; 985]);
        let expected = Err(ProxyHeaderError::TooLong { len: 1001, max: 1000 });
        assert_eq!(ProxyHeader::decode(&header[..16], 1000), expected);
        assert_eq!(ProxyHeader::decode(&header[..16], 1001), Ok(None));
        let longest = bytes(LOCAL, 0, &[0; 65535]);
        let expected = ProxyHeaderError::TooLong { len: 65551, max: 16 * 1024 };
        assert_eq!(ProxyHeader::decode(&longest, usize::MAX), Err(expected));
    }
}
