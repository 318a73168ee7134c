//! The limit on open files, which many connections run into first.

use std::fs;

use crate::error::LoadError;

/// Beside the connections: the standard streams, and for each thread a poller.
const OTHERS: u64 = 16;

/// Says before anything is done whether there are enough descriptors; where the system does not
/// tell, the connections will.
pub(crate) fn check(connections: u32, threads: u32) -> Result<(), LoadError> {
    let needed = u64::from(connections) + 2 * u64::from(threads) + OTHERS;
    match fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(limits) {
        Some((soft, hard)) if needed > soft => Err(LoadError::Descriptors { needed, soft, hard }),
        _ => Ok(()),
    }
}

/// The soft limit and the hard one.
fn limits(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut limits = line.split_whitespace().map_while(|field| match field {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((limits.next()?, limits.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max cpu time              unlimited            unlimited            seconds   \n\
            Max open files            1024                 524288               files     \n";
        assert_eq!(limits(text), Some((1024, 524_288)));
        let text = text.replace("524288   ", "unlimited");
        assert_eq!(limits(&text), Some((1024, u64::MAX)));
        assert_eq!(limits("Max cpu time 1 2 seconds"), None);
    }
}
