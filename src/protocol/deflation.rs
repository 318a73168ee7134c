//! permessage-deflate (RFC 7692 §7.2) in an endpoint, and what the endpoints of a thread share of it.

use std::sync::Arc;

use super::assembly::Assembly;
use super::{AssembledMessage, Endpoint, ProtocolError, Role, Workspace};
use crate::buf::ReceiveBuffer;
use crate::deflate::{
    Agreement, Compression, Compressor, Decompressor, Direction, InflateError, Terms, WindowBits,
};

/// The longest buffer that is kept for compressed messages, in bytes.
const MAX_KEPT_LEN: usize = 256 * 1024;

/// What an endpoint holds for compression: a pointer, and nothing behind it unless it was negotiated.
#[derive(Debug, Default)]
pub(super) struct Deflation(Option<Box<Negotiated>>);

#[derive(Debug)]
struct Negotiated {
    sends: Direction,
    receives: Direction,
    /// `None`: no message refers to those before it.
    context: Option<Box<Context>>,
}

/// What a connection costs that shares the loop's compressors: with what an allocator adds, 32 bytes.
const _: () = assert!(size_of::<Negotiated>() <= 24);

/// What messages may refer to.
#[derive(Debug)]
struct Context {
    /// The end of what was received.
    window: Vec<u8>,
    /// Made with the first message that is sent, and after each rest.
    compressor: Option<Box<Dedicated>>,
    /// Messages have been or will be sent that the compressor has not seen.
    passed_by: bool,
    /// One of the workspace's dedicated ones.
    _dedicated: Arc<()>,
}

#[derive(Debug)]
struct Dedicated {
    compressor: Compressor,
    /// When it was used last, by the clock of whoever owns the endpoint.
    used_at: u32,
    /// It counts as one of those that there are.
    _alive: Arc<()>,
}

/// What the endpoints of one thread share. Compressors are made when first used.
#[derive(Debug, Default)]
pub(super) struct Shared {
    compression: Compression,
    decompressor: Option<Decompressor>,
    /// Those that compress each message by itself, by the length of the window.
    compressors: [Option<Box<Compressor>>; WINDOW_COUNT],
    out: ReceiveBuffer,
    /// Each dedicated connection has one of it.
    dedicated: Arc<()>,
    /// Each compressor of a connection's own has one of it.
    alive: Arc<()>,
    totals: DeflateTotals,
    /// Bytes inflated, and what took as much time.
    effort: u64,
}

const WINDOW_COUNT: usize = (WindowBits::MAX.get() - WindowBits::MIN.get()) as usize + 1;

/// What compression has come to. Messages sent and received uncompressed are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeflateTotals {
    /// Messages compressed.
    pub messages_deflated: u64,
    /// Their bytes before.
    pub deflated_from_bytes: u64,
    /// Their bytes after.
    pub deflated_to_bytes: u64,
    /// Messages decompressed.
    pub messages_inflated: u64,
    /// Their bytes before.
    pub inflated_from_bytes: u64,
    /// Their bytes after.
    pub inflated_to_bytes: u64,
}

impl Deflation {
    #[inline]
    pub(super) fn is_negotiated(&self) -> bool {
        self.0.is_some()
    }

    /// Inflates a message of a kind and, if it is text, judges it.
    #[cold]
    pub(super) fn inflate(
        &mut self,
        workspace: &mut Workspace,
        is_text: bool,
        compressed: &[u8],
    ) -> Result<AssembledMessage, ProtocolError> {
        let Some(negotiated) = &mut self.0 else { return Err(InflateError::Corrupt.into()) };
        let mut message = workspace.take();
        match negotiated.inflate(workspace, compressed, message.begin_inflated(is_text)) {
            Ok(()) => {}
            Err(error) => {
                workspace.give(message);
                return Err(error.into());
            }
        }
        if let Err(error) = message.check_inflated() {
            workspace.give(message);
            return Err(error);
        }
        Ok(AssembledMessage(message))
    }

    /// Inflates a message that has come in pieces.
    #[cold]
    pub(super) fn inflate_assembled(
        &mut self,
        workspace: &mut Workspace,
        compressed: Box<Assembly>,
    ) -> Result<AssembledMessage, ProtocolError> {
        let inflated = self.inflate(workspace, compressed.is_text(), compressed.bytes());
        workspace.give(compressed);
        inflated
    }
}

impl Negotiated {
    fn inflate(
        &mut self,
        workspace: &mut Workspace,
        compressed: &[u8],
        out: &mut ReceiveBuffer,
    ) -> Result<(), InflateError> {
        let limit = workspace.limits.max_message_len;
        let shared = &mut workspace.deflate;
        let decompressor = shared.decompressor.get_or_insert_with(|| match workspace.role {
            Role::Server => Decompressor::for_strangers(),
            // Whom it connects to it has chosen.
            Role::Client => Decompressor::new(),
        });
        let context = self.context.as_deref_mut().filter(|_| self.receives.takes_over);
        let window = context.as_ref().map_or(&[][..], |context| &context.window);
        shared.effort += decompressor.decompress(compressed, window, limit, out)?;
        shared.totals.messages_inflated += 1;
        shared.totals.inflated_from_bytes += compressed.len() as u64;
        shared.totals.inflated_to_bytes += out.len() as u64;
        if let Some(context) = context {
            // Of a window of 8 bits many encoders make one of 9.
            context.remember(out.filled(), self.receives.window_bits.window_len().max(512));
        }
        Ok(())
    }
}

impl Context {
    /// Moves the window on. It grows no further than the peer may refer back.
    fn remember(&mut self, message: &[u8], max_len: usize) {
        let (kept, end) = match message.len().checked_sub(max_len) {
            Some(surplus) => (0, &message[surplus..]),
            None => (max_len - message.len(), message),
        };
        self.window.drain(..self.window.len().saturating_sub(kept));
        if self.window.capacity() - self.window.len() < end.len() {
            // Doubles, but no further than it will ever have to.
            let capacity =
                (2 * self.window.capacity()).clamp(self.window.len() + end.len(), max_len);
            self.window.reserve_exact(capacity - self.window.len());
        }
        self.window.extend_from_slice(end);
    }
}

impl Endpoint {
    /// An endpoint whose opening handshake has agreed upon permessage-deflate: what it receives
    /// compressed comes out of [`decode`](Self::decode) as it was. The workspace is the one that it
    /// will be used with.
    #[must_use]
    pub fn with_deflate(workspace: &Workspace, agreement: &Agreement) -> Self {
        let (sends, receives) = match workspace.role {
            Role::Server => (agreement.server, agreement.client),
            Role::Client => (agreement.client, agreement.server),
        };
        let context = || Context {
            window: Vec::new(),
            compressor: None,
            passed_by: false,
            _dedicated: workspace.deflate.dedicated.clone(),
        };
        let takes_over = sends.takes_over || receives.takes_over;
        let context = takes_over.then(|| Box::new(context()));
        let negotiated = Negotiated { sends, receives, context };
        let mut endpoint = Self::new();
        endpoint.deflation = Deflation(Some(Box::new(negotiated)));
        endpoint
    }

    /// Whether messages may be sent compressed.
    #[inline]
    #[must_use]
    pub fn deflates(&self) -> bool {
        self.deflation.is_negotiated()
    }

    /// The compressed form of a message that is sent next: the payload of its frame, which says so by
    /// RSV1 (RFC 7692 §6.1). `None`: it gets no shorter, or nothing was negotiated; then it must be
    /// sent as it is.
    ///
    /// Messages must leave in the order of these calls, but for those that were
    /// [passed by](Self::pass_by). `idle`: all of those have left.
    pub fn deflate<'w>(
        &mut self,
        workspace: &'w mut Workspace,
        message: &[u8],
        idle: bool,
    ) -> Option<&'w [u8]> {
        let Negotiated { sends, context, .. } = self.deflation.0.as_deref_mut()?;
        let shared = &mut workspace.deflate;
        let Some(context) = context.as_deref_mut().filter(|_| sends.takes_over) else {
            return shared.deflate_alone(message, sends.window_bits);
        };
        let make = || {
            let compressor = Compressor::new(shared.compression.level, sends.window_bits);
            Box::new(Dedicated { compressor, used_at: 0, _alive: shared.alive.clone() })
        };
        let compressor = &mut context.compressor.get_or_insert_with(make).compressor;
        if context.passed_by {
            compressor.forget();
            context.passed_by = !idle;
        }
        shared.clear_out();
        let compressed = compressor.compress_on(message, &mut shared.out)?;
        shared.totals.deflated(message.len(), compressed.len());
        Some(compressed)
    }

    /// A message of `len` bytes that was [compressed by itself](Workspace::deflate_alone) is sent to
    /// this endpoint's peer, among others, maybe behind messages that are yet to be compressed. The
    /// peer's window takes it in, and the compressor here knows nothing of it: until it has left,
    /// messages refer to none before them. Says whether that can be done: not if it may refer back
    /// further than the peer can.
    pub fn pass_by(&mut self, len: usize) -> bool {
        let Some(negotiated) = self.deflation.0.as_deref_mut() else { return false };
        let window_bits = negotiated.sends.window_bits;
        // No message refers back further than it is long.
        let understood = window_bits == WindowBits::MAX || len <= window_bits.window_len();
        if let Some(context) = negotiated.context.as_deref_mut() {
            context.passed_by |= understood;
        }
        understood
    }

    /// Notes when its compressor was used last, by whatever clock the caller has.
    pub fn note_use(&mut self, now: u32) {
        if let Some(dedicated) = self.context_mut().and_then(|it| it.compressor.as_deref_mut()) {
            dedicated.used_at = now;
        }
    }

    /// When its compressor was [used last](Self::note_use); `None`: it has none now.
    #[must_use]
    pub fn used_at(&self) -> Option<u32> {
        let context = self.deflation.0.as_deref()?.context.as_deref()?;
        context.compressor.as_ref().map(|dedicated| dedicated.used_at)
    }

    /// Gives up the memory of its compressor: messages that follow refer to none before them.
    pub fn rest(&mut self) {
        if let Some(context) = self.context_mut() {
            context.compressor = None;
        }
    }

    fn context_mut(&mut self) -> Option<&mut Context> {
        self.deflation.0.as_deref_mut()?.context.as_deref_mut()
    }
}

impl Workspace {
    /// Sets how messages are compressed.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.deflate.compression = compression;
        self
    }

    /// How messages are compressed.
    #[must_use]
    pub fn compression(&self) -> &Compression {
        &self.deflate.compression
    }

    /// What to agree to with the next connection.
    #[must_use]
    pub fn terms(&self) -> Option<Terms> {
        let dedicated_count = Arc::strong_count(&self.deflate.dedicated) - 1;
        self.deflate.compression.terms(dedicated_count)
    }

    /// Compresses a message by itself, for any number of endpoints: each is
    /// [asked](Endpoint::pass_by) whether it can have it. `None`: it gets no shorter.
    pub fn deflate_alone(&mut self, message: &[u8]) -> Option<&[u8]> {
        self.deflate.deflate_alone(message, WindowBits::MAX)
    }

    /// How many compressors the endpoints have of their own now.
    #[must_use]
    pub fn compressor_count(&self) -> usize {
        Arc::strong_count(&self.deflate.alive) - 1
    }

    /// Bytes inflated so far, and what has taken as much time.
    pub(crate) fn inflate_effort(&self) -> u64 {
        self.deflate.effort
    }

    /// What compression has come to so far.
    #[must_use]
    pub fn deflate_totals(&self) -> DeflateTotals {
        self.deflate.totals
    }
}

impl Shared {
    fn clear_out(&mut self) {
        self.out.clear();
        if self.out.capacity() > MAX_KEPT_LEN {
            self.out = ReceiveBuffer::default();
        }
    }

    fn deflate_alone(&mut self, message: &[u8], bits: WindowBits) -> Option<&[u8]> {
        // A short message does not need the window, and one compressor serves all.
        let bits = if message.len() <= bits.window_len() { WindowBits::MAX } else { bits };
        self.clear_out();
        let compressor = &mut self.compressors[usize::from(WindowBits::MAX.get() - bits.get())];
        let level = self.compression.level;
        let compressor = compressor.get_or_insert_with(|| Box::new(Compressor::new(level, bits)));
        let compressed = compressor.compress_alone(message, &mut self.out)?;
        self.totals.deflated(message.len(), compressed.len());
        Some(compressed)
    }
}

impl DeflateTotals {
    fn deflated(&mut self, from: usize, to: usize) {
        self.messages_deflated += 1;
        self.deflated_from_bytes += from as u64;
        self.deflated_to_bytes += to as u64;
    }
}

/// What a message of at most `len` bytes takes at most when it is compressed, however badly.
pub(super) fn max_compressed_len(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(64)
}
