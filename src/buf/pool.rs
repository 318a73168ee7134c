//! A bounded stock of reusable values.

/// Lends out values and takes them back, keeping at most a fixed number of idle ones.
///
/// The pool knows nothing of what it keeps: whoever gives a value back has emptied it.
#[derive(Debug)]
pub struct Pool<T> {
    idle: Vec<T>,
    max_idle_count: usize,
    /// So many of the idle ones, the first, nobody has wanted since the last look.
    unwanted_count: usize,
}

impl<T> Pool<T> {
    /// A pool that keeps at most `max_idle_count` values.
    #[must_use]
    pub const fn new(max_idle_count: usize) -> Self {
        Self { idle: Vec::new(), max_idle_count, unwanted_count: 0 }
    }

    /// An idle value, or a new one by `make`.
    #[inline]
    pub fn take_or(&mut self, make: impl FnOnce() -> T) -> T {
        let Some(value) = self.idle.pop() else { return make() };
        self.unwanted_count = self.unwanted_count.min(self.idle.len());
        value
    }

    /// Keeps `value` for later, or drops it when the pool is full.
    #[inline]
    pub fn give(&mut self, value: T) {
        if self.has_room() {
            self.idle.push(value);
        }
    }

    /// Gives up a value that has been idle all the time since the last
    /// [`look_again`](Self::look_again), if there is one. O(idle values).
    pub fn retire(&mut self) -> Option<T> {
        self.unwanted_count = self.unwanted_count.checked_sub(1)?;
        Some(self.idle.remove(0))
    }

    /// From now on the idle values are watched anew: whoever calls this from time to time can
    /// [`retire`](Self::retire) before what has not been wanted meanwhile.
    pub fn look_again(&mut self) {
        self.unwanted_count = self.idle.len();
    }

    /// Whether the next value that is given back would be kept.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.idle.len() < self.max_idle_count
    }

    /// How many idle values the pool holds.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        self.idle.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_no_more_than_its_bound_and_reuses_the_last() {
        let mut pool = Pool::new(2);
        assert_eq!(pool.take_or(|| 7), 7);
        for value in 1..=3 {
            pool.give(value);
        }
        assert_eq!(pool.idle_count(), 2);
        assert_eq!(pool.take_or(|| 0), 2);
        assert_eq!(pool.take_or(|| 0), 1);
        assert_eq!(pool.take_or(|| 0), 0);
    }

    #[test]
    fn what_nobody_has_wanted_between_two_looks_can_be_retired() {
        let mut pool = Pool::new(9);
        (1..=4).for_each(|value| pool.give(value));
        assert_eq!(pool.retire(), None, "they have not been watched yet");
        pool.look_again();
        let (a, b) = (pool.take_or(|| 0), pool.take_or(|| 0));
        pool.give(a);
        pool.give(b);
        assert_eq!([pool.retire(), pool.retire(), pool.retire()], [Some(1), Some(2), None]);
        pool.look_again();
        assert_eq!([pool.retire(), pool.retire(), pool.retire()], [Some(4), Some(3), None]);
    }
}
