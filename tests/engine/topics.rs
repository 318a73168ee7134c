//! What topics do, up to a connection's queue and the order in which it is emptied: how bytes travel from
//! there makes no difference to it, and over TLS there would be nothing more to see.

mod conflation;
mod fairness;
mod ladder;
mod priorities;
mod replay;
mod resync;
mod rounds;
mod stage;

use crate::support;
