//! What an endpoint sends because of what it has received, brought to the other side.

use tickwire::frame::{CloseCode, OpCode, encode_frame};
use tickwire::protocol::{Limits, Role};

use crate::receiver::{Receiver, Seen};

const KEY: [u8; 4] = [9, 8, 7, 6];

/// Answers all that `receiver`, which is of `role`, has seen, as an engine does: pings with pongs,
/// a close frame with its code, a failure with the code that explains it. The other side must take
/// each answer for what it is.
pub(crate) fn check(role: Role, receiver: &mut Receiver) {
    let other = if role == Role::Server { Role::Client } else { Role::Server };
    let key = (role == Role::Client).then_some(KEY);
    let mut peer = Receiver::new(other, Limits::default());
    let mut expected = Vec::new();
    for seen in receiver.seen.clone() {
        match seen {
            Seen::Ping(payload) => {
                let mut pong = Vec::new();
                encode_frame(&mut pong, true, OpCode::Pong, key, &payload);
                peer.feed(&pong);
                expected.push(Seen::Pong(payload));
            }
            Seen::Close(code, _) if !receiver.endpoint.is_close_sent() => {
                peer.feed(&receiver.close(code, "", key));
                expected.push(Seen::close(code, ""));
            }
            _ => {}
        }
    }
    if let Some(failure) = receiver.failure {
        assert!(receiver.endpoint.is_input_ended());
        if !receiver.endpoint.is_close_sent() {
            let code = failure.close_code();
            assert!(code.is_sendable() && code != CloseCode::NORMAL);
            let reason = failure.to_string();
            peer.feed(&receiver.close(code.to_u16(), &reason, key));
            expected.push(Seen::close(code.to_u16(), &reason));
        }
    }
    assert_eq!(peer.failure, None, "an answer is not in order");
    assert_eq!(peer.seen, expected);
    assert!(receiver.close(1000, "", key).is_empty() || !receiver.endpoint.is_input_ended());
}
