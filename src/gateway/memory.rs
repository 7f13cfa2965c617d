//! The bytes that all request bodies may take together.
//!
//! Every body has its bound, every connection its streams and every client its connections; their
//! product is still more than any machine has. So bodies take from one account as they arrive, and give
//! back when their exchange ends. Taking as they arrive, and not as they are announced, makes whoever
//! would use it up send that much.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What is left of the account.
pub(crate) struct Memory {
    free: AtomicUsize,
}

impl Memory {
    /// An account of so many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        Self { free: AtomicUsize::new(bytes) }
    }

    /// Nothing yet, for one exchange.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held { memory: self, bytes: 0 }
    }
}

/// What one exchange has taken; given back when dropped.
pub(crate) struct Held<'a> {
    memory: &'a Memory,
    bytes: usize,
}

impl<'a> Held<'a> {
    /// Nothing yet, to be given back at another time.
    pub(crate) fn beside(&self) -> Held<'a> {
        self.memory.hold()
    }

    /// Takes more, and says whether there was enough.
    #[must_use]
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let taken = self
            .memory
            .free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(bytes));
        if taken.is_ok() {
            self.bytes += bytes;
        }
        taken.is_ok()
    }

    /// Gives everything back.
    pub(crate) fn give_back(&mut self) {
        self.memory.free.fetch_add(self.bytes, Ordering::AcqRel);
        self.bytes = 0;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn what_is_taken_is_bounded_and_given_back() {
        let memory = Memory::of(100);
        let (mut first, mut second) = (memory.hold(), memory.hold());
        assert!(first.take(60) && second.take(40));
        assert!(!second.take(1), "there is nothing left");
        drop(first);
        assert!(second.take(60));
        assert!(!second.take(1));
        second.give_back();
        drop(second);
        assert!(memory.hold().take(100), "all of it was given back");
    }
}
