//! What passes between threads: an echo over loopback, a hop from mailbox to mailbox, and a
//! publication on its way to a loop's subscribers. The codec alone is in `codec`; fan-out over sockets
//! in `fan_out`.
//!
//! Threads run where the scheduler puts them, as a service's do: between runs, compare medians.

#![allow(missing_docs)] // What criterion's macros make.

#[path = "loopback/echo.rs"]
mod echo;
#[path = "loopback/mailbox.rs"]
mod mailbox;
#[path = "loopback/publication.rs"]
mod publication;
mod support;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use support::{units, wire};

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50);
    targets = mailbox::hop, publication::fan_out, echo::echo
}
criterion_main!(benches);
