//! The servers, one a file. Each echoes or broadcasts on one thread, takes messages of up to 1 MiB,
//! does not compress, and is set up as its documentation recommends for speed.

mod listener;
mod raw;
mod tickwire;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::Result;
use crate::options::Serve;
use crate::peer::Peer;

/// The longest message, in bytes.
const MAX_MESSAGE_LEN: usize = 1 << 20;
/// What may wait for a client that does not read, in bytes: nobody is cut off here.
const MAX_BACKPRESSURE: usize = 64 * MAX_MESSAGE_LEN;
/// Bytes of a publication.
const PUBLICATION_LEN: usize = 128;

/// Serves until it is killed, or the program that has started it ends.
pub(crate) fn serve(options: &Serve) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    match options.peer {
        Peer::Raw => raw::serve(options),
        Peer::Tickwire => tickwire::serve(options, 0),
        Peer::TickwireThreads => tickwire::serve(options, 1),
        Peer::Uwebsockets => Err("is a program of its own".into()),
    }
}
