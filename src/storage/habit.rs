//! [`Habit`]: whether reads of the past have lately been answered by `history`.
//!
//! A version that `history` has at a timestamp is the answer, whatever else there is; that it has none says nothing. So
//! asking it first saves the other look-ups where it answers, and is lost where it does not. Which of the two it is
//! depends on how far back is read and how often keys change: what was so lately is taken for what will be.

use crate::sync::{AtomicU32, Ordering};

/// The most that is remembered: so many answers in a row.
const MOST: u32 = 64;
/// `history` is asked first from here on.
const ENOUGH: u32 = 32;
/// What an answer from elsewhere weighs: asking in vain takes far longer than what is saved else.
const WEIGHT: u32 = 8;

/// Wrong by a little where several threads note something at once, which makes nothing wrong.
#[derive(Debug, Default)]
pub(super) struct Habit(Counter);

#[derive(Debug)]
struct Counter(AtomicU32);

impl Default for Counter {
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

impl Habit {
    /// Whether `history` is better asked first.
    pub(super) fn is_history_first(&self) -> bool {
        self.0.0.load(Ordering::Relaxed) >= ENOUGH
    }

    /// Notes who has answered. Nothing is written where nothing changes, so that readers do not get into each
    /// other's way.
    pub(super) fn note(&self, is_history: bool) {
        let before = self.0.0.load(Ordering::Relaxed);
        let after = if is_history {
            (before + 1).min(MOST)
        } else {
            before.saturating_sub(WEIGHT)
        };
        if after != before {
            self.0.0.store(after, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn history_is_asked_first_while_it_answers_most() {
        let habit = Habit::default();
        assert!(!habit.is_history_first());
        (0..MOST).for_each(|_| habit.note(true));
        assert!(habit.is_history_first());
        (0..5).for_each(|_| habit.note(false));
        assert!(!habit.is_history_first());
        // One in four from elsewhere is too many.
        for number in 0..1_000 {
            habit.note(number % 4 != 0);
            assert!(!habit.is_history_first());
        }
        (0..1_000).for_each(|number| habit.note(number % 20 != 0));
        assert!(habit.is_history_first());
    }
}
