//! Frames built for tests, straight from the picture in RFC 6455 §5.2.
//!
//! Nothing here calls the crate's encoder: the builders are an independent opinion of the wire
//! format, and they can break each of its rules.
#![allow(dead_code, reason = "each test binary builds the frames that it needs")]

use tickwire::protocol::Role;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// The masking key of frames that do not ask for another: no byte is 0, no two are alike.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Both roles, for tests whose rule binds both.
pub(crate) const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// How the payload length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LenForm {
    /// In the fewest bytes, as RFC 6455 §5.2 demands.
    Minimal,
    /// In two extended bytes, whatever the length.
    Extended16,
    /// In eight extended bytes, whatever the length.
    Extended64,
}

/// One frame, right or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// RSV1, RSV2 and RSV3 where they lie in the first byte: 0x40, 0x20, 0x10.
    pub(crate) rsv_bits: u8,
    pub(crate) opcode: u8,
    /// Used when the frame is masked.
    pub(crate) key: [u8; 4],
    /// `None`: as the receiver's role demands.
    pub(crate) masked: Option<bool>,
    pub(crate) len_form: LenForm,
    /// What the header says instead of the payload's length.
    pub(crate) announced_len: Option<u64>,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            fin: true,
            rsv_bits: 0,
            opcode,
            key: KEY,
            masked: None,
            len_form: LenForm::Minimal,
            announced_len: None,
            payload: payload.as_ref().to_vec(),
        }
    }

    pub(crate) fn text(payload: impl AsRef<[u8]>) -> Self {
        Self::new(TEXT, payload)
    }

    pub(crate) fn binary(payload: impl AsRef<[u8]>) -> Self {
        Self::new(BINARY, payload)
    }

    pub(crate) fn continuation(payload: impl AsRef<[u8]>) -> Self {
        Self::new(CONTINUATION, payload)
    }

    pub(crate) fn ping(payload: impl AsRef<[u8]>) -> Self {
        Self::new(PING, payload)
    }

    pub(crate) fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::new(PONG, payload)
    }

    /// A close frame with a code and a reason.
    pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_ref());
        Self::new(CLOSE, payload)
    }

    /// A close frame whose payload is as given.
    pub(crate) fn raw_close(payload: impl AsRef<[u8]>) -> Self {
        Self::new(CLOSE, payload)
    }

    /// Without FIN: more fragments follow.
    pub(crate) fn more(self) -> Self {
        Self { fin: false, ..self }
    }

    pub(crate) fn rsv(self, rsv_bits: u8) -> Self {
        Self { rsv_bits, ..self }
    }

    pub(crate) fn key(self, key: [u8; 4]) -> Self {
        Self { key, ..self }
    }

    pub(crate) fn masked(self, masked: bool) -> Self {
        Self { masked: Some(masked), ..self }
    }

    pub(crate) fn len_form(self, len_form: LenForm) -> Self {
        Self { len_form, ..self }
    }

    /// The header says `len`, whatever the payload.
    pub(crate) fn announcing(self, len: u64) -> Self {
        Self { announced_len: Some(len), ..self }
    }

    /// The frame as an endpoint of `role` receives it.
    pub(crate) fn encode(&self, role: Role) -> Vec<u8> {
        let masked = self.is_masked(role);
        let len = self.announced_len.unwrap_or(self.payload.len() as u64);
        let mut out = vec![u8::from(self.fin) << 7 | self.rsv_bits | self.opcode];
        let mask_bit = u8::from(masked) << 7;
        match self.len_form {
            LenForm::Minimal if len < 126 => out.push(mask_bit | len as u8),
            LenForm::Minimal if len <= 0xffff => push_extended16(&mut out, mask_bit, len),
            LenForm::Minimal | LenForm::Extended64 => push_extended64(&mut out, mask_bit, len),
            LenForm::Extended16 => push_extended16(&mut out, mask_bit, len),
        }
        if masked {
            out.extend_from_slice(&self.key);
        }
        for (i, &byte) in self.payload.iter().enumerate() {
            out.push(if masked { byte ^ self.key[i % 4] } else { byte });
        }
        out
    }

    /// The length of the frame's header, in bytes.
    pub(crate) fn header_len(&self, role: Role) -> usize {
        self.encode(role).len() - self.payload.len()
    }

    fn is_masked(&self, role: Role) -> bool {
        self.masked.unwrap_or(role == Role::Server)
    }
}

fn push_extended16(out: &mut Vec<u8>, mask_bit: u8, len: u64) {
    out.push(mask_bit | 126);
    out.extend_from_slice(&(len as u16).to_be_bytes());
}

fn push_extended64(out: &mut Vec<u8>, mask_bit: u8, len: u64) {
    out.push(mask_bit | 127);
    out.extend_from_slice(&len.to_be_bytes());
}

/// The frames one behind another, as an endpoint of `role` receives them.
pub(crate) fn encode_all(role: Role, frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.encode(role)).collect()
}
