//! The codec against the RFC's examples, against itself, and against plain streams as an oracle.

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;

use super::*;
use crate::buf::ReceiveBuffer;

const LIMIT: usize = 1 << 20;

fn inflate(compressed: &[u8], window: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = ReceiveBuffer::default();
    Decompressor::new().decompress(compressed, window, limit, &mut out)?;
    Ok(out.into_vec())
}

/// What a stream that lives as long as the connection makes of the messages, fed and emptied in small
/// pieces so that no reference reaches beyond its window.
struct Oracle(Decompress);

impl Oracle {
    fn new(bits: u8) -> Self {
        Self(Decompress::new_with_window_bits(false, bits.max(9)))
    }

    fn inflate(&mut self, compressed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let input = [compressed, &[0, 0, 0xff, 0xff]].concat();
        let mut at = 0;
        loop {
            let mut piece = [0; 16];
            let (before_in, before_out) = (self.0.total_in(), self.0.total_out());
            self.0.decompress(&input[at..], &mut piece, FlushDecompress::Sync).unwrap();
            at += (self.0.total_in() - before_in) as usize;
            let len = (self.0.total_out() - before_out) as usize;
            out.extend_from_slice(&piece[..len]);
            if at == input.len() && len < piece.len() {
                return out;
            }
        }
    }
}

fn compress(compressor: &mut Compressor, alone: bool, message: &[u8]) -> Option<Vec<u8>> {
    let mut out = ReceiveBuffer::default();
    let compressed = if alone {
        compressor.compress_alone(message, &mut out)
    } else {
        compressor.compress_on(message, &mut out)
    };
    compressed.map(<[u8]>::to_vec)
}

fn keep(window: &mut Vec<u8>, message: &[u8], bits: WindowBits) {
    window.extend_from_slice(message);
    let surplus = window.len().saturating_sub(bits.window_len());
    window.drain(..surplus);
}

#[test]
fn the_examples_of_the_rfc() {
    let hello: &[(&[u8], &[u8])] = &[
        // §7.2.3.1, and §7.2.3.2: the second one refers to the first.
        (b"\xf2\x48\xcd\xc9\xc9\x07\x00", b""),
        (b"\xf2\x00\x11\x00\x00", b"Hello"),
        // §7.2.3.3: a block without compression.
        (b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", b""),
        // §7.2.3.4: a last block.
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", b""),
        // §7.2.3.5: two blocks.
        (b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", b""),
    ];
    for (compressed, window) in hello {
        assert_eq!(inflate(compressed, window, LIMIT).unwrap(), b"Hello", "{compressed:x?}");
    }
    // §7.2.3.6.
    assert_eq!(inflate(b"\x00", b"", LIMIT).unwrap(), b"");
}

#[test]
fn what_is_cut_off_or_no_deflate_data_is_corrupt() {
    let message = b"Hello, Hello, Hello, world and what else there is of it".repeat(9);
    let whole = compress(&mut Compressor::new(6, WindowBits::MAX), true, &message).unwrap();
    assert_eq!(inflate(&whole, b"", LIMIT).unwrap(), message);
    for cut in 0..whole.len() {
        assert_eq!(inflate(&whole[..cut], b"", LIMIT), Err(InflateError::Corrupt), "{cut}");
    }
    for wrong in [&b"\x06"[..], b"\xff\xff\xff", b"\x00\x05\x00\x00\x00Hello", b"plain text"] {
        assert_eq!(inflate(wrong, b"", LIMIT), Err(InflateError::Corrupt), "{wrong:x?}");
    }
    // The second example of §7.2.3.2 without its first.
    assert_eq!(inflate(b"\xf2\x00\x11\x00\x00", b"", LIMIT), Err(InflateError::Corrupt));
}

/// Its last block goes on where the message ends, and what was put behind it went on as symbols.
#[test]
fn a_cut_off_block_does_not_end_in_made_up_symbols() {
    let cut = [&[0x5b; 21][..], &[0xf2, 0x64]].concat();
    assert_eq!(inflate(&cut, b"", LIMIT), Err(InflateError::Corrupt));
    // Also where there is no room for them.
    for limit in 0..150 {
        assert!(inflate(&cut, b"", limit).is_err(), "{limit}");
    }
}

#[test]
fn the_last_block_may_be_the_one_whose_end_was_taken_off() {
    assert_eq!(inflate(&[0x01], b"", LIMIT).unwrap(), b"");
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07];
    for header in [0x00, 0x01 << 2] {
        let message = [&hello[..], &[header]].concat();
        assert_eq!(inflate(&message, b"", LIMIT).unwrap(), b"Hello", "{header}");
    }
}

#[test]
fn last_blocks_may_come_anywhere_and_what_follows_refers_to_what_was_before() {
    let mut compressed = Vec::new();
    let mut message = Vec::new();
    for piece in [&b"one piece of text"[..], b"another piece of text", b"and one piece more"] {
        let mut stream = Compress::new(Level::best(), false);
        if !message.is_empty() {
            stream.set_dictionary(&message).unwrap();
        }
        let mut out = Vec::with_capacity(100);
        stream.compress_vec(piece, &mut out, FlushCompress::Finish).unwrap();
        compressed.extend_from_slice(&out);
        message.extend_from_slice(piece);
    }
    let window = b"what came before";
    assert_eq!(inflate(&compressed, window, LIMIT).unwrap(), message, "without padding");
    compressed.push(0);
    assert_eq!(inflate(&compressed, window, LIMIT).unwrap(), message);
}

/// An empty last block of two bytes makes the decompressor copy the whole window.
#[test]
fn last_blocks_are_no_more_than_a_message_may_go_on_behind() {
    let most = 64 + LIMIT / 8192;
    let message = |ends| [&b"\x03\x00".repeat(ends)[..], b"\x00"].concat();
    assert_eq!(inflate(&message(most), b"window", LIMIT).unwrap(), b"");
    for ends in [most + 1, most + 2, 100_000] {
        let result = inflate(&message(ends), b"window", LIMIT);
        assert_eq!(result, Err(InflateError::TooManyEnds { limit: most }), "{ends}");
    }
}

/// A block of tables for all symbols and nothing else, and an empty one that fills it up to whole bytes.
const TABLES: [u8; 34] = [
    0xec, 0x1d, 0x03, 0x60, 0x18, 0x30, 0x6c, 0xb6, 0x6d, 0xdb, 0xb6, 0x6d, 0xdb, 0xb6, 0x6d, 0xdb,
    0xb6, 0x6d, 0xdb, 0xb6, 0x6d, 0xdc, 0xb6, 0x6d, 0xdb, 0x4c, 0x6a, 0xdb, 0x78, 0x04, 0x00, 0x00,
    0xff, 0xff,
];

/// Four blocks of fixed codes that hold nothing.
const FIXED: [u8; 5] = [0x02, 0x08, 0x20, 0x80, 0x00];

fn effort(compressed: &[u8]) -> u64 {
    let mut out = ReceiveBuffer::default();
    Decompressor::new().decompress(compressed, b"", LIMIT, &mut out).unwrap()
}

/// To make such tables takes as much time as it does to inflate 4 KiB.
#[test]
fn blocks_that_hold_nothing_count_as_what_takes_as_much_time() {
    let message = |blocks: &[u8], count| [&blocks.repeat(count)[..], b"\x00"].concat();
    assert!(effort(&message(&TABLES, 1000)) >= 1000 * 4096);
    // A byte of them stands for no more than 128.
    assert_eq!(effort(&message(&FIXED, 1000)), 5001 * 128);
    assert_eq!(effort(&message(b"\x00\x00\x00\xff\xff", 1000)), 5001 * 128);
    assert!(effort(&message(b"\x03\x00", 100)) >= 100 * 2048);
}

#[test]
fn an_ordinary_message_counts_as_it_is_long() {
    for len in [0, 1, 100, 1000, 4096, 100_000] {
        let message = b"an ordinary message, ".repeat(len / 21 + 1);
        let mut compressor = Compressor::new(3, WindowBits::MAX);
        let compressed = compress(&mut compressor, true, &message[..len]);
        let compressed =
            compressed.unwrap_or_else(|| [b"\x00\x01\x00\xfe\xffx".repeat(len), vec![0]].concat());
        assert_eq!(effort(&compressed), len as u64);
    }
}

#[test]
fn blocks_are_no_more_than_a_message_may_be_made_of() {
    let most = 1024 + LIMIT / 127;
    for (blocks, count) in [(&TABLES[..], 2), (&FIXED, 4), (b"\x00\x00\x00\xff\xff", 1)] {
        let message = |most: usize| [&blocks.repeat(most / count)[..], b"\x00"].concat();
        assert_eq!(inflate(&message(most - count), b"", LIMIT).unwrap(), b"");
        for too_many in [most + count, 100_000] {
            let result = inflate(&message(too_many), b"", LIMIT);
            assert_eq!(result, Err(InflateError::TooManyBlocks { limit: most }), "{blocks:x?}");
        }
    }
}

/// A server would be at them for longer than at any ordinary message.
#[test]
fn of_strangers_there_are_fewer_blocks_with_tables() {
    let most = 64 + LIMIT / 4096;
    let inflate = |count: usize| {
        let mut out = ReceiveBuffer::default();
        let message = [&TABLES.repeat(count)[..], b"\x00"].concat();
        Decompressor::for_strangers().decompress(&message, b"", LIMIT, &mut out)
    };
    assert!(inflate(most - 1).is_ok());
    assert_eq!(inflate(most + 1), Err(InflateError::TooManyBlocks { limit: most }));
    // Those of a sender that flushes often have none.
    let message = [&b"\x00\x00\x00\xff\xff".repeat(1000)[..], b"\x00"].concat();
    let mut out = ReceiveBuffer::default();
    assert!(Decompressor::for_strangers().decompress(&message, b"", LIMIT, &mut out).is_ok());
}

/// Its blocks are as short as zlib makes them, and end wherever there is no more room for what they hold.
#[test]
fn what_a_sender_with_little_memory_sends_is_understood() {
    let config = zlib_rs::DeflateConfig { window_bits: -15, mem_level: 1, ..Default::default() };
    let mut random = 1_u32;
    for len in (4000..4400).chain([8000, LIMIT]) {
        let mut next = || {
            random = random.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            (random >> 24) as u8 & 0x3f
        };
        let message: Vec<u8> = (0..len).map(|_| next()).collect();
        let (mut stream, mut compressed) =
            (zlib_rs::Deflate::new_with_config(config), vec![0; 2 * len]);
        stream.compress(&message, &mut compressed, zlib_rs::DeflateFlush::SyncFlush).unwrap();
        compressed.truncate(stream.total_out() as usize - 4);
        assert!(inflate(&compressed, b"", len).unwrap() == message, "{len}");
    }
}

#[test]
fn inflating_ends_at_the_limit() {
    for len in [1, 1000, 4096, 4097, 100_000] {
        let message = vec![b'x'; len];
        let mut compressor = Compressor::new(9, WindowBits::MAX);
        let compressed = compress(&mut compressor, true, &message)
            .unwrap_or_else(|| b"\x00\x01\x00\xfe\xffx\x00".to_vec());
        assert_eq!(inflate(&compressed, b"", len).unwrap(), message, "as long as the limit");
        assert_eq!(
            inflate(&compressed, b"", len - 1),
            Err(InflateError::TooBig { limit: len - 1 })
        );
    }
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let mut stream = Compress::new(Level::best(), false);
    let (zeros, mut bomb) = (vec![0; 64 << 20], Vec::with_capacity(1 << 20));
    stream.compress_vec(&zeros, &mut bomb, FlushCompress::Sync).unwrap();
    assert!(bomb.len() < zeros.len() / 900);
    let mut out = ReceiveBuffer::default();
    let result = Decompressor::new().decompress(&bomb, b"", 10_000, &mut out);
    assert_eq!(result, Err(InflateError::TooBig { limit: 10_000 }));
    assert_eq!(out.len(), 10_000);
    assert!(out.into_vec().capacity() < 2 * 10_000);
}

#[test]
fn what_gets_no_shorter_is_not_compressed_and_not_referred_to() {
    let noise: Vec<u8> =
        (0..400_u32).flat_map(|i| i.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    let text = b"text text text text text text text text text text".repeat(3);
    let mut compressor = Compressor::new(6, WindowBits::MAX);
    assert_eq!(compress(&mut compressor, false, b""), None);
    let (first, _) = (compress(&mut compressor, false, &text).unwrap(), ());
    assert!(compress(&mut compressor, false, &text).unwrap().len() < first.len(), "it refers back");
    assert_eq!(compress(&mut compressor, false, &noise), None);
    let after = compress(&mut compressor, false, &text).unwrap();
    assert_eq!(inflate(&after, b"", LIMIT).unwrap(), text, "it refers to itself alone");
}

fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let noise = prop::collection::vec(any::<u8>(), 0..2000);
    let text = (1_usize..40, "[a-d]{1,60}").prop_map(|(n, word)| word.repeat(n).into_bytes());
    let far = (200_usize..3000, any::<u8>()).prop_map(|(len, seed)| {
        // The same again at all distances, some beyond short windows.
        let unit: Vec<u8> =
            (0..len).map(|i| (i as u8).wrapping_mul(seed) ^ (i >> 8) as u8).collect();
        unit.repeat(3)
    });
    prop::collection::vec(prop_oneof![noise, text, far], 1..8)
}

proptest! {
    /// All combinations of context and window, by this codec both ways.
    #[test]
    fn messages_come_back(
        messages in messages(), bits in 8_u8..=15, level in 1_u8..=9, alone: bool,
    ) {
        let bits = WindowBits::new(bits).unwrap();
        let mut compressor = Compressor::new(level, bits);
        let mut window = Vec::new();
        for message in &messages {
            match compress(&mut compressor, alone, message) {
                Some(compressed) => {
                    prop_assert_eq!(&inflate(&compressed, &window, LIMIT).unwrap(), message);
                    if !alone {
                        keep(&mut window, message, bits);
                    }
                }
                None => window.clear(),
            }
        }
    }

    /// A receiver with a window of just so many bits understands what is sent.
    #[test]
    fn a_stream_decoder_understands_what_is_sent(
        messages in messages(), bits in 8_u8..=15, level in 1_u8..=9, alone: bool,
    ) {
        let mut compressor = Compressor::new(level, WindowBits::new(bits).unwrap());
        let mut oracle = Oracle::new(bits);
        for message in &messages {
            if let Some(compressed) = compress(&mut compressor, alone, message) {
                prop_assert_eq!(&oracle.inflate(&compressed), message);
            }
        }
    }

    #[test]
    fn what_a_stream_encoder_sends_is_understood(
        messages in messages(), bits in 9_u8..=15, level in 0_u32..=9, resets: bool,
    ) {
        let mut stream = Compress::new_with_window_bits(Level::new(level), false, bits);
        let mut window = Vec::new();
        for message in &messages {
            let mut compressed = Vec::with_capacity(message.len() + message.len() / 8 + 100);
            stream.compress_vec(message, &mut compressed, FlushCompress::Sync).unwrap();
            if message.is_empty() {
                compressed = vec![0];
            } else {
                compressed.truncate(compressed.len() - 4);
            }
            prop_assert_eq!(&inflate(&compressed, &window, LIMIT).unwrap(), message);
            keep(&mut window, message, WindowBits::new(bits).unwrap());
            if resets {
                stream.reset();
                window.clear();
            }
        }
    }

    /// No input panics, and none makes more of itself than the limit.
    #[test]
    fn any_input_ends_within_the_limit(
        input in prop::collection::vec(any::<u8>(), 0..300),
        window in prop::collection::vec(any::<u8>(), 0..300),
        limit in 1_usize..5000,
    ) {
        let mut out = ReceiveBuffer::default();
        let _ = Decompressor::new().decompress(&input, &window, limit, &mut out);
        prop_assert!(out.len() <= limit);
    }

    /// For a window of 8 bits no reference is longer than 256 bytes, though zlib has no such window.
    #[test]
    fn a_window_of_8_bits_is_kept(
        unit in prop::collection::vec(any::<u8>(), 200..300), level in 1_u8..=9,
    ) {
        let message = unit.repeat(5);
        let mut compressor = Compressor::new(level, WindowBits::MIN);
        let Some(compressed) = compress(&mut compressor, true, &message) else { return Ok(()) };
        // A decoder that forgets all but the last 256 bytes: by one byte of output at a time.
        let mut stream = zlib_rs::Inflate::new(false, 8);
        let (mut out, mut at) = (Vec::new(), 0);
        while out.len() < message.len() {
            let mut byte = [0];
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            stream.decompress(&compressed[at..], &mut byte, zlib_rs::InflateFlush::SyncFlush).unwrap();
            at += (stream.total_in() - before_in) as usize;
            prop_assert!(stream.total_out() > before_out || at < compressed.len());
            out.extend_from_slice(&byte[..(stream.total_out() - before_out) as usize]);
        }
        prop_assert_eq!(out, message);
    }
}
