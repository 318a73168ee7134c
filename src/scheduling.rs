//! How soon the kernel lets a thread run that it has woken.
//!
//! Two system calls for which there is no safe form.
#![allow(unsafe_code)]

/// Asks the kernel to let the calling thread run when it wakes, though another one runs that has not had
/// its time slice: for a thread that never runs for long, but that others wait for. Its share of the CPU
/// stays what it was. Says whether the kernel will.
///
/// That is what a short slice of a thread's own means to Linux 6.12 and later, for threads of the usual
/// policy (`SCHED_OTHER`); it needs no privilege.
#[must_use]
pub(crate) fn run_when_woken() -> bool {
    #[cfg(target_os = "linux")]
    return linux::shorten_slice();
    #[cfg(not(target_os = "linux"))]
    false
}

#[cfg(target_os = "linux")]
mod linux {
    /// In nanoseconds: the shortest that the kernel takes, as long as twenty turns of a loop.
    pub(super) const SLICE: u64 = 100_000;

    /// `struct sched_attr` of `sched_setattr(2)`, in its first version.
    #[repr(C)]
    #[derive(Default)]
    pub(super) struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        /// The slice, in nanoseconds. Kernels that have none of a thread's own tell 0, and ignore it.
        pub(super) runtime: u64,
        deadline: u64,
        period: u64,
    }

    pub(super) fn shorten_slice() -> bool {
        let Some(mut attributes) = attributes() else { return false };
        // Real-time threads have no slices, and batches wake nobody up for them.
        if attributes.policy != libc::SCHED_OTHER as u32 {
            return false;
        }
        attributes.runtime = SLICE;
        // SAFETY: the kernel reads as many bytes of the structure as it says that it has.
        let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        result == 0 && self::attributes().is_some_and(|now| now.runtime == SLICE)
    }

    /// The calling thread's.
    pub(super) fn attributes() -> Option<Attributes> {
        let size = size_of::<Attributes>() as u32;
        let mut attributes = Attributes { size, ..Attributes::default() };
        // SAFETY: the kernel writes no more bytes to the structure than it is told that there are; of
        // any bytes its fields can be made.
        let result =
            unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        (result == 0).then_some(attributes)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_keeps_the_promise_if_it_knows_slices() {
        let told = std::thread::spawn(|| {
            let knows_slices = linux::attributes().is_some_and(|before| before.runtime > 0);
            (knows_slices, run_when_woken(), linux::attributes().map(|after| after.runtime))
        });
        let (knows_slices, will, after) = told.join().unwrap();
        assert_eq!(will, knows_slices);
        assert_eq!(will, after == Some(linux::SLICE));
    }
}
