//! One strict pass over the bytes of a head, made as they arrive.
//!
//! It finds where the head ends, and refuses what a tolerant parser would repair: two parsers that
//! repair differently are how requests are smuggled past a proxy (RFC 9112 §11.2). It keeps its
//! place between calls, so that a head of n bytes costs n steps however many pieces it comes in,
//! and it judges bytes strictly in order, so that the pieces never change the verdict.

use super::error::HandshakeError;
use super::limits::HeadLimits;
use super::token::is_token_byte;

/// Longest method that is waited for, in bytes; the longest registered one has 17.
const MAX_METHOD_LEN: usize = 32;

/// What every status line begins with that this module can read.
const STATUS_LINE_START: &[u8] = b"HTTP/1.";

/// Which kind of first line a head has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadKind {
    Request,
    Response,
}

/// A complete head within the bytes that were scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadSpan {
    /// Offset of the first line: behind the empty line that may precede a request.
    pub(super) start: usize,
    /// Offset behind the head's last byte.
    pub(super) end: usize,
    pub(super) header_count: usize,
}

/// The place in a head up to which its bytes have been judged.
#[derive(Clone, Debug)]
pub(super) struct HeadScanner {
    kind: HeadKind,
    state: State,
    /// Offset of the next byte to judge: every byte before it was found good.
    position: usize,
    /// Offset of the head's first line.
    start: usize,
    /// Offset of the header line at hand; meaningful in `State::Name` only.
    name_start: usize,
    header_count: usize,
}

/// What the byte at `position` belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing yet, or only the empty line that a request may begin with.
    Start,
    /// The line feed of that empty line.
    BlankLineFeed,
    Method,
    /// The status line's `HTTP/1.`.
    StatusLineStart,
    /// What follows in the first line.
    FirstLine,
    FirstLineFeed,
    /// The first byte of a header line, or of the empty line that ends the head.
    LineStart,
    Name,
    Value,
    ValueLineFeed,
    EndLineFeed,
}

impl HeadScanner {
    pub(super) fn new(kind: HeadKind) -> Self {
        Self { kind, state: State::Start, position: 0, start: 0, name_start: 0, header_count: 0 }
    }

    /// Judges the bytes of `input` behind those that the last call has seen. `input` begins with
    /// the head's first byte each time. Answers `None` while the head is incomplete.
    pub(super) fn scan(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<HeadSpan>, HandshakeError> {
        if input.len() < self.position {
            // Not the bytes of last time: begin anew rather than trust an offset into them.
            *self = Self::new(self.kind);
        }
        let window = &input[..input.len().min(limits.max_head_len)];
        while self.position < window.len() {
            if self.advance(window, limits)? {
                let (start, end) = (self.start, self.position);
                return Ok(Some(HeadSpan { start, end, header_count: self.header_count }));
            }
        }
        if input.len() >= limits.max_head_len { Err(self.too_long()) } else { Ok(None) }
    }

    /// Judges the byte at `position`, or a run of bytes that are alike. Answers whether the head
    /// is complete.
    fn advance(&mut self, window: &[u8], limits: &HeadLimits) -> Result<bool, HandshakeError> {
        let rest = &window[self.position..];
        match self.state {
            State::Start => self.begin(rest[0])?,
            State::BlankLineFeed => {
                self.expect_line_feed(rest[0], State::Start)?;
                self.start = self.position;
            }
            State::Method => {
                let run_end = self.position + run_len(rest, is_token_byte);
                if run_end - self.start > MAX_METHOD_LEN {
                    return Err(HandshakeError::UnsupportedMethod);
                }
                self.position = run_end;
                self.leave_run(window, b' ', State::FirstLine)?;
            }
            State::StatusLineStart => {
                if rest[0] != STATUS_LINE_START[self.position] {
                    return Err(HandshakeError::MalformedStatusLine);
                }
                self.step(if self.position + 1 == STATUS_LINE_START.len() {
                    State::FirstLine
                } else {
                    State::StatusLineStart
                });
            }
            State::FirstLine => {
                self.position += match self.kind {
                    HeadKind::Request => run_len(rest, is_request_line_byte),
                    HeadKind::Response => run_len(rest, is_text_byte),
                };
                self.leave_run(window, b'\r', State::FirstLineFeed)?;
            }
            State::FirstLineFeed => {
                // Before the step: a fault must still be there if anybody asks again.
                if self.kind == HeadKind::Request && rest[0] == b'\n' {
                    check_request_line(&window[self.start..self.position - 1])?;
                }
                self.expect_line_feed(rest[0], State::LineStart)?;
            }
            State::LineStart => self.begin_line(rest[0], limits)?,
            State::Name => {
                self.position += run_len(rest, is_token_byte);
                self.leave_run(window, b':', State::Value)?;
            }
            State::Value => {
                self.position += run_len(rest, is_text_byte);
                self.leave_run(window, b'\r', State::ValueLineFeed)?;
            }
            State::ValueLineFeed => self.expect_line_feed(rest[0], State::LineStart)?,
            State::EndLineFeed => {
                self.expect_line_feed(rest[0], State::Start)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn begin(&mut self, byte: u8) -> Result<(), HandshakeError> {
        match (self.kind, byte) {
            (HeadKind::Response, _) => self.state = State::StatusLineStart,
            // RFC 9112 §2.2: one empty line before a request is ignored; old clients send it
            // behind the body of the request before.
            (HeadKind::Request, b'\r') if self.start == 0 => self.step(State::BlankLineFeed),
            (HeadKind::Request, b'\n') => return Err(HandshakeError::BareLineFeed),
            (HeadKind::Request, _) if is_token_byte(byte) => self.state = State::Method,
            (HeadKind::Request, _) => return Err(HandshakeError::NotHttp),
        }
        Ok(())
    }

    fn begin_line(&mut self, byte: u8, limits: &HeadLimits) -> Result<(), HandshakeError> {
        match byte {
            b'\r' => self.step(State::EndLineFeed),
            b'\n' => return Err(HandshakeError::BareLineFeed),
            // RFC 9112 §5.2 for a folded line, §2.2 for whitespace behind the first line.
            b' ' | b'\t' => return Err(HandshakeError::LineFolding),
            _ => {
                self.header_count += 1;
                if self.header_count > limits.max_header_count {
                    return Err(HandshakeError::TooManyHeaders);
                }
                self.name_start = self.position;
                self.state = State::Name;
            }
        }
        Ok(())
    }

    /// Steps over `delimiter`, which must end the run of bytes just read, unless the run reaches
    /// to the end of what has arrived.
    fn leave_run(
        &mut self,
        window: &[u8],
        delimiter: u8,
        next: State,
    ) -> Result<(), HandshakeError> {
        match window.get(self.position) {
            None => Ok(()),
            Some(&byte) if byte == delimiter => {
                if self.state == State::Name && self.position == self.name_start {
                    return Err(HandshakeError::MalformedHeader);
                }
                self.step(next);
                Ok(())
            }
            Some(&byte) => Err(self.complaint(byte)),
        }
    }

    fn expect_line_feed(&mut self, byte: u8, next: State) -> Result<(), HandshakeError> {
        if byte != b'\n' {
            return Err(HandshakeError::BareCarriageReturn);
        }
        self.step(next);
        Ok(())
    }

    fn step(&mut self, next: State) {
        self.position += 1;
        self.state = next;
    }

    /// What is wrong with a `byte` that may not stand where it was found.
    fn complaint(&self, byte: u8) -> HandshakeError {
        match (self.state, byte) {
            (_, b'\n') => HandshakeError::BareLineFeed,
            (State::Name, b' ' | b'\t') => HandshakeError::SpaceInHeaderName,
            (State::Name, b'\r') => HandshakeError::MalformedHeader,
            (State::Method | State::FirstLine, b'\r' | b'\t') => self.bad_first_line(),
            (_, 0..0x20 | 0x7f) => HandshakeError::ControlCharacter,
            (State::Method | State::FirstLine, _) => self.bad_first_line(),
            _ => HandshakeError::MalformedHeader,
        }
    }

    fn bad_first_line(&self) -> HandshakeError {
        match self.kind {
            HeadKind::Request => HandshakeError::MalformedRequestLine,
            HeadKind::Response => HandshakeError::MalformedStatusLine,
        }
    }

    fn too_long(&self) -> HandshakeError {
        let in_first_line = matches!(self.state, State::Start | State::Method | State::FirstLine);
        if in_first_line && self.kind == HeadKind::Request {
            HandshakeError::TargetTooLong
        } else {
            HandshakeError::HeadTooLarge
        }
    }
}

/// Checks `method SP target SP version` (RFC 9112 §3) as soon as the line is there: a client of
/// another protocol hears of it without waiting for an empty line that it may never send.
fn check_request_line(line: &[u8]) -> Result<(), HandshakeError> {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(_method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HandshakeError::MalformedRequestLine);
    };
    match version {
        _ if target.is_empty() => Err(HandshakeError::MalformedRequestLine),
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(HandshakeError::UnsupportedVersion)
        }
        _ => Err(HandshakeError::MalformedRequestLine),
    }
}

fn run_len(bytes: &[u8], accept: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !accept(byte)).unwrap_or(bytes.len())
}

/// Visible ASCII and the spaces between a request line's parts.
fn is_request_line_byte(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

/// What a header's value or a reason phrase may hold (RFC 9110 §5.5, RFC 9112 §4).
fn is_text_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(input: &[u8]) -> Result<Option<HeadSpan>, HandshakeError> {
        HeadScanner::new(HeadKind::Request).scan(input, &HeadLimits::default())
    }

    #[test]
    fn the_end_is_found_and_later_bytes_are_not_looked_at() {
        let span = scan(b"GET / HTTP/1.1\r\nA: b\r\nC:\r\n\r\n\0\n\r").unwrap().unwrap();
        assert_eq!(span, HeadSpan { start: 0, end: 28, header_count: 2 });
    }

    #[test]
    fn what_was_judged_is_not_judged_again() {
        let mut input = b"GET / HTTP/1.1\r\nA: b\r\n".to_vec();
        let mut scanner = HeadScanner::new(HeadKind::Request);
        assert_eq!(scanner.scan(&input, &HeadLimits::default()), Ok(None));
        // A second look at the first bytes would fail upon these.
        input[..16].fill(0);
        input.extend_from_slice(b"\r\n");
        let span = scanner.scan(&input, &HeadLimits::default()).unwrap().unwrap();
        assert_eq!(span.end, input.len());
    }

    #[test]
    fn an_input_that_shrank_is_scanned_anew() {
        let mut scanner = HeadScanner::new(HeadKind::Request);
        assert_eq!(scanner.scan(b"GET / HTTP/1.1\r\nA", &HeadLimits::default()), Ok(None));
        assert_eq!(scanner.scan(b"\x16", &HeadLimits::default()), Err(HandshakeError::NotHttp));
    }

    #[test]
    fn one_empty_line_may_precede_a_request() {
        let span = scan(b"\r\nGET / HTTP/1.1\r\n\r\n").unwrap().unwrap();
        assert_eq!((span.start, span.end), (2, 20));
        assert_eq!(scan(b"\r\n\r"), Err(HandshakeError::NotHttp));
        assert_eq!(scan(b"\rG"), Err(HandshakeError::BareCarriageReturn));
        assert_eq!(scan(b"\nG"), Err(HandshakeError::BareLineFeed));
    }

    #[test]
    fn each_fault_is_named_at_its_first_byte() {
        use HandshakeError::*;
        let cases: &[(&[u8], HandshakeError)] = &[
            (b"\x16", NotHttp),
            (b" ", NotHttp),
            (b"\x80", NotHttp),
            (b"GET\0", ControlCharacter),
            (b"GET\t", MalformedRequestLine),
            (b"GET\r", MalformedRequestLine),
            (b"GET\n", BareLineFeed),
            (b"GE(", MalformedRequestLine),
            (b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", UnsupportedMethod),
            (b"GET /\x80", MalformedRequestLine),
            (b"GET /\t", MalformedRequestLine),
            (b"GET /\x7f", ControlCharacter),
            (b"GET / HTTP/1.1\n", BareLineFeed),
            (b"GET / HTTP/1.1\rH", BareCarriageReturn),
            (b"GET /\r\n", MalformedRequestLine),
            (b"GET  / HTTP/1.1\r\n", MalformedRequestLine),
            (b"GET /  HTTP/1.1\r\n", MalformedRequestLine),
            (b"GET / HTTP/1.1 \r\n", MalformedRequestLine),
            (b"GET / x HTTP/1.1\r\n", MalformedRequestLine),
            (b"GET  HTTP/1.1\r\n", MalformedRequestLine),
            (b"GET / http/1.1\r\n", MalformedRequestLine),
            (b"GET / HTTP/1.10\r\n", MalformedRequestLine),
            (b"GET / HTTP/0.9\r\n", UnsupportedVersion),
            (b"GET / HTTP/1.2\r\n", UnsupportedVersion),
            (b"PRI * HTTP/2.0\r\n", UnsupportedVersion),
            (b"GET / HTTP/1.1\r\n ", LineFolding),
            (b"GET / HTTP/1.1\r\nA: b\r\n\t", LineFolding),
            (b"GET / HTTP/1.1\r\n\n", BareLineFeed),
            (b"GET / HTTP/1.1\r\nA: b\n", BareLineFeed),
            (b"GET / HTTP/1.1\r\nA\n", BareLineFeed),
            (b"GET / HTTP/1.1\r\nA: b\rc", BareCarriageReturn),
            (b"GET / HTTP/1.1\r\n\rA", BareCarriageReturn),
            (b"GET / HTTP/1.1\r\nA\r", MalformedHeader),
            (b"GET / HTTP/1.1\r\n:", MalformedHeader),
            (b"GET / HTTP/1.1\r\nA@", MalformedHeader),
            (b"GET / HTTP/1.1\r\n\xc3", MalformedHeader),
            (b"GET / HTTP/1.1\r\nA ", SpaceInHeaderName),
            (b"GET / HTTP/1.1\r\nA\t", SpaceInHeaderName),
            (b"GET / HTTP/1.1\r\nA\0", ControlCharacter),
            (b"GET / HTTP/1.1\r\nA: \0", ControlCharacter),
            (b"GET / HTTP/1.1\r\nA: \x1b", ControlCharacter),
            (b"GET / HTTP/1.1\r\nA: \x7f", ControlCharacter),
        ];
        for (input, expected) in cases {
            let text = input.escape_ascii();
            let mut scanner = HeadScanner::new(HeadKind::Request);
            for _ in 0..2 {
                let result = scanner.scan(input, &HeadLimits::default());
                assert_eq!(result, Err(expected.clone()), "{text}, and so when asked again");
            }
            assert_eq!(scan(&input[..input.len() - 1]), Ok(None), "{text} before its last byte");
        }
    }

    #[test]
    fn limits_hold_while_the_head_is_incomplete() {
        let head = b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
        let scan = |input: &[u8], max_head_len, max_header_count| {
            let limits = HeadLimits { max_head_len, max_header_count };
            HeadScanner::new(HeadKind::Request).scan(input, &limits)
        };
        assert!(scan(head, head.len(), 2).unwrap().is_some());
        assert_eq!(scan(head, head.len() - 1, 2), Err(HandshakeError::HeadTooLarge));
        assert_eq!(scan(&head[..20], 20, 2), Err(HandshakeError::HeadTooLarge));
        assert_eq!(scan(&head[..19], 20, 2), Ok(None));
        assert_eq!(scan(&head[..10], 10, 2), Err(HandshakeError::TargetTooLong));
        assert_eq!(scan(head, head.len(), 1), Err(HandshakeError::TooManyHeaders));
        assert_eq!(scan(b"G", 0, 0), Err(HandshakeError::TargetTooLong));
    }

    #[test]
    fn a_status_line_is_recognised_early() {
        let scan =
            |input: &[u8]| HeadScanner::new(HeadKind::Response).scan(input, &HeadLimits::default());
        assert_eq!(scan(b"HTTP/1"), Ok(None));
        assert!(scan(b"HTTP/1.1 101 Gr\xfc\xdf\tGott\r\nA: b\r\n\r\n").unwrap().is_some());
        for garbage in [&b"\r"[..], b"SSH-2.0", b"HTTP/2", b"<html>"] {
            assert_eq!(scan(garbage), Err(HandshakeError::MalformedStatusLine));
        }
    }
}
