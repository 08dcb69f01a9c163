//! [`RetentionPolicy`]: how the prune floor moves by itself.

use std::time::Duration;

use crate::{
    codec::{DecodeError, retention},
    error::{Error, Result},
};

/// The tags of the numbers on disk. DO NOT CHANGE.
const COMMITS: u8 = 1;
const AGE_MS: u8 = 2;
const HISTORY_BYTES: u8 = 3;
const AT_LEAST_COMMITS: u8 = 4;
const DEBT_LIMIT_BYTES: u8 = 5;
const DEBT_WAIT_MS: u8 = 6;

/// How long writers wait at the limit of the debt, where the policy does not say.
const DEBT_WAIT: Duration = Duration::from_secs(10);

/// How the prune floor moves by itself: what is kept at most, and what is kept at least.
///
/// `commits`, `age` and `history_bytes` are limits. Without any, everything is kept; with more than one, the one
/// that keeps least counts: "seven days, but no more than 10 GB". `at_least_commits` is a promise that no limit
/// breaks: "but always the last 100 blocks, to roll back to". Pins keep what they see whatever the policy says, and
/// what holds back a prune (a snapshot, say) holds back the policy.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use sapwood::{Engine, RetentionPolicy, Timestamp};
///
/// let engine = Engine::in_memory();
/// for height in 1..=100u64 {
///     engine.set(b"height", height.to_string())?;
/// }
/// engine.set_retention(RetentionPolicy::keep_all().commits(10))?;
/// engine.apply_retention()?; // else in the background, when there is enough to do
/// assert_eq!(engine.floor(), Timestamp::new(91));
///
/// let week = Duration::from_secs(7 * 24 * 60 * 60);
/// engine.set_retention(RetentionPolicy::keep_all().age(week).history_bytes(10 << 30).at_least_commits(100))?;
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionPolicy {
    /// At most the states after the last so many commits can be read, the newest included.
    ///
    /// Unit: commits, at least 1. Default: `None`, no limit.
    pub commits: Option<u64>,
    /// At most the states that were the newest at some time of the last so long, up to the newest commit: what
    /// counts are the [times](crate::CommitOptions::time) that commits carry, and not when the policy looks. It counts
    /// in milliseconds.
    ///
    /// Times of commits need not rise. So a commit counts as old once it and all before it are, and a newest
    /// commit from the future counts as one of now: a wrong time keeps more, never less.
    ///
    /// Unit: a duration. Default: `None`, no limit.
    pub age: Option<Duration>,
    /// Once history takes more bytes than this, by the backend's own count of it, it is brought down to seven
    /// eighths of it. What pins and snapshots hold may keep it above.
    ///
    /// Unit: bytes. Default: `None`, no limit.
    pub history_bytes: Option<u64>,
    /// The states after the last so many commits can be read whatever the limits say.
    ///
    /// Unit: commits, at least 1. Default: `None`, no promise.
    pub at_least_commits: Option<u64>,
    /// Writers wait while the [retention debt](crate::RetentionStatus::debt_bytes) is more than this.
    ///
    /// Unit: bytes. Default: `None`, they never do.
    pub debt_limit_bytes: Option<u64>,
    /// For how long they wait before they are refused with
    /// [`RetentionDebt`](crate::ErrorKind::RetentionDebt).
    ///
    /// Unit: a duration. Default: `None`, 10 seconds.
    pub debt_wait: Option<Duration>,
}

impl RetentionPolicy {
    /// Everything is kept.
    pub fn keep_all() -> Self {
        Self::default()
    }

    /// Keeps the last so many commits.
    #[must_use]
    pub fn commits(mut self, commits: u64) -> Self {
        self.commits = Some(commits);
        self
    }

    /// Keeps the last so long, by the times of commits.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Keeps at most so many bytes of history.
    #[must_use]
    pub fn history_bytes(mut self, bytes: u64) -> Self {
        self.history_bytes = Some(bytes);
        self
    }

    /// Keeps the last so many commits whatever the limits say.
    #[must_use]
    pub fn at_least_commits(mut self, commits: u64) -> Self {
        self.at_least_commits = Some(commits);
        self
    }

    /// Makes writers wait while there are more than so many bytes of debt.
    #[must_use]
    pub fn debt_limit_bytes(mut self, bytes: u64) -> Self {
        self.debt_limit_bytes = Some(bytes);
        self
    }

    /// Lets writers wait for so long before they are refused.
    #[must_use]
    pub fn debt_wait(mut self, wait: Duration) -> Self {
        self.debt_wait = Some(wait);
        self
    }

    /// Whether the floor moves by hand only.
    pub fn keeps_all(&self) -> bool {
        self.commits.is_none() && self.age.is_none() && self.history_bytes.is_none()
    }

    /// For how long writers wait.
    pub(super) fn wait(&self) -> Duration {
        self.debt_wait.unwrap_or(DEBT_WAIT)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.commits == Some(0) || self.at_least_commits == Some(0) {
            return Err(Error::invalid(
                "the newest commit is always kept: a number of commits is 1 or more",
            ));
        }
        Ok(())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let ms = |time: Duration| u64::try_from(time.as_nanos().div_ceil(1_000_000));
        let ms = |time: Option<Duration>| time.map(|time| ms(time).unwrap_or(u64::MAX));
        let numbers = [
            (COMMITS, self.commits),
            (AGE_MS, ms(self.age)),
            (HISTORY_BYTES, self.history_bytes),
            (AT_LEAST_COMMITS, self.at_least_commits),
            (DEBT_LIMIT_BYTES, self.debt_limit_bytes),
            (DEBT_WAIT_MS, ms(self.debt_wait)),
        ];
        let said = numbers
            .into_iter()
            .filter_map(|(tag, number)| Some((tag, number?)));
        retention::encode(said)
    }

    pub(in crate::storage) fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut policy = Self::default();
        for (tag, number) in retention::decode(value)? {
            let time = Some(Duration::from_millis(number));
            match tag {
                COMMITS => policy.commits = Some(number),
                AGE_MS => policy.age = time,
                HISTORY_BYTES => policy.history_bytes = Some(number),
                AT_LEAST_COMMITS => policy.at_least_commits = Some(number),
                DEBT_LIMIT_BYTES => policy.debt_limit_bytes = Some(number),
                DEBT_WAIT_MS => policy.debt_wait = time,
                _ => return Err(DecodeError("the policy is of a later format")),
            }
        }
        if policy.check().is_err() {
            return Err(DecodeError("the policy keeps less than the newest commit"));
        }
        Ok(policy)
    }

    /// What it comes to when it is read back: times in whole milliseconds, never less than was asked for.
    pub(super) fn as_stored(&self) -> Self {
        Self::decode(&self.encode()).unwrap_or(*self)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_policy_comes_back(
            numbers in proptest::collection::vec(proptest::option::of(1..u64::MAX), 4..5),
            times in proptest::collection::vec(proptest::option::of(0..u64::MAX), 2..3),
        ) {
            let time = |index: usize| times[index].map(Duration::from_millis);
            let policy = RetentionPolicy {
                commits: numbers[0],
                age: time(0),
                history_bytes: numbers[1],
                at_least_commits: numbers[2],
                debt_limit_bytes: numbers[3],
                debt_wait: time(1),
            };
            prop_assert_eq!(RetentionPolicy::decode(&policy.encode()), Ok(policy));
        }
    }

    #[test]
    fn times_are_never_cut_short() {
        let policy = RetentionPolicy::keep_all().age(Duration::from_nanos(1));
        assert_eq!(policy.as_stored().age, Some(Duration::from_millis(1)));
        let policy = RetentionPolicy::keep_all().age(Duration::MAX);
        assert_eq!(
            policy.as_stored().age,
            Some(Duration::from_millis(u64::MAX))
        );
    }

    #[test]
    fn what_keeps_nothing_or_is_of_a_later_format_is_refused() {
        assert!(RetentionPolicy::keep_all().commits(0).check().is_err());
        let none = RetentionPolicy::keep_all().at_least_commits(0);
        assert!(none.check().is_err() && RetentionPolicy::decode(&none.encode()).is_err());
        assert!(RetentionPolicy::decode(&retention::encode([(7, 1)])).is_err());
        assert_eq!(
            RetentionPolicy::decode(&[]),
            Ok(RetentionPolicy::keep_all())
        );
    }
}
