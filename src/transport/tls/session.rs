//! rustls, one step at a time.

use std::fmt;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};

use super::pieces::Pieces;
use super::scratch::{MAX_SEALED_LEN, Output};

/// The protocol state of either side.
pub(super) enum Session {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What is to be done once plaintext can be sent.
pub(super) enum Errand<'e, 'p> {
    Nothing,
    /// Encrypt as much as is sent at once; slices that share a record are gathered in the buffer.
    Seal(&'e mut Pieces<'p>, &'e mut Vec<u8>),
    /// Tell the peer that nothing follows.
    SayGoodbye,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There may be more to do with the same input.
    More,
    /// The same, and plaintext was opened: all that there was before what is left of the input.
    Opened,
    /// More input is needed.
    Blocked,
    /// All records in the input are done with. The errand is done: so many bytes of plaintext were
    /// sealed.
    Settled(usize),
    /// The peer has said that nothing follows.
    PeerClosed,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Client(_) => "Client",
        })
    }
}

impl Session {
    /// Takes one step with `input`: everything received that earlier steps have not used up. Returns
    /// how many bytes of it are used up now.
    ///
    /// Plaintext goes to `open`, at most one record of it. What is to be sent goes to `output`.
    #[inline]
    pub(super) fn step(
        &mut self,
        input: &mut [u8],
        output: &mut Output,
        errand: &mut Errand<'_, '_>,
        open: impl FnMut(&[u8]),
    ) -> (usize, Result<Step, Error>) {
        match self {
            Self::Server(session) => act(session.process_tls_records(input), output, errand, open),
            Self::Client(session) => act(session.process_tls_records(input), output, errand, open),
        }
    }

    pub(super) fn state(&self) -> &CommonState {
        match self {
            Self::Server(session) => session,
            Self::Client(session) => session,
        }
    }
}

#[inline]
fn act<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    output: &mut Output,
    errand: &mut Errand<'_, '_>,
    mut open: impl FnMut(&[u8]),
) -> (usize, Result<Step, Error>) {
    let mut used = status.discard;
    let step = match status.state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Step::Opened),
                Some(Err(error)) => break Err(error),
                Some(Ok(record)) => {
                    used += record.discard;
                    open(record.payload);
                }
            }
        },
        // No configuration that takes it is let in.
        Ok(ConnectionState::ReadEarlyData(_)) => Err(Error::General("early data".into())),
        Ok(ConnectionState::EncodeTlsData(record)) => encode(record, output).map(|()| Step::More),
        Ok(ConnectionState::TransmitTlsData(transmit)) => {
            // It is in the output, and leaves before anything else.
            transmit.done();
            Ok(Step::More)
        }
        Ok(ConnectionState::WriteTraffic(traffic)) => {
            run(errand, traffic, output).map(Step::Settled).map_err(|()| Error::EncryptError)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        Ok(_) => Ok(Step::Blocked),
    };
    (used, step)
}

fn encode<Data>(mut record: EncodeTlsData<'_, Data>, output: &mut Output) -> Result<(), Error> {
    output
        .append(|room| match record.encode(room) {
            Err(EncodeError::InsufficientSize(missing)) => Err(Some(missing.required_size)),
            other => other.map_err(|_| None),
        })
        .map_err(|()| Error::General("a handshake record cannot be encoded".into()))?;
    Ok(())
}

#[inline]
fn run<Data>(
    errand: &mut Errand<'_, '_>,
    mut traffic: WriteTraffic<'_, Data>,
    output: &mut Output,
) -> Result<usize, ()> {
    let missing = |error| match error {
        EncryptError::InsufficientSize(missing) => Some(missing.required_size),
        EncryptError::EncryptExhausted => None,
    };
    match errand {
        Errand::Nothing => Ok(0),
        Errand::Seal(pieces, record) => pieces.seal(MAX_SEALED_LEN, record, |piece| {
            output.append(|room| traffic.encrypt(piece, room).map_err(missing))
        }),
        Errand::SayGoodbye => {
            output.append(|room| traffic.queue_close_notify(room).map_err(missing)).map(|()| 0)
        }
    }
}
