//! Messages from one endpoint to another, compressed in every way that can be agreed upon: what
//! arrives is what was sent.

use tickwire::deflate::Agreement;
use tickwire::protocol::Role;

use super::traffic::{Way, direction};
use crate::feed::feed_pieces;
use crate::input::Input;

/// Bytes of an input's messages at most: a few short windows, or more than the longest one, which takes
/// a hundred times as long.
const MAX_LEN: usize = 3 * 1024;
const MAX_LEN_OF_LONG: usize = 40 * 1024;

/// Messages of an input at most: what gets no shorter costs a compressor its memory each time.
const MAX_COUNT: usize = 30;

/// Choices: the role, the level, and whether there is much of it; how it compresses; the length of
/// fragments, or none; how long messages are made. The lengths of the cuts are those of the messages, too.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let [kind, sends, fragment, repeat] = input.choices;
    let sender = if kind & 1 == 0 { Role::Server } else { Role::Client };
    let max_len = if kind & 0x80 == 0 { MAX_LEN } else { MAX_LEN_OF_LONG };
    let agreement = Agreement { server: direction(sends), client: direction(sends) };
    let mut way = Way::new(sender, &agreement, &agreement, 1 + (kind >> 1) % 8);
    let fragment_len = if fragment == 0 { usize::MAX } else { usize::from(fragment) };

    let (mut rest, mut sent_len) = (input.stream, 0);
    for (i, len) in input.lengths().take(MAX_COUNT).enumerate() {
        if rest.is_empty() || sent_len > max_len {
            break;
        }
        let (message, behind) = rest.split_at(len.min(rest.len()));
        rest = behind;
        // Long enough, now and then, to fill windows of every length.
        let mut message = message.repeat(1 << (usize::from(repeat).wrapping_add(i) % 10));
        message.truncate(max_len);
        sent_len += message.len();
        // The stream itself says what is done with its messages.
        match message[0] & 7 {
            0 if sender == Role::Server => way.send_shared(&message),
            1 => {
                way.rest();
                way.send(&message, fragment_len);
            }
            _ => way.send(&message, fragment_len),
        }
    }
    way.check(|receiver, wire| feed_pieces(receiver, &input, wire));
}
