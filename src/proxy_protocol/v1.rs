//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{ProxyHeader, ProxyHeaderError};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, its end included (§2.1).
const MAX_LINE_LEN: usize = 107;

pub(super) fn decode(input: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
    let head = &input[..input.len().min(MAX_LINE_LEN)];
    let Some(len) = head.windows(2).position(|pair| pair == b"\r\n") else {
        let full = head.len() == MAX_LINE_LEN;
        return if full { Err(ProxyHeaderError::LineTooLong) } else { Ok(None) };
    };
    let header = decode_fields(&head[SIGNATURE.len()..len])?;
    Ok(Some((header, len + 2)))
}

fn decode_fields(fields: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
    // Whatever follows is to be ignored.
    if fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ") {
        return Ok(ProxyHeader::Unaddressed);
    }
    let fields = std::str::from_utf8(fields).map_err(|_| ProxyHeaderError::Line("not text"))?;
    // Exactly one space between fields: an empty one is no address and no port.
    let mut fields = fields.split(' ');
    let parse: fn(&str) -> Option<IpAddr> = match fields.next() {
        Some("TCP4") => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some("TCP6") => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return Err(ProxyHeaderError::Line("no protocol that is known")),
    };
    let mut address = || fields.next().and_then(parse).ok_or(ProxyHeaderError::Line("no address"));
    let (source, destination) = (address()?, address()?);
    let mut port = || fields.next().and_then(parse_port).ok_or(ProxyHeaderError::Line("no port"));
    let (source_port, destination_port) = (port()?, port()?);
    if fields.next().is_some() {
        return Err(ProxyHeaderError::Line("more than there should be"));
    }
    Ok(ProxyHeader::Relayed {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Decimal, without heading zeroes.
fn parse_port(text: &str) -> Option<u16> {
    let canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok())?
}

pub(super) fn encode(header: &ProxyHeader) -> Vec<u8> {
    let line = match header {
        ProxyHeader::Unaddressed => "PROXY UNKNOWN\r\n".to_owned(),
        ProxyHeader::Relayed { source, destination } => {
            // One protocol for both: of addresses of two kinds, the older is written as the newer.
            let (protocol, source_ip, destination_ip) = match (source.ip(), destination.ip()) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    ("TCP4", source.into(), destination.into())
                }
                (source, destination) => ("TCP6", to_v6(source).into(), to_v6(destination).into()),
            };
            let (source_ip, destination_ip): (IpAddr, IpAddr) = (source_ip, destination_ip);
            let (source_port, destination_port) = (source.port(), destination.port());
            format!(
                "PROXY {protocol} {source_ip} {destination_ip} {source_port} {destination_port}\r\n"
            )
        }
    };
    line.into_bytes()
}

/// IPv4 as IPv6 has it.
pub(super) fn to_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_line(line: &str) -> Result<Option<(ProxyHeader, usize)>, ProxyHeaderError> {
        ProxyHeader::decode(line.as_bytes(), 1024)
    }

    #[test]
    fn valid_lines() {
        let cases = [
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                Some("255.255.255.255:65535"),
            ),
            ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Some("192.0.2.7:56324")),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some("0.0.0.0:0")),
            ("PROXY TCP6 2001:DB8::a 2001:db8::B 1 2\r\n", Some("[2001:db8::a]:1")),
            ("PROXY TCP6 :: ::1 1 2\r\n", Some("[::]:1")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Some("[::ffff:192.0.2.1]:1")),
            (
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
            ),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN \r\n", None),
            ("PROXY UNKNOWN who \n knows \r what\r\n", None),
            (
                "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                None,
            ),
        ];
        for (line, expected) in cases {
            let decoded = decode_line(line).expect(line);
            let (header, len) = decoded.expect(line);
            let source = match header {
                ProxyHeader::Relayed { source, .. } => Some(source.to_string()),
                ProxyHeader::Unaddressed => None,
            };
            assert_eq!((source.as_deref(), len), (expected, line.len()), "{line:?}");
        }
    }

    #[test]
    fn invalid_lines() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY unknown\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1  2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
            "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP6 ::1 192.0.2.2 1 2\r\n",
            "PROXY TCP6 1::2::3 ::1 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            "PROXY TCP6 [::1] ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 99999999999999999999\r\n",
            "PROXY TCP4 host.example 192.0.2.2 1 2\r\n",
        ] {
            let decoded = decode_line(line);
            assert!(matches!(decoded, Err(ProxyHeaderError::Line(_))), "{line:?}: {decoded:?}");
        }
        assert!(ProxyHeader::decode(b"PROXY TCP4 \xff\r\n", 1024).is_err());
    }

    #[test]
    fn a_line_ends_within_107_bytes() {
        let line = |len: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(len - 16));
        assert_eq!(decode_line(&line(107)), Ok(Some((ProxyHeader::Unaddressed, 107))));
        assert_eq!(decode_line(&line(108)), Err(ProxyHeaderError::LineTooLong));
        assert_eq!(decode_line(&line(108)[..106]), Ok(None));
        assert_eq!(decode_line(&line(200)[..107]), Err(ProxyHeaderError::LineTooLong));
    }
}
