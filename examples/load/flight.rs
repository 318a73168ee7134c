//! The messages of one connection that are due or under way, and what a reply means for them.

use std::collections::VecDeque;

use tickwire::protocol::Message;

use crate::clock::Nanos;
use crate::template::{Content, Template};

/// Replies must come in the order of the messages: those that are missing when a later one comes are
/// remembered, to tell the late from the lost.
#[derive(Debug)]
pub(crate) struct Flight {
    connection: u32,
    /// When each message was meant to be sent, of those without a reply, the oldest first. The first
    /// ones of them are under way, the others are due.
    intended: VecDeque<Nanos>,
    /// The number of the oldest message without a reply.
    expected: u64,
    /// The number of the next message that will be under way.
    next: u64,
    /// Numbers of messages whose replies are missing while later ones have come.
    overtaken: Vec<u64>,
}

/// What a message that came is to the flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The reply that had to come, to a message that was meant to be sent then.
    InOrder { intended: Nanos },
    /// A later message's reply: those to `overtaken` messages before it are missing.
    Ahead { intended: Nanos, overtaken: u64 },
    /// One that was missing.
    Late,
    /// One that has come before.
    Repeated,
    /// Another connection's.
    Foreign { connection: u32 },
    /// Nothing that was sent. If a reply had to come, this stands for it.
    Altered,
}

impl Flight {
    pub(crate) fn new(connection: u32) -> Self {
        let (intended, overtaken) = (VecDeque::new(), Vec::new());
        Self { connection, intended, expected: 0, next: 0, overtaken }
    }

    /// One more message, to be sent now that was meant to be sent `at`.
    #[inline]
    pub(crate) fn add_due(&mut self, at: Nanos) {
        self.intended.push_back(at);
    }

    /// Encodes the next message that is due; says whether there was one.
    #[inline]
    pub(crate) fn encode_due(&mut self, out: &mut Vec<u8>, template: &Template) -> bool {
        let is_due = self.due_count() > 0;
        if is_due {
            template.append(out, self.connection, self.next);
            self.next += 1;
        }
        is_due
    }

    /// Messages without a reply, whether sent or due.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.intended.len()
    }

    /// Messages that are due and not encoded.
    #[inline]
    pub(crate) fn due_count(&self) -> u64 {
        self.intended.len() as u64 - (self.next - self.expected)
    }

    /// What is due is not sent any more. Returns how many messages that were.
    pub(crate) fn drop_due(&mut self) -> u64 {
        let count = self.due_count();
        self.intended.truncate((self.next - self.expected) as usize);
        count
    }

    /// Messages that were sent and never answered, as it looks by now.
    pub(crate) fn lost_count(&self) -> u64 {
        self.next - self.expected + self.overtaken.len() as u64
    }

    /// The number of the message whose reply comes next.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// Takes a message that came.
    #[inline]
    pub(crate) fn take(&mut self, message: Message<'_>, template: &Template) -> Reply {
        match template.check(message, self.connection, self.expected) {
            Content::Expected if self.expected < self.next => {
                Reply::InOrder { intended: self.answer() }
            }
            other => self.take_unexpected(other),
        }
    }

    #[cold]
    fn take_unexpected(&mut self, content: Content) -> Reply {
        let under_way = (self.next - self.expected) as i64;
        match content {
            Content::Foreign { connection } => Reply::Foreign { connection },
            Content::Apart(distance) if (1..under_way).contains(&distance) => {
                for _ in 0..distance {
                    self.overtaken.push(self.expected);
                    self.answer();
                }
                Reply::Ahead { intended: self.answer(), overtaken: distance as u64 }
            }
            Content::Apart(distance) if distance < 0 => {
                let number = self.expected.checked_add_signed(distance);
                match self.overtaken.iter().position(|&missing| Some(missing) == number) {
                    Some(at) => {
                        self.overtaken.swap_remove(at);
                        Reply::Late
                    }
                    None => Reply::Repeated,
                }
            }
            // Also a message before it was sent.
            Content::Expected | Content::Apart(_) | Content::Altered => {
                if under_way > 0 {
                    self.answer();
                }
                Reply::Altered
            }
        }
    }

    /// The oldest message has its reply: when was it meant to be sent?
    #[inline]
    fn answer(&mut self) -> Nanos {
        self.expected += 1;
        self.intended.pop_front().expect("a message under way has a time")
    }
}

#[cfg(test)]
mod tests {
    use tickwire::frame::OpCode;
    use tickwire::mask::apply_mask;

    use super::*;

    /// A flight whose messages come back as the test says.
    struct Echo {
        template: Template,
        flight: Flight,
        /// The payloads that were sent.
        sent: Vec<Vec<u8>>,
    }

    impl Echo {
        /// `count` messages under way, meant to be sent at 100, 101 and so on.
        fn with(count: u64) -> Self {
            let template = Template::new(OpCode::Binary, 20);
            let (flight, sent) = (Flight::new(3), Vec::new());
            let mut echo = Self { template, flight, sent };
            for at in 0..count {
                echo.flight.add_due(100 + at);
                let mut frame = Vec::new();
                assert!(echo.flight.encode_due(&mut frame, &echo.template));
                assert!(!echo.flight.encode_due(&mut frame, &echo.template), "no other is due");
                let key = *frame[2..].first_chunk().unwrap();
                apply_mask(&mut frame[6..], key);
                echo.sent.push(frame.split_off(6));
            }
            echo
        }

        fn reply(&mut self, number: usize) -> Reply {
            self.flight.take(Message::Binary(&self.sent[number]), &self.template)
        }
    }

    #[test]
    fn replies_in_order_tell_when_each_message_was_meant_to_be_sent() {
        let mut echo = Echo::with(3);
        for number in 0..3 {
            assert_eq!(echo.reply(number), Reply::InOrder { intended: 100 + number as u64 });
        }
        assert_eq!((echo.flight.len(), echo.flight.lost_count()), (0, 0));
    }

    #[test]
    fn what_is_overtaken_is_lost_until_it_comes_late() {
        let mut echo = Echo::with(5);
        assert_eq!(echo.reply(2), Reply::Ahead { intended: 102, overtaken: 2 });
        assert_eq!((echo.flight.len(), echo.flight.lost_count()), (2, 4));
        assert_eq!(echo.reply(3), Reply::InOrder { intended: 103 });
        assert_eq!(echo.reply(1), Reply::Late);
        assert_eq!(echo.reply(1), Reply::Repeated);
        assert_eq!(echo.reply(3), Reply::Repeated);
        assert_eq!(echo.reply(4), Reply::InOrder { intended: 104 });
        assert_eq!(echo.flight.lost_count(), 1, "0 never came");
    }

    #[test]
    fn an_altered_reply_stands_for_the_one_that_had_to_come() {
        let mut echo = Echo::with(2);
        echo.sent[0][19] ^= 1;
        assert_eq!(echo.reply(0), Reply::Altered);
        assert_eq!(echo.reply(1), Reply::InOrder { intended: 101 });
        assert_eq!(echo.reply(0), Reply::Altered, "and nothing had to come");
        assert_eq!((echo.flight.len(), echo.flight.lost_count()), (0, 0));
    }

    #[test]
    fn a_message_that_was_not_sent_yet_is_no_reply() {
        let mut echo = Echo::with(3);
        let mut early = Echo::with(2);
        (early.template, early.sent) = (echo.template, std::mem::take(&mut echo.sent));
        assert_eq!(early.reply(2), Reply::Altered);
        assert_eq!(early.reply(1), Reply::InOrder { intended: 101 });
        assert_eq!(early.reply(2), Reply::Altered);
    }

    #[test]
    fn what_is_due_can_be_dropped_and_what_is_under_way_cannot() {
        let mut echo = Echo::with(2);
        echo.flight.add_due(200);
        echo.flight.add_due(201);
        assert_eq!((echo.flight.len(), echo.flight.due_count()), (4, 2));
        assert_eq!(echo.flight.drop_due(), 2);
        assert_eq!((echo.flight.len(), echo.flight.due_count()), (2, 0));
        assert_eq!(echo.reply(0), Reply::InOrder { intended: 100 });
        assert_eq!(echo.flight.lost_count(), 1);
    }
}
