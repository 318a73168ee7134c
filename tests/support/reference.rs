//! A second opinion on any stream: a decoder that takes one byte at a time and is slow, obvious
//! and independent of the crate's own.
#![allow(dead_code, reason = "each test binary asks for what it needs")]

use tickwire::protocol::{Limits, Role};

use super::frames::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};
use super::receiver::Seen;

/// Reads a stream byte by byte and notes what it means.
#[derive(Debug)]
pub(crate) struct Reference {
    role: Role,
    limits: Limits,
    /// The current frame's header, until the next frame begins.
    header: Vec<u8>,
    /// The current frame's unmasked payload, once the header is complete.
    payload: Option<Vec<u8>>,
    /// The message under way, across its fragments.
    message: Option<Gathered>,
    close_sent: bool,
    close_received: bool,
    pub(crate) seen: Vec<Seen>,
    /// The close code of the failure, if the stream is wrong.
    pub(crate) failure: Option<u16>,
}

#[derive(Debug)]
struct Gathered {
    is_text: bool,
    bytes: Vec<u8>,
    /// How many of the bytes are whole characters, if it is text.
    valid_len: usize,
    fragment_count: u32,
}

impl Reference {
    pub(crate) fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            limits,
            header: Vec::new(),
            payload: None,
            message: None,
            close_sent: false,
            close_received: false,
            seen: Vec::new(),
            failure: None,
        }
    }

    /// A close frame is sent now: messages that end from here on are dropped.
    pub(crate) fn close(&mut self) {
        self.close_sent = true;
    }

    /// Whether everything that follows is ignored.
    pub(crate) fn is_input_ended(&self) -> bool {
        self.close_received || self.failure.is_some()
    }

    pub(crate) fn push(&mut self, byte: u8) {
        if !self.is_input_ended() {
            self.failure = self.read(byte).err();
        }
    }

    fn read(&mut self, byte: u8) -> Result<(), u16> {
        if self.payload.is_some() {
            self.read_payload(byte)?;
        } else {
            self.header.push(byte);
            self.judge_header()?;
            if self.header.len() < self.header_len() {
                return Ok(());
            }
            self.begin_payload()?;
        }
        if self.payload.as_ref().is_some_and(|payload| payload.len() as u64 == self.payload_len()) {
            self.end_frame()?;
            self.header.clear();
            self.payload = None;
        }
        Ok(())
    }

    fn fin(&self) -> bool {
        self.header[0] & 0x80 != 0
    }

    fn opcode(&self) -> u8 {
        self.header[0] & 0x0f
    }

    /// The seven-bit length.
    fn short_len(&self) -> u8 {
        self.header[1] & 0x7f
    }

    fn extended_len_end(&self) -> usize {
        match self.short_len() {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn header_len(&self) -> usize {
        if self.header.len() < 2 {
            return 2;
        }
        self.extended_len_end() + if self.role == Role::Server { 4 } else { 0 }
    }

    fn payload_len(&self) -> u64 {
        if self.short_len() < 126 {
            return u64::from(self.short_len());
        }
        let bytes = &self.header[2..self.extended_len_end()];
        bytes.iter().fold(0, |len, &byte| len << 8 | u64::from(byte))
    }

    /// Judges the header's last byte, in the light of those before it.
    fn judge_header(&self) -> Result<(), u16> {
        match self.header.len() {
            1 => self.judge_first_byte(),
            2 => self.judge_second_byte(),
            len if len == self.extended_len_end() => self.judge_extended_len(),
            _ => Ok(()),
        }
    }

    fn judge_first_byte(&self) -> Result<(), u16> {
        let reserved_bits = self.header[0] & 0x70 != 0;
        let fits = match self.opcode() {
            CONTINUATION => self.message.is_some(),
            TEXT | BINARY => self.message.is_none(),
            CLOSE | PING | PONG => self.fin(),
            _ => false,
        };
        if reserved_bits || !fits { Err(1002) } else { Ok(()) }
    }

    fn judge_second_byte(&self) -> Result<(), u16> {
        let masked = self.header[1] & 0x80 != 0;
        let must_be_masked = self.role == Role::Server;
        let too_long_control = self.opcode() >= CLOSE && self.short_len() > 125;
        if masked != must_be_masked || too_long_control { Err(1002) } else { Ok(()) }
    }

    fn judge_extended_len(&self) -> Result<(), u16> {
        let fewest = match self.short_len() {
            126 => 126..1 << 16,
            127 => 1 << 16..1 << 63,
            _ => 0..126,
        };
        if fewest.contains(&self.payload_len()) { Ok(()) } else { Err(1002) }
    }

    fn begin_payload(&mut self) -> Result<(), u16> {
        self.payload = Some(Vec::new());
        let len = self.payload_len();
        if self.opcode() >= CLOSE {
            return Ok(());
        }
        let is_text = self.opcode() == TEXT;
        let begun = Gathered { is_text, bytes: Vec::new(), valid_len: 0, fragment_count: 0 };
        let message = self.message.get_or_insert(begun);
        message.fragment_count += 1;
        if len > self.limits.max_frame_len as u64
            || len > (self.limits.max_message_len - message.bytes.len()) as u64
        {
            Err(1009)
        } else if message.fragment_count > self.limits.max_fragment_count.max(1) {
            Err(1008)
        } else {
            Ok(())
        }
    }

    fn read_payload(&mut self, byte: u8) -> Result<(), u16> {
        let payload = self.payload.get_or_insert_with(Vec::new);
        let byte = match (self.role, &self.header[self.header.len().saturating_sub(4)..]) {
            (Role::Server, key) => byte ^ key[payload.len() % 4],
            (Role::Client, _) => byte,
        };
        payload.push(byte);
        if self.opcode() >= CLOSE {
            return Ok(());
        }
        let Some(message) = &mut self.message else { return Ok(()) };
        message.bytes.push(byte);
        if !message.is_text {
            return Ok(());
        }
        match std::str::from_utf8(&message.bytes[message.valid_len..]) {
            Ok(rest) => message.valid_len += rest.len(),
            Err(error) if error.error_len().is_some() => return Err(1007),
            Err(error) => message.valid_len += error.valid_up_to(),
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), u16> {
        let payload = self.payload.take().unwrap_or_default();
        match self.opcode() {
            PING => self.seen.push(Seen::Ping(payload)),
            PONG => self.seen.push(Seen::Pong(payload)),
            CLOSE => {
                self.seen.push(read_close(&payload)?);
                self.close_received = true;
            }
            _ if self.fin() => self.end_message()?,
            _ => {}
        }
        Ok(())
    }

    fn end_message(&mut self) -> Result<(), u16> {
        let Some(message) = self.message.take() else { return Ok(()) };
        let seen = if message.is_text {
            Seen::Text(String::from_utf8(message.bytes).map_err(|_| 1007_u16)?)
        } else {
            Seen::Binary(message.bytes)
        };
        if !self.close_sent {
            self.seen.push(seen);
        }
        Ok(())
    }
}

fn read_close(payload: &[u8]) -> Result<Seen, u16> {
    if payload.is_empty() {
        return Ok(Seen::close(1005, ""));
    }
    if payload.len() == 1 {
        return Err(1002);
    }
    let code = u16::from(payload[0]) << 8 | u16::from(payload[1]);
    let on_the_wire = match code {
        1004..=1006 | 1015 => false,
        1000..=1014 | 3000..=4999 => true,
        _ => false,
    };
    if !on_the_wire {
        return Err(1002);
    }
    std::str::from_utf8(&payload[2..]).map(|reason| Seen::close(code, reason)).map_err(|_| 1007)
}
