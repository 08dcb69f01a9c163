//! Which version of a key a timestamp sees: the read rules as pure functions.
//!
//! A version is alive over `[start, end)`. The newest version of a live key lies in `current`, the
//! ended ones in `history`, and `deleted` holds when the key was deleted last.
//!
//! ```text
//!  timestamp    1    2    3    4    5    6    7    8
//!  key a        a1 ------------- a4 -- x         a8 ---        current (a8, previous_end 6)
//!  key b             b2 ---- x                                 deleted (4)
//!  key c                               c6 -------------        current (c6, previous_end 0)
//! ```
//!
//! Reading `a` at 5: the current row began later (8 > 5) and the version before it ended at 6 > 5,
//! so the answer lies in `history`: the newest row with `start <= 5` is a4 over `[4, 6)`. At 7 the
//! current row alone answers: the version before it ended at 6 <= 7, so there is none.
//!
//! The order of the look-ups matters as much as the rules: `current`, then `deleted` (only where
//! `current` had no row), then `history`, each looked up after the one before. Rows flow in that
//! direction, in one atomic batch per commit, so a row that is missed in one place is met in the
//! next.

use crate::{
    codec::{CurrentRow, HistoryRow},
    timestamp::Timestamp,
};

/// What `current` or `deleted` says about a key at a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The row at hand is the version alive at that timestamp.
    Alive,
    /// The key did not exist then.
    Absent,
    /// The version, if there is one, lies in `history`. `successor` is the nearest known end of an
    /// older version: see [`is_hole`].
    InHistory {
        /// When the version before the row at hand ended.
        successor: Timestamp,
    },
}

/// What the current row of a key says about `at`.
pub fn current_at<V>(row: &CurrentRow<V>, at: Timestamp) -> Verdict {
    if row.start <= at {
        Verdict::Alive
    } else if row.previous_end <= at {
        Verdict::Absent
    } else {
        Verdict::InHistory {
            successor: row.previous_end,
        }
    }
}

/// What `deleted` says about a key that has no current row.
pub fn deleted_at(deleted: Option<Timestamp>, at: Timestamp) -> Verdict {
    match deleted {
        Some(timestamp) if timestamp > at => Verdict::InHistory {
            successor: timestamp,
        },
        _ => Verdict::Absent,
    }
}

/// Whether a history row with `start <= at`, the newest such, is alive at `at`.
pub fn history_at<V>(row: &HistoryRow<V>, at: Timestamp) -> bool {
    row.end > at
}

/// Whether an answer of "absent" is in truth a lost version.
///
/// `successor` is when the version before the nearest newer row ended: some version ended then. If
/// that is after `at` and after the prune floor, it cannot have been pruned; and since the row is
/// the nearest newer one, it is missing. Whether it had begun by `at` cannot be told any more, so
/// no answer can be given. The floor must be loaded after the reads.
pub fn is_hole(successor: Timestamp, at: Timestamp, floor: Timestamp) -> bool {
    successor > at && successor > floor
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Timestamp {
        Timestamp::new(number)
    }

    #[test]
    fn a_current_row_answers_from_its_start_and_from_the_gap_before_it() {
        let row = CurrentRow {
            start: at(8),
            previous_end: at(6),
            value: (),
        };
        assert_eq!(current_at(&row, at(9)), Verdict::Alive);
        assert_eq!(current_at(&row, at(8)), Verdict::Alive);
        assert_eq!(current_at(&row, at(7)), Verdict::Absent);
        assert_eq!(current_at(&row, at(6)), Verdict::Absent);
        assert_eq!(
            current_at(&row, at(5)),
            Verdict::InHistory { successor: at(6) }
        );
    }

    #[test]
    fn a_delete_ends_what_was_before_it() {
        assert_eq!(deleted_at(None, at(3)), Verdict::Absent);
        assert_eq!(deleted_at(Some(at(4)), at(4)), Verdict::Absent);
        assert_eq!(
            deleted_at(Some(at(4)), at(3)),
            Verdict::InHistory { successor: at(4) }
        );
    }

    #[test]
    fn an_end_is_excluded() {
        let row = HistoryRow {
            end: at(6),
            previous_end: at(0),
            value: (),
        };
        assert!(history_at(&row, at(5)) && !history_at(&row, at(6)));
    }

    #[test]
    fn a_hole_needs_a_version_that_ended_above_both() {
        assert!(is_hole(at(6), at(5), at(5)));
        assert!(!is_hole(at(5), at(5), at(1)));
        assert!(!is_hole(at(6), at(5), at(6)));
    }
}
