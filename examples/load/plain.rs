//! Messages without WebSocket: one after the other, each of the same length.

/// Cuts what comes into messages.
#[derive(Debug)]
pub(crate) struct Cutter {
    message_len: usize,
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
}

impl Cutter {
    pub(crate) fn new(message_len: usize) -> Self {
        Self { message_len, partial: Vec::new() }
    }

    /// Gives `take` each message that is complete with `input`, and keeps what is left.
    pub(crate) fn cut(&mut self, mut input: &[u8], mut take: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            let len = input.len().min(self.message_len - self.partial.len());
            let (head, rest) = input.split_at(len);
            self.partial.extend_from_slice(head);
            input = rest;
            if self.partial.len() == self.message_len {
                take(&self.partial);
                self.partial.clear();
            }
        }
        let mut messages = input.chunks_exact(self.message_len);
        messages.by_ref().for_each(take);
        self.partial.extend_from_slice(messages.remainder());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_wherever_the_input_is_split() {
        let input: Vec<u8> = (0..20).collect();
        for first in 0..=20 {
            for second in first..=20 {
                let mut cutter = Cutter::new(6);
                let mut messages = Vec::new();
                for piece in [&input[..first], &input[first..second], &input[second..]] {
                    cutter.cut(piece, |message| messages.push(message.to_vec()));
                }
                assert_eq!(messages, [&input[..6], &input[6..12], &input[12..18]]);
                assert_eq!(cutter.partial, &input[18..]);
            }
        }
    }
}
