//! Seeds made of real heads, frames and messages: what a fuzzer begins with.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tickwire::Compression;
use tickwire::protocol::{Limits, Role, Workspace};
use tickwire::proxy_protocol::ProxyHeader;

use super::frames::{Frame, LenForm, ROLES, encode_all};
use super::input::Input;

/// The folder with a target's seeds.
pub(crate) fn seeds_dir(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

/// Writes all seeds anew.
///
/// # Errors
/// What writing fails with.
pub fn write_seeds() -> io::Result<()> {
    for (target, seeds) in all() {
        let dir = seeds_dir(target);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        for (name, bytes) in seeds {
            fs::write(dir.join(name), bytes)?;
        }
    }
    Ok(())
}

type Seeds = Vec<(String, Vec<u8>)>;

/// The targets with their seeds.
fn all() -> [(&'static str, Seeds); 8] {
    [
        ("proxy_header", proxy_headers()),
        ("upgrade_request", heads(&REQUESTS)),
        ("upgrade_response", heads(&RESPONSES)),
        ("frames", frames()),
        ("tungstenite", frames()),
        ("deflate_offer", offers()),
        ("deflate_frames", compressed()),
        ("deflate_messages", messages()),
    ]
}

fn named(kind: &str, inputs: impl IntoIterator<Item = Vec<u8>>) -> Seeds {
    let inputs = inputs.into_iter().enumerate();
    inputs.map(|(i, bytes)| (format!("{kind}-{i:02}"), bytes)).collect()
}

fn heads(heads: &[&str]) -> Seeds {
    named("head", heads.iter().map(|head| Input::encode([0; 4], &[40, 8], head.as_bytes())))
}

const REQUESTS: [&str; 5] = [
    "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
     Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate; \
     client_max_window_bits\r\nCookie: a=1; b=\"2\"\r\n\r\nbehind it",
    "\r\nGET http://[::1]:80/?q HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost:h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    "OPTIONS * HTTP/1.1\r\nhost: a.b:1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "GET /%7e HTTP/1.1\r\nHost: h\r\nA: caf\u{e9}\t\r\nX!#$%&'*+-.^_`|~9: \r\n\r\n",
];

const RESPONSES: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
     \r\n\u{1}",
    "HTTP/1.1 101 \r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n\
     sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
     sec-websocket-extensions: permessage-deflate; server_max_window_bits=\"10\"\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
];

fn proxy_headers() -> Seeds {
    let address = |text: &str| text.parse().expect("an address");
    let relayed = |source, destination| ProxyHeader::Relayed {
        source: address(source),
        destination: address(destination),
    };
    let headers = [
        relayed("192.0.2.7:56324", "198.51.100.1:443"),
        relayed("[2001:db8::7]:1", "[::1]:65535"),
        ProxyHeader::Unaddressed,
    ];
    let mut streams: Vec<_> =
        headers.iter().flat_map(|header| [header.encode_v1(), header.encode_v2()]).collect();
    // A name behind the addresses, and no checksum; a socket's path.
    let mut with_name = headers[0].encode_v2()[..28].to_vec();
    with_name[15] = 12 + 3 + 4;
    with_name.extend_from_slice(b"\x02\x00\x04name");
    let mut unix = headers[0].encode_v2()[..14].to_vec();
    unix[13] = 0x31;
    unix.extend_from_slice(&[0, 216]);
    unix.extend_from_slice(&[b'/'; 216]);
    streams.extend([with_name, unix, b"PROXY UNKNOWN or whatever\r\n".to_vec()]);
    let inputs = streams.into_iter().zip([0, 1].into_iter().cycle());
    let behind = b"GET / HTTP/1.1\r\n";
    named(
        "header",
        inputs.map(|(header, limited)| {
            Input::encode([limited, 250, 0, 0], &[40, 0], &[&header[..], behind].concat())
        }),
    )
}

const OFFERS: [&str; 6] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits=\"8\"",
    "permessage-deflate; server_max_window_bits=16, x; y=1, permessage-deflate",
    "permessage-deflate; client_max_window_bits; server_max_window_bits=10, , \
     permessage-deflate; client_max_window_bits",
];

fn offers() -> Seeds {
    let choices = [[15, 15, 12, 0x77], [0, 0, 3, 0], [10, 12, 15, 0x21]];
    named(
        "offer",
        OFFERS
            .iter()
            .zip(choices.iter().cycle())
            .map(|(offer, choices)| Input::encode(*choices, &[], offer.as_bytes())),
    )
}

/// Streams of each kind of frame, right and wrong, for each role.
fn frames() -> Seeds {
    let text = "caf\u{e9} \u{20ac} \u{1f600}";
    let long = "0123456789".repeat(20);
    let streams = [
        vec![Frame::text(text).key([0; 4]), Frame::binary([0, 1, 255]), Frame::close(1000, "bye")],
        vec![
            Frame::text(&text.as_bytes()[..4]).more(),
            Frame::ping("between"),
            Frame::continuation(&text.as_bytes()[4..7]).more(),
            Frame::continuation("").more(),
            Frame::pong(""),
            Frame::continuation(&text.as_bytes()[7..]),
        ],
        vec![Frame::binary(&long), Frame::text(&long).key([0; 4]), Frame::raw_close("")],
        vec![Frame::binary(&long).more(), Frame::continuation(&long), Frame::close(4000, text)],
        vec![Frame::text("\u{1f600}").key([1, 0, 0, 0]), Frame::new(3, "reserved")],
        vec![Frame::text("long form").len_form(LenForm::Extended16), Frame::ping("x").more()],
        vec![Frame::binary("").announcing(1 << 62).len_form(LenForm::Extended64)],
        vec![Frame::ping(&long), Frame::binary("rsv").rsv(0x40), Frame::close(1005, "")],
        vec![Frame::text([0xc3, 0x28]).key([0; 4]), Frame::continuation("nothing to continue")],
        vec![Frame::text("first").more(), Frame::text("second"), Frame::raw_close([3])],
    ];
    let cuts: [&[u8]; 4] = [&[], &[0], &[9, 2, 35], &[7, 255]];
    let mut inputs = Vec::new();
    for (i, stream) in streams.iter().enumerate() {
        for (kind, role) in ROLES.into_iter().enumerate() {
            let choices = [kind as u8 | (i as u8 & 2), i as u8, 10, 0];
            inputs.push(Input::encode(choices, cuts[i % cuts.len()], &encode_all(role, stream)));
        }
    }
    named("stream", inputs)
}

/// Compressed messages, framed and bare; and some that are no such thing.
fn compressed() -> Seeds {
    let mut workspace =
        Workspace::new(Role::Server, Limits::default()).with_compression(Compression::shared());
    let mut deflate = |message: &str| {
        workspace.deflate_alone(message.as_bytes()).map(<[u8]>::to_vec).unwrap_or_default()
    };
    let (hello, numbers) = (deflate(&"hello ".repeat(9)), deflate(&"0123456789".repeat(60)));
    let messages: [&[u8]; 8] = [
        &hello,
        &numbers,
        // RFC 7692 §7.2.3: with and without a last block, stored, and in two blocks.
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        // Refers to the one before.
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        &[0x00],
    ];
    let mut inputs = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let (first, second) = message.split_at(message.len() / 2);
        let stream = [
            Frame::text(messages[2]).rsv(0x40),
            Frame::binary(message).rsv(0x40).key([0; 4]),
            Frame::ping("x"),
            Frame::binary(first).rsv(0x40).more(),
            Frame::continuation(second),
            Frame::text("plain"),
        ];
        for (kind, role) in ROLES.into_iter().enumerate() {
            let choices = [kind as u8, 4 + i as u8, 8 + i as u8, 0];
            inputs.push(Input::encode(choices, &[35, 8], &encode_all(role, &stream)));
        }
        let cuts: Vec<u8> = [*message, messages[2], message]
            .iter()
            .map(|message| (message.len() - 1).min(63) as u8)
            .map(|cut| cut << 2)
            .collect();
        let bare = [*message, messages[2], message].concat();
        inputs.push(Input::encode([2, i as u8, 7 + i as u8, 0], &cuts, &bare));
    }
    named("stream", inputs)
}

fn messages() -> Seeds {
    let text = "{\"symbol\":\"ABC\",\"price\":101.25} ".repeat(6);
    let choices = [[0, 15, 0, 0], [1, 7, 5, 3], [138, 8, 0, 6], [0, 9, 200, 9], [17, 0, 1, 2]];
    let cuts: [&[u8]; 2] = [&[0x84, 0x10, 0xfc], &[0xfc]];
    named(
        "talk",
        choices
            .iter()
            .zip(cuts.iter().cycle())
            .map(|(choices, cuts)| Input::encode(*choices, cuts, text.as_bytes())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::TARGETS;

    #[test]
    fn every_target_takes_its_seeds() {
        for (name, target) in TARGETS {
            let seeds = fs::read_dir(seeds_dir(name)).expect("a folder of seeds");
            let mut count = 0;
            for seed in seeds {
                target(&fs::read(seed.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 0, "{name} has no seeds");
        }
    }

    #[test]
    fn the_seeds_are_those_that_are_made_here() {
        for (target, seeds) in all() {
            for (name, bytes) in seeds {
                let file = seeds_dir(target).join(name);
                let held = fs::read(&file).unwrap_or_default();
                assert!(held == bytes, "{}: run `cargo run --bin seeds`", file.display());
            }
        }
    }
}
