//! [`Pace`] and [`Verdict`]: whether transactions are worth being run in parallel.

use std::time::Duration;

use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// Transactions that take less than this one by one are not worth sharing out: to run one ahead, note what
/// it read, check that and collect what it wrote takes about as long.
pub(super) const WORTH: Duration = Duration::from_micros(5);
/// The same in parallel, where part of that is done within the run.
pub(super) const WORTH_AHEAD: Duration = Duration::from_micros(6);
/// Times after which those before count for half.
const MANY: u32 = 32;
/// A judgement takes at least so many.
const FEW: u32 = 4;
/// Transactions that are run one by one after the first time that parallel was in vain; then twice as many
/// each time.
const PENALTY: u32 = 128;

/// How long transactions took lately. Only on which side of the limit each time lies is kept: a pause of
/// the machine makes one look as long as thousands.
#[derive(Debug)]
pub(super) struct Pace {
    worth: Duration,
    cheap: u32,
    long: u32,
}

impl Pace {
    pub(super) fn new(worth: Duration) -> Self {
        Self {
            worth,
            cheap: 0,
            long: 0,
        }
    }

    /// One transaction, or some of them on average, took so long.
    pub(super) fn note(&mut self, took: Duration) {
        if self.cheap + self.long >= MANY {
            self.cheap /= 2;
            self.long /= 2;
        }
        if took < self.worth {
            self.cheap += 1;
        } else {
            self.long += 1;
        }
    }

    fn is_known(&self) -> bool {
        self.cheap + self.long >= FEW
    }

    /// Whether most are not worth sharing out.
    pub(super) fn is_cheap(&self) -> bool {
        self.is_known() && self.cheap > self.long
    }

    /// Whether nearly all are.
    pub(super) fn is_long(&self) -> bool {
        self.is_known() && self.long >= 3 * self.cheap
    }
}

/// What the blocks before were like.
#[derive(Debug)]
pub(super) struct Verdict {
    is_parallel: AtomicBool,
    penalty: AtomicU32,
}

impl Verdict {
    pub(super) fn new() -> Self {
        Self {
            is_parallel: AtomicBool::new(false),
            penalty: AtomicU32::new(0),
        }
    }

    /// Whether the last block was best run in parallel, to its end.
    pub(super) fn is_parallel(&self) -> bool {
        self.is_parallel.load(Ordering::Relaxed)
    }

    /// A block has ended, in parallel or one by one.
    pub(super) fn note_end(&self, is_parallel: bool) {
        self.is_parallel.store(is_parallel, Ordering::Relaxed);
        let penalty = if is_parallel {
            0
        } else {
            self.penalty.load(Ordering::Relaxed) / 2
        };
        self.penalty.store(penalty, Ordering::Relaxed);
    }

    /// Parallel was in vain. Returns how many transactions are to be run one by one before they are judged
    /// again.
    pub(super) fn note_in_vain(&self) -> u32 {
        let penalty = self.penalty.load(Ordering::Relaxed);
        let penalty = penalty.saturating_mul(2).max(PENALTY);
        self.penalty.store(penalty, Ordering::Relaxed);
        penalty
    }

    /// Transactions at the beginning of a block to be run one by one, whatever they are like.
    pub(super) fn penalty(&self) -> u32 {
        self.penalty.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_time_says_nothing_of_the_others() {
        let mut pace = Pace::new(WORTH);
        for _ in 0..3 {
            pace.note(Duration::from_micros(1));
        }
        assert!(!pace.is_cheap() && !pace.is_long(), "too few");
        pace.note(Duration::from_secs(1));
        assert!(pace.is_cheap() && !pace.is_long());
        for _ in 0..3 * MANY {
            pace.note(Duration::from_micros(10));
        }
        assert!(
            !pace.is_cheap() && pace.is_long(),
            "what was long ago is forgotten"
        );
        for _ in 0..2 * MANY {
            pace.note(Duration::from_micros(1));
        }
        assert!(pace.is_cheap(), "however long it was so");
    }

    #[test]
    fn parallel_in_vain_puts_the_next_try_off_longer_and_longer() {
        let verdict = Verdict::new();
        assert_eq!((verdict.penalty(), verdict.is_parallel()), (0, false));
        assert_eq!([(); 3].map(|()| verdict.note_in_vain()), [128, 256, 512]);
        verdict.note_end(false);
        assert_eq!((verdict.penalty(), verdict.is_parallel()), (256, false));
        verdict.note_end(true);
        assert_eq!((verdict.penalty(), verdict.is_parallel()), (0, true));
    }
}
