//! Whether the process may have as many descriptors open as its server may have connections.

use std::fs;

/// What comes and goes beside connections: files of certificates, a successor's socket.
const SPARE: u64 = 8;

/// Says what will be missing, where the system tells: Linux. Everything that the server has open but for
/// connections must be so already.
pub(super) fn warn_of_too_few(max_connections: usize) {
    let limits = fs::read_to_string("/proc/self/limits").ok();
    let Some(limit) = limits.as_deref().and_then(soft_limit) else { return };
    // One is that of the listing.
    let open = fs::read_dir("/proc/self/fd").map_or(0, |open| open.count().saturating_sub(1));
    if let Some(warning) = warning(max_connections as u64, open as u64, limit) {
        log::warn!("{warning}");
    }
}

/// The soft limit in a text of proc_pid_limits(5); `None`: there is none.
fn soft_limit(text: &str) -> Option<u64> {
    let values = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    values.split_whitespace().next()?.parse().ok()
}

fn warning(max_connections: u64, open: u64, limit: u64) -> Option<String> {
    let wanted = max_connections + open + SPARE;
    (limit < wanted).then(|| {
        let room = limit.saturating_sub(open + SPARE);
        format!(
            "`max_connections` is {max_connections}, but this process may open no more than {limit} \
             files, which is enough for {room}: the others will wait to be accepted. Raise the limit \
             (`ulimit -n {wanted}`, or `LimitNOFILE={wanted}` in a systemd unit), or lower \
             `max_connections`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max processes             62987                62987                processes \n\
Max open files            1024                 524288               files     \n\
Max locked memory         8388608              8388608              bytes     \n";

    #[test]
    fn the_soft_limit_is_that_of_open_files() {
        assert_eq!(soft_limit(LIMITS), Some(1024));
        assert_eq!(soft_limit(&LIMITS.replace("1024  ", "unlimited")), None);
        assert_eq!(soft_limit(LIMITS.split_once("Max open").expect("it is there").0), None);
        assert_eq!(soft_limit("Max open files"), None);
    }

    #[test]
    fn who_has_enough_is_not_warned() {
        assert_eq!(warning(1000, 16, 1024), None);
        assert!(warning(1001, 16, 1024).is_some());
    }

    #[test]
    fn a_warning_has_all_numbers_and_a_remedy() {
        let warning = warning(100_000, 20, 1024).expect("too few");
        for part in ["is 100000", "than 1024", "for 996", "-n 100028", "LimitNOFILE=100028"] {
            assert!(warning.contains(part), "{part} is not in: {warning}");
        }
    }

    #[test]
    fn there_is_room_for_nobody_at_worst() {
        assert!(warning(1, 100, 64).expect("too few").contains("enough for 0"));
    }
}
