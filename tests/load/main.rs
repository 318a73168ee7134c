//! The load generator as a program, against servers that do right and servers that do wrong; and
//! the unit tests of its parts, which stand beside the code that they test.

#[path = "../support/mod.rs"]
mod support;

mod echo;
mod errors;
mod faults;
mod handshakes;
mod open_loop;
mod plain_echo;
mod program;
mod raw_server;
#[cfg(feature = "tls")]
mod secure;
mod subscriptions;

#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/address.rs"]
mod address;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/clock.rs"]
mod clock;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/connection.rs"]
mod connection;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/cpu_time.rs"]
mod cpu_time;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/descriptors.rs"]
mod descriptors;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/error.rs"]
mod error;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/figures.rs"]
mod figures;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/flight.rs"]
mod flight;
#[cfg(feature = "deflate")]
#[path = "../../examples/load/market.rs"]
mod market;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/options.rs"]
mod options;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/pace.rs"]
mod pace;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/plain.rs"]
mod plain;
#[allow(dead_code, reason = "the parts are put to use by the example's `main`")]
#[path = "../../examples/load/template.rs"]
mod template;
