//! Counts what the current thread allocates, so that tests can run beside each other, and what the
//! whole process holds.
//!
//! A test binary that includes this module has its global allocator.
#![allow(dead_code, reason = "each test binary asks for what it needs")]
#![allow(unsafe_code, reason = "a global allocator can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// What happened while [`measure`] ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allocations {
    /// Calls that allocated or reallocated.
    pub(crate) count: usize,
    /// The most bytes that were held at once, beyond those held at the start.
    pub(crate) peak_len: usize,
}

/// Runs `f` and says what it made the current thread allocate.
pub(crate) fn measure<T>(f: impl FnOnce() -> T) -> (T, Allocations) {
    COUNT.set(0);
    HELD_LEN.set(0);
    PEAK_LEN.set(0);
    let value = f();
    (value, Allocations { count: COUNT.get(), peak_len: PEAK_LEN.get().max(0) as usize })
}

/// How often the current thread has allocated or reallocated since it started or last measured.
pub(crate) fn count() -> usize {
    COUNT.get()
}

/// From here on this thread does not count in what the process holds: it plays a part that is
/// elsewhere in earnest, such as a client's.
pub(crate) fn leave_out_this_thread() {
    LEFT_OUT.set(true);
}

/// How often the process has allocated or reallocated. What threads that are left out do does not
/// count.
pub(crate) fn count_of_process() -> usize {
    PROCESS_COUNT.load(Ordering::Relaxed)
}

/// Bytes that the process holds now, less what it held at its start. What threads that are left out
/// allocate and free does not count.
pub(crate) fn held_by_process() -> isize {
    PROCESS_LEN.load(Ordering::Relaxed)
}

/// The most that the process has held since the last call, and a new beginning.
pub(crate) fn take_peak_of_process() -> isize {
    PROCESS_PEAK_LEN.swap(held_by_process(), Ordering::Relaxed)
}

static PROCESS_COUNT: AtomicUsize = AtomicUsize::new(0);
static PROCESS_LEN: AtomicIsize = AtomicIsize::new(0);
static PROCESS_PEAK_LEN: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static LEFT_OUT: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Below 0 when more was freed than allocated since the start.
    static HELD_LEN: Cell<isize> = const { Cell::new(0) };
    static PEAK_LEN: Cell<isize> = const { Cell::new(0) };
}

fn allocated(len: usize) {
    COUNT.set(COUNT.get() + 1);
    HELD_LEN.set(HELD_LEN.get() + len as isize);
    PEAK_LEN.set(PEAK_LEN.get().max(HELD_LEN.get()));
    if !LEFT_OUT.get() {
        PROCESS_COUNT.fetch_add(1, Ordering::Relaxed);
        let held = PROCESS_LEN.fetch_add(len as isize, Ordering::Relaxed) + len as isize;
        PROCESS_PEAK_LEN.fetch_max(held, Ordering::Relaxed);
    }
}

fn freed(len: usize) {
    HELD_LEN.set(HELD_LEN.get() - len as isize);
    if !LEFT_OUT.get() {
        PROCESS_LEN.fetch_sub(len as isize, Ordering::Relaxed);
    }
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator unchanged. The counters are constants of their
// thread without a destructor, so counting neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_len: usize) -> *mut u8 {
        // Old and new may exist at once: count the new one before the old one goes.
        allocated(new_len);
        freed(layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, new_len) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}
