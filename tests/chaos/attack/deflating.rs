//! Attackers that agreed to compression.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use flate2::write::DeflateEncoder;
use tickwire::frame::{OpCode, encode_compressed_frame};

use super::floods::flood_and_read;
use super::ground::Ground;
use super::{Answer, Attack};
use crate::settings::{MAX_MESSAGE_LEN, Reach};

const PAUSE: Duration = Duration::from_millis(50);
const COUNT: usize = 6;

pub(super) const ATTACKS: [Attack; 5] = [
    Attack {
        name: "compression bomb",
        count: COUNT,
        reach: Reach::Deflated,
        run: |ground| send(ground, bomb()),
        pause: PAUSE,
        answers: &["close 1009"],
    },
    Attack {
        name: "compressed message of ends",
        count: COUNT,
        reach: Reach::Deflated,
        run: |ground| send(ground, &ends()),
        pause: PAUSE,
        answers: &["close 1008"],
    },
    Attack {
        name: "compressed message of tables",
        count: COUNT,
        reach: Reach::Deflated,
        run: |ground| send(ground, &TABLES.repeat(MAX_MESSAGE_LEN / TABLES.len())),
        pause: PAUSE,
        answers: &["close 1008"],
    },
    Attack {
        name: "compressed garbage",
        count: COUNT,
        reach: Reach::Deflated,
        run: |ground| {
            let noise: Vec<u8> = (0..fastrand::usize(50..5000)).map(|_| fastrand::u8(..)).collect();
            // A block of the type that there is not (RFC 1951 §3.2.3).
            send(ground, &[&[0x07], &noise[..]].concat())
        },
        pause: PAUSE,
        answers: &["close 1007"],
    },
    Attack {
        name: "compressed message flood",
        count: 2,
        reach: Reach::Deflated,
        run: flood,
        pause: Duration::from_secs(1),
        answers: &["close 1008"],
    },
];

fn send(ground: &Ground, payload: &[u8]) -> Result<Answer, Answer> {
    let dial = ground.dial("/").deflate(tickwire::deflate::Params::default());
    let mut client = ground.open_by(&dial)?;
    let mut frame = Vec::new();
    encode_compressed_frame(&mut frame, true, OpCode::Binary, Some([1, 2, 3, 4]), payload);
    let _ = client.try_send_raw(&frame);
    Ok(ground.answer(&mut client))
}

/// Little comes, and much is made of it.
fn flood(ground: &Ground) -> Result<Answer, Answer> {
    let dial = ground.dial("/").deflate(tickwire::deflate::Params::default());
    let client = ground.open_by(&dial)?;
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&[0; 100_000]).and_then(|()| encoder.flush()).expect("memory");
    // What every message ends with is left out (RFC 7692 §7.2.1).
    let payload = encoder.get_ref().strip_suffix(b"\0\0\xff\xff").expect("a flushed block");
    let mut frame = Vec::new();
    encode_compressed_frame(&mut frame, true, OpCode::Binary, Some([1, 2, 3, 4]), payload);
    Ok(flood_and_read(ground, client, &frame.repeat(10)))
}

/// As much as can be referred to, and then nothing but last blocks: behind each of them it is there anew.
fn ends() -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&[0; 32 << 10]).and_then(|()| encoder.flush()).expect("memory");
    let mut ends = encoder.get_ref().clone();
    ends.extend(b"\x03\x00".repeat(20_000));
    ends
}

/// A block of tables for all symbols and nothing else, and an empty one that fills it up to whole bytes: they
/// take much time, and nothing comes of it.
const TABLES: [u8; 34] = [
    0xec, 0x1d, 0x03, 0x60, 0x18, 0x30, 0x6c, 0xb6, 0x6d, 0xdb, 0xb6, 0x6d, 0xdb, 0xb6, 0x6d, 0xdb,
    0xb6, 0x6d, 0xdb, 0xb6, 0x6d, 0xdc, 0xb6, 0x6d, 0xdb, 0x4c, 0x6a, 0xdb, 0x78, 0x04, 0x00, 0x00,
    0xff, 0xff,
];

/// 8 MiB in 8 KiB.
fn bomb() -> &'static [u8] {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| {
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..8 {
            encoder.write_all(&[0; 1 << 20]).expect("memory");
        }
        encoder.finish().expect("memory")
    })
}
