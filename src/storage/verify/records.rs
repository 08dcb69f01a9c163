//! The records of commits, in order of their timestamps.

use super::{
    keys::{Bounds, Tell},
    report::{Findings, Rule},
    rows::Rows,
    sums::Told,
};
use crate::{
    backend::Keyspace,
    codec::{
        commit::{self, Operation, Part},
        key,
    },
    error::Result,
    limits::KEY_MAX_BYTES,
    storage::batch::display,
    timestamp::Timestamp,
};

/// How far records were merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merged {
    /// Records up to here lie in the versions.
    pub(super) to: Timestamp,
    /// Records up to here hold no values any more.
    pub(super) trimmed: Timestamp,
    /// Whether everything could be merged before the view was taken.
    pub(super) is_all: bool,
}

pub(super) struct Records<'v> {
    pub(super) commits: &'v mut Rows,
    pub(super) bounds: Bounds,
    pub(super) merged: Merged,
}

/// The record that is being walked.
#[derive(Debug, Default)]
struct Open {
    /// The next part; `None` between two records, and where the record is known to be broken.
    expected: Option<(Timestamp, u32)>,
    /// The commit that the last row is of.
    at: Option<Timestamp>,
    /// Whether the last row was its last part, as far as is known.
    has_ended: bool,
    /// The last key of the last part.
    last_key: Option<Vec<u8>>,
}

impl Records<'_> {
    /// Walks all records. `tell` is told each change above the floor that must have left a version.
    pub(super) fn walk(
        &mut self,
        findings: &mut Findings,
        tell: Tell<'_>,
        tick: &mut dyn FnMut(Timestamp) -> Result<()>,
    ) -> Result<()> {
        self.commits.first(findings)?;
        let mut open = Open::default();
        let mut gaps = 0;
        while let Some((row_key, value)) = self.commits.row() {
            if self.commits.gaps() > gaps {
                // What is missing of the record before, and of this one, may lie there.
                gaps = self.commits.gaps();
                open = Open {
                    at: commit::decode_key(row_key).ok().map(|(at, _)| at),
                    ..Open::default()
                };
            }
            let at = self.part(row_key, value, &mut open, findings, tell)?;
            self.commits.step(findings)?;
            tick(at.unwrap_or_default())?;
        }
        if self.commits.gaps() == gaps {
            open.end(findings);
        }
        Ok(())
    }

    fn part(
        &self,
        row_key: &[u8],
        value: &[u8],
        open: &mut Open,
        findings: &mut Findings,
        tell: Tell<'_>,
    ) -> Result<Option<Timestamp>> {
        let (at, number) = match commit::decode_key(row_key) {
            Ok(read) => read,
            Err(error) => {
                findings.add(Rule::Key, Keyspace::Commits, Some(row_key), &[], || {
                    error.0.to_owned()
                });
                return Ok(None);
            }
        };
        let part = match commit::decode_part(number, value) {
            Ok(part) => part,
            Err(error) => {
                broken(findings, Rule::Row, at, || {
                    format!("part {number}: {error}")
                });
                *open = Open {
                    at: Some(at),
                    ..Open::default()
                };
                return Ok(Some(at));
            }
        };
        // Of a record at or below the floor filters may have dropped any part.
        if at > self.bounds.floor {
            open.follow(at, number, part.last, findings);
            open.keys(at, &part, findings);
        }
        let visible = self.bounds.visible;
        if at > visible {
            findings.add(
                Rule::Future,
                Keyspace::Commits,
                None,
                &[at, visible],
                || format!("there is a record of {at}; the last commit is {visible}"),
            );
        }
        self.check_values(at, &part, findings);
        // What is not merged yet need not be there.
        if self.bounds.holds(at) && self.must_be_there(at, &part) {
            for change in part.changes() {
                tell((&key::encode(change.key), at, change.operation))?;
            }
        }
        Ok(Some(at))
    }

    /// Whether what a part tells of must lie in the versions.
    fn must_be_there(&self, at: Timestamp, part: &Part<'_>) -> bool {
        // Without values it is of a time when commits wrote their rows themselves.
        at <= self.merged.to || !part.has_values
    }

    fn check_values(&self, at: Timestamp, part: &Part<'_>, findings: &mut Findings) {
        let Merged {
            to,
            trimmed,
            is_all,
        } = self.merged;
        if !part.has_values {
            return;
        }
        if at <= trimmed {
            broken(findings, Rule::Merge, at, || {
                format!("it holds values; up to {trimmed} none does")
            });
        } else if at > to && is_all && part.changes().len() > 0 {
            broken(findings, Rule::Merge, at, || {
                format!("it is not merged, but everything is; the mark is at {to}")
            });
        }
    }

    /// Whether the record of a commit tells of a change; `None` where that cannot be known.
    pub(super) fn has(&mut self, (encoded, at, operation): Told<'_>) -> Result<Option<bool>> {
        let Ok(user_key) = key::decode(encoded) else {
            return Ok(None);
        };
        if self.commits.may_hide(&at.get().to_be_bytes()) {
            return Ok(None);
        }
        if self.commits.look_up(&commit::encode_key(at, 0))?.is_none() {
            return Ok(None);
        }
        let mut expected = 0;
        while let Some((row_key, value)) = self.commits.row() {
            let Ok((found, number)) = commit::decode_key(row_key) else {
                return Ok(None);
            };
            if found != at {
                break;
            }
            let Ok(part) = commit::decode_part(number, value) else {
                return Ok(None);
            };
            if number != expected {
                return Ok(None);
            }
            expected += 1;
            let same = |change: &commit::Changed<'_>| change.key == user_key;
            if let Some(change) = part.changes().find(same) {
                return Ok(Some(change.operation == operation));
            }
            if part.last {
                return Ok(Some(false));
            }
            if self.commits.look_on()?.is_none() {
                return Ok(None);
            }
        }
        // Without its end it is named already.
        Ok((expected == 0).then_some(false))
    }
}

impl Open {
    /// Another part is there.
    fn follow(&mut self, at: Timestamp, number: u32, last: bool, findings: &mut Findings) {
        let is_known = match self.expected {
            Some(expected) if expected == (at, number) => true,
            Some((open, missing)) if open == at => {
                broken(findings, Rule::Record, at, || {
                    format!("its part {missing} is missing before part {number}")
                });
                false
            }
            Some(_) => {
                self.end(findings);
                Self::begins(at, number, findings)
            }
            None if self.at == Some(at) => {
                if std::mem::take(&mut self.has_ended) {
                    broken(findings, Rule::Record, at, || {
                        format!("there is a part {number} behind the last one")
                    });
                }
                false
            }
            None => Self::begins(at, number, findings),
        };
        if self.at != Some(at) {
            self.last_key = None;
        }
        self.at = Some(at);
        self.has_ended = is_known && last;
        self.expected = (is_known && !last).then_some((at, number.saturating_add(1)));
    }

    fn begins(at: Timestamp, number: u32, findings: &mut Findings) -> bool {
        if number != 0 {
            broken(findings, Rule::Record, at, || {
                format!("it begins with part {number}")
            });
        }
        number == 0
    }

    /// No further part is there.
    fn end(&mut self, findings: &mut Findings) {
        if let Some((at, missing)) = self.expected.take() {
            broken(findings, Rule::Record, at, || {
                format!("its part {missing} is missing")
            });
        }
    }

    /// The keys of a record are in order.
    fn keys(&mut self, at: Timestamp, part: &Part<'_>, findings: &mut Findings) {
        let mut last = self.last_key.as_deref();
        let mut is_wrong = false;
        for change in part.changes() {
            if last.is_some_and(|last| last >= change.key) && !is_wrong {
                is_wrong = true;
                broken(findings, Rule::Record, at, || {
                    format!("the key {} is out of order", display(change.key))
                });
            }
            if change.key.len() > KEY_MAX_BYTES {
                findings.add(
                    Rule::Key,
                    Keyspace::Commits,
                    Some(change.key),
                    &[at],
                    || format!("the key is {} bytes long", change.key.len()),
                );
            }
            last = Some(change.key);
        }
        self.last_key = last.map(<[u8]>::to_vec);
    }
}

fn broken(findings: &mut Findings, rule: Rule, at: Timestamp, message: impl FnOnce() -> String) {
    findings.add(rule, Keyspace::Commits, None, &[at], || {
        format!("the record of {at}: {}", message())
    });
}

/// A version that began or ended in no commit.
pub(super) fn unlisted(findings: &mut Findings, user_key: &[u8], at: Timestamp, what: Operation) {
    let what = match what {
        Operation::Set => "begins",
        Operation::Delete => "ends by a delete",
    };
    findings.add(
        Rule::Unlisted,
        Keyspace::History,
        Some(user_key),
        &[at],
        || format!("a version {what} at {at}, but the commit's record does not tell of it"),
    );
}

/// A change that left nothing.
pub(super) fn lost(findings: &mut Findings, user_key: &[u8], at: Timestamp, what: Operation) {
    let (what, left) = match what {
        Operation::Set => ("set", "begins"),
        Operation::Delete => ("deleted", "ends"),
    };
    findings.add(Rule::Lost, Keyspace::Commits, Some(user_key), &[at], || {
        format!("the commit at {at} {what} the key, but no version {left} there")
    });
}
