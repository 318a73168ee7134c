//! The other side's codec: plain streams that live as long as the connection.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::frames::Frame;

pub(crate) struct Deflater {
    stream: Compress,
    takes_over: bool,
}

impl Deflater {
    pub(crate) fn new(takes_over: bool, bits: u8) -> Self {
        let bits = bits.max(9);
        Self {
            stream: Compress::new_with_window_bits(Compression::new(6), false, bits),
            takes_over,
        }
    }

    pub(crate) fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        if !self.takes_over {
            self.stream.reset();
        }
        if message.is_empty() {
            return vec![0];
        }
        let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 100);
        self.stream.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }

    /// The message in one frame.
    pub(crate) fn frame(&mut self, frame: Frame) -> Frame {
        let payload = self.deflate(&frame.payload);
        Frame { payload, ..frame }.rsv(0x40)
    }
}

pub(crate) struct Inflater {
    stream: Decompress,
    takes_over: bool,
}

impl Inflater {
    pub(crate) fn new(takes_over: bool, bits: u8) -> Self {
        Self { stream: Decompress::new_with_window_bits(false, bits.max(9)), takes_over }
    }

    /// Inflates by small pieces, so that whatever reaches beyond the window is found out.
    pub(crate) fn inflate(&mut self, compressed: &[u8]) -> Option<Vec<u8>> {
        if !self.takes_over {
            self.stream.reset(false);
        }
        let input = [compressed, &[0, 0, 0xff, 0xff]].concat();
        let (mut out, mut at) = (Vec::new(), 0);
        loop {
            let mut piece = [0; 100];
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            self.stream.decompress(&input[at..], &mut piece, FlushDecompress::Sync).ok()?;
            at += (self.stream.total_in() - before_in) as usize;
            let len = (self.stream.total_out() - before_out) as usize;
            out.extend_from_slice(&piece[..len]);
            if at == input.len() && len < piece.len() {
                return Some(out);
            }
        }
    }
}
