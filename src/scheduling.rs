//! How long a thread may run before another one has its turn.
//!
//! Two system calls for which there is no safe form.
#![allow(unsafe_code)]

/// Asks the kernel for a short time slice for the calling thread, whose share of the CPU stays what it
/// was. Linux 6.12 and later give threads of the usual policy (`SCHED_OTHER`) a slice of their own, and ask
/// for no privilege; where there is none to be had nothing changes.
///
/// For threads that work hand in hand on one core. One that is woken has its turn soon. And one that
/// yields gives away the rest of its slice, however little of it it has used: of a usual slice of
/// milliseconds that is so much that it waits for a long time when others want the core as well.
pub(crate) fn shorten_slice() {
    #[cfg(target_os = "linux")]
    linux::shorten_slice();
}

#[cfg(target_os = "linux")]
mod linux {
    /// In nanoseconds: the shortest that the kernel takes; a handler thread's turn is half of it.
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

    pub(super) fn shorten_slice() {
        let Some(mut attributes) = attributes() else { return };
        // Real-time threads have no slices, and who is started as a batch wants to run for long.
        if attributes.policy != libc::SCHED_OTHER as u32 {
            return;
        }
        attributes.runtime = SLICE;
        // SAFETY: the kernel reads as many bytes of the structure as it says that it has.
        let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        if result != 0 {
            log::debug!("usual time slices: {}", std::io::Error::last_os_error());
        }
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
    fn a_slice_is_short_if_the_kernel_knows_slices() {
        let slices = std::thread::spawn(|| {
            let slice = || linux::attributes().map_or(0, |attributes| attributes.runtime);
            let usual = slice();
            shorten_slice();
            (usual, slice())
        });
        let (usual, shortened) = slices.join().unwrap();
        assert_eq!(shortened, if usual > 0 { linux::SLICE } else { 0 });
    }
}
