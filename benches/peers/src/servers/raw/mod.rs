//! The floor: what the system calls cost that no server can do without.

mod broadcast;
mod echo;
mod messages;
mod poller;

use super::listener::listen;
use crate::Result;
use crate::options::{Role, Serve};

pub(super) fn serve(options: &Serve) -> Result<()> {
    let listener = listen(options)?;
    match options.role {
        Role::Echo if options.message_len > 0 => messages::run(listener, options.message_len),
        Role::Echo => echo::run(listener),
        Role::Broadcast | Role::Each => broadcast::run(listener, options.burst),
    }
}
