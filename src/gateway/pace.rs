//! Whether a client keeps pace: a bound on how long it may keep us waiting that a single byte now and
//! then does not lift.

use std::time::Duration;

/// How far a client is behind the rate that is asked of it.
pub(crate) struct Pace {
    rate: usize,
    patience: Duration,
    behind: Duration,
}

impl Pace {
    /// Asks for so many bytes a second, and has patience with whoever is behind by less.
    pub(crate) fn new(rate: usize, patience: Duration) -> Self {
        Self { rate, patience, behind: Duration::ZERO }
    }

    /// How much longer it may take until the next bytes have moved.
    pub(crate) fn left(&self) -> Duration {
        self.patience.saturating_sub(self.behind)
    }

    /// Notes that so many bytes took so long. Whoever was fast has not earned being slow: what buffers
    /// on the way take at once says nothing of the client.
    pub(crate) fn took(&mut self, waited: Duration, bytes: usize) {
        let owed = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000);
        let rate = u64::try_from(self.rate).unwrap_or(u64::MAX).max(1);
        let due = Duration::from_micros(owed / rate);
        self.behind = (self.behind + waited).saturating_sub(due);
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_byte_now_and_then_uses_patience_up() {
        let mut pace = Pace::new(500, 10 * SECOND);
        for _ in 0..10 {
            assert!(pace.left() > Duration::ZERO);
            pace.took(SECOND, 1);
        }
        assert!(pace.left() < SECOND);
        pace.took(SECOND, 1);
        assert_eq!(pace.left(), Duration::ZERO);
    }

    #[test]
    fn whoever_keeps_the_rate_goes_on_for_ever() {
        let mut pace = Pace::new(500, 10 * SECOND);
        for _ in 0..1000 {
            pace.took(8 * SECOND, 4000);
            assert_eq!(pace.left(), 10 * SECOND);
        }
    }

    #[test]
    fn what_was_fast_is_not_saved_up() {
        let mut pace = Pace::new(500, 10 * SECOND);
        pace.took(Duration::ZERO, 4 << 20);
        pace.took(9 * SECOND, 0);
        assert_eq!(pace.left(), SECOND);
    }
}
