//! Bytes that the socket did not take yet: control frames before direct sends before publications.

mod queue;
mod segment;

pub use queue::WriteQueue;
pub use segment::FindBoundary;

#[cfg(test)]
mod model;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
