//! A bounded stock of reusable values.

/// Lends out values and takes them back, keeping at most a fixed number of idle ones.
///
/// The pool knows nothing of what it keeps: whoever gives a value back has emptied it.
#[derive(Debug)]
pub struct Pool<T> {
    idle: Vec<T>,
    max_idle_count: usize,
}

impl<T> Pool<T> {
    /// A pool that keeps at most `max_idle_count` values.
    #[must_use]
    pub const fn new(max_idle_count: usize) -> Self {
        Self { idle: Vec::new(), max_idle_count }
    }

    /// An idle value, or a new one by `make`.
    #[inline]
    pub fn take_or(&mut self, make: impl FnOnce() -> T) -> T {
        self.idle.pop().unwrap_or_else(make)
    }

    /// Keeps `value` for later, or drops it when the pool is full.
    #[inline]
    pub fn give(&mut self, value: T) {
        if self.has_room() {
            self.idle.push(value);
        }
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
}
