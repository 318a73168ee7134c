//! A growing buffer that can be received into directly.

/// The smallest step by which a buffer grows, in bytes.
const MIN_GROWTH_LEN: usize = 4 * 1024;

/// Gathers bytes whose final length is announced but not trusted.
///
/// It grows with what has *arrived*, at most doubling, so an announced length alone reserves
/// nothing. What lies behind the filled part stays initialised when the buffer is reused, so a
/// `recv` into [`spare`](Self::spare) costs no zeroing in steady state.
#[derive(Debug, Default)]
pub struct ReceiveBuffer {
    /// Initialised in its whole length; only `..filled` means anything.
    bytes: Vec<u8>,
    filled: usize,
}

impl ReceiveBuffer {
    /// Room for more bytes behind the filled ones: at least one byte and at most `max_len`, unless
    /// `max_len` is 0. Follow with [`advance`](Self::advance).
    pub fn spare(&mut self, max_len: usize) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            let growth = max_len.min(self.filled.max(MIN_GROWTH_LEN));
            // Left to itself the vector would double once more, for bytes that never come.
            self.bytes.reserve_exact(growth);
            self.bytes.resize(self.filled + growth, 0);
        }
        let end = self.bytes.len().min(self.filled.saturating_add(max_len));
        &mut self.bytes[self.filled..end]
    }

    /// Counts the first `len` bytes of the last [`spare`](Self::spare) as filled and returns them.
    /// A `len` beyond the spare room is cut to it.
    pub fn advance(&mut self, len: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled = self.bytes.len().min(start.saturating_add(len));
        &mut self.bytes[start..self.filled]
    }

    /// Appends `bytes` and returns them where they now lie.
    pub fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.filled;
        let end = start + bytes.len();
        if end > self.bytes.len() {
            // Only what lies behind the copy is ever zeroed: cut to the filled part first.
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(bytes);
        } else {
            self.bytes[start..end].copy_from_slice(bytes);
        }
        self.filled = end;
        &mut self.bytes[start..end]
    }

    /// The filled bytes.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// How many bytes are filled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether no byte is filled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Forgets the filled bytes; keeps the memory.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives the memory back that is not filled.
    pub fn tighten(&mut self) {
        self.bytes.truncate(self.filled);
        self.bytes.shrink_to_fit();
    }

    /// The filled bytes as a vector of their own; no copy.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        self.bytes
    }
}

/// An empty buffer in a vector's memory.
impl From<Vec<u8>> for ReceiveBuffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, filled: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_length_reserves_nothing_by_itself() {
        let mut buffer = ReceiveBuffer::default();
        assert_eq!(buffer.spare(1 << 40).len(), MIN_GROWTH_LEN);
        buffer.advance(10);
        assert!(buffer.spare(1 << 40).len() < MIN_GROWTH_LEN, "the rest of the first step");
    }

    #[test]
    fn growth_doubles_and_ends_at_the_announced_length() {
        let mut buffer = ReceiveBuffer::default();
        let total = 100_000;
        while buffer.len() < total {
            let before = buffer.len();
            let room = buffer.spare(total - before).len();
            assert!(room <= before.max(MIN_GROWTH_LEN));
            buffer.advance(room);
        }
        assert_eq!(buffer.capacity(), total);
        assert_eq!(buffer.into_vec().len(), total);
    }

    #[test]
    fn what_is_not_filled_can_be_given_back() {
        let mut buffer = ReceiveBuffer::from(vec![0; 100_000]);
        buffer.append(b"hello");
        buffer.tighten();
        assert!(buffer.capacity() < 100, "{} bytes", buffer.capacity());
        buffer.append(b" again");
        assert_eq!(buffer.filled(), b"hello again");
    }

    #[test]
    fn appended_and_received_bytes_line_up() {
        let mut buffer = ReceiveBuffer::default();
        assert_eq!(buffer.append(b"one "), b"one ");
        buffer.spare(4).copy_from_slice(b"two ");
        assert_eq!(buffer.advance(4), b"two ");
        let long = vec![b'x'; 5000];
        buffer.append(&long);
        assert_eq!(&buffer.filled()[..8], b"one two ");
        assert_eq!(buffer.filled()[8..], long);
        buffer.clear();
        assert!(buffer.is_empty());
        buffer.append(b"again");
        assert_eq!(buffer.into_vec(), b"again");
    }

    #[test]
    fn a_vector_s_memory_is_received_into_without_growth() {
        let mut buffer = ReceiveBuffer::from(vec![7; 9000]);
        assert!(buffer.is_empty());
        assert_eq!(buffer.capacity(), 9000);
        assert_eq!(buffer.spare(usize::MAX).len(), 9000);
    }

    #[test]
    fn advancing_past_the_room_is_cut_to_it() {
        let mut buffer = ReceiveBuffer::default();
        let room = buffer.spare(16).len();
        assert_eq!(buffer.advance(1000).len(), room);
        assert!(buffer.spare(0).is_empty());
    }
}
