//! The running engine over real sockets: everything that a service and its clients can see of it.

#[path = "../support/mod.rs"]
mod support;

// Files beside this one; tests over TLS have the same.
#[path = "behaviour.rs"]
mod behaviour;
mod descriptors;
mod listening;
mod settings;
#[path = "topics.rs"]
mod topics;
