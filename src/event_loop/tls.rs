//! What handlers and counters hear of TLS.

use super::connection::Io;
use super::counters::Counters;
use crate::handshake::{Request, TlsInfo};
use crate::transport::Stream;

impl Io {
    /// A request has come: it says what was agreed on, and its connection's first one counts the
    /// handshake.
    pub(super) fn tell_tls(&mut self, counters: &mut Counters, request: &mut Request) {
        let Stream::Tls(stream) = &mut self.stream else { return };
        let info = stream.info();
        if stream.is_news() {
            counters.tls_handshakes += 1;
            counters.tls_resumed += u64::from(info.as_ref().is_some_and(TlsInfo::is_resumed));
        }
        request.set_tls(info);
    }
}
