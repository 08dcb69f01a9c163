//! [`Rows`]: all rows of a keyspace in order, as far as they can be read.
//!
//! A block that cannot be read does not end the walk. The keys behind the last row that was read are not
//! known, so the walk goes on from ever farther targets: behind everything that begins with the row's key, then
//! with one byte less of it, and so on. What lies between is a gap; nothing is claimed about keys in one.

use super::report::Findings;
use crate::{
    backend::{Access, Backend, Cursor, Keyspace, Scope},
    error::{Error, ErrorKind, Result},
};

/// From here the key is shortened by halves: a key may be long, and each try reads a block.
const TAIL_BYTES: usize = 64;

/// A part that could not be read: behind `after`, before `until` (`None`: to the end).
#[derive(Debug)]
struct Gap {
    after: Vec<u8>,
    until: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Rows {
    keyspace: Keyspace,
    cursor: Box<dyn Cursor>,
    gaps: Vec<Gap>,
    /// The key of the row before.
    last: Vec<u8>,
    /// Rows that were passed since the beginning.
    pub(super) passed: u64,
    /// Bytes that were passed since the beginning.
    pub(super) passed_bytes: u64,
}

impl Rows {
    pub(super) fn open(backend: &dyn Backend, keyspace: Keyspace) -> Result<Self> {
        // Nothing of what it reads pushes out what is cached.
        let cursor = backend.cursor(keyspace, Scope::default(), Access::Sweep)?;
        Ok(Self::over(keyspace, cursor))
    }

    pub(super) fn over(keyspace: Keyspace, cursor: Box<dyn Cursor>) -> Self {
        Self {
            keyspace,
            cursor,
            gaps: Vec::new(),
            last: Vec::new(),
            passed: 0,
            passed_bytes: 0,
        }
    }

    pub(super) fn keyspace(&self) -> Keyspace {
        self.keyspace
    }

    /// To the first row.
    pub(super) fn first(&mut self, findings: &mut Findings) -> Result<()> {
        self.gaps.clear();
        self.last.clear();
        (self.passed, self.passed_bytes) = (0, 0);
        match self.cursor.seek_to_first() {
            Err(error) => self.leap(error, findings),
            placed => placed,
        }
    }

    /// To the next row.
    pub(super) fn step(&mut self, findings: &mut Findings) -> Result<()> {
        let Some((key, value)) = self.cursor.row() else {
            return Ok(());
        };
        self.passed += 1;
        self.passed_bytes += (key.len() + value.len()) as u64;
        self.last.clear();
        self.last.extend_from_slice(key);
        match self.cursor.next() {
            Err(error) => self.leap(error, findings),
            moved => moved,
        }
    }

    pub(super) fn row(&self) -> Option<(&[u8], &[u8])> {
        self.cursor.row()
    }

    /// To the first row at or after a key, to look something up; `None` where that cannot be known.
    pub(super) fn look_up(&mut self, key: &[u8]) -> Result<Option<()>> {
        known(self.cursor.seek(key))
    }

    /// To the row behind one that was looked up.
    pub(super) fn look_on(&mut self) -> Result<Option<()>> {
        known(self.cursor.next())
    }

    /// How many parts could not be read so far.
    pub(super) fn gaps(&self) -> usize {
        self.gaps.len()
    }

    /// Whether rows whose keys begin with this may lie in a part that could not be read.
    pub(super) fn may_hide(&self, prefix: &[u8]) -> bool {
        self.gaps.iter().any(|gap| {
            let begins_before = |key: &Vec<u8>| prefix < key.as_slice() || key.starts_with(prefix);
            let ends_behind = gap.after.as_slice() <= prefix || gap.after.starts_with(prefix);
            ends_behind && gap.until.as_ref().is_none_or(begins_before)
        })
    }

    /// Goes on behind what cannot be read.
    fn leap(&mut self, error: Error, findings: &mut Findings) -> Result<()> {
        check_damage(&error)?;
        findings.unreadable(self.keyspace, &self.last, &error);
        let mut told = error.to_string();
        let mut length = self.last.len();
        let mut until = None;
        while length > 0 {
            let Some(target) = behind_prefix(self.last.get(..length).unwrap_or_default()) else {
                break;
            };
            match self.cursor.seek(&target) {
                Ok(()) => {
                    until = self.cursor.row().map(|(key, _)| key.to_vec());
                    break;
                }
                Err(error) => {
                    check_damage(&error)?;
                    // Another block, perhaps.
                    if error.to_string() != told {
                        findings.unreadable(self.keyspace, &target, &error);
                        told = error.to_string();
                    }
                }
            }
            length = if length > TAIL_BYTES {
                length / 2
            } else {
                length - 1
            };
        }
        if length == 0 {
            until = self.leap_from_the_start(&mut told, findings)?;
        }
        self.gaps.push(Gap {
            after: self.last.clone(),
            until,
        });
        Ok(())
    }

    /// Where there is no row before: tries each first byte.
    fn leap_from_the_start(
        &mut self,
        told: &mut String,
        findings: &mut Findings,
    ) -> Result<Option<Vec<u8>>> {
        let next = self.last.first().map_or(0, |first| u16::from(*first) + 1);
        for first in next..=u16::from(u8::MAX) {
            let Ok(first) = u8::try_from(first) else {
                break;
            };
            match self.cursor.seek(&[first]) {
                Ok(()) => return Ok(self.cursor.row().map(|(key, _)| key.to_vec())),
                Err(error) => {
                    check_damage(&error)?;
                    if error.to_string() != *told {
                        findings.unreadable(self.keyspace, &[first], &error);
                        *told = error.to_string();
                    }
                }
            }
        }
        Ok(None)
    }
}

/// The first key behind all that begin with a prefix.
fn behind_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let grows = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut behind = prefix.get(..=grows)?.to_vec();
    if let Some(last) = behind.last_mut() {
        *last += 1;
    }
    Some(behind)
}

/// Damage is what is looked for; anything else ends the walk.
fn check_damage(error: &Error) -> Result<()> {
    match error.kind() {
        ErrorKind::Corrupt { .. } => Ok(()),
        _ => Err(error.again()),
    }
}

fn known(moved: Result<()>) -> Result<Option<()>> {
    match moved {
        Ok(()) => Ok(Some(())),
        Err(error) => check_damage(&error).map(|()| None),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_key_behind_a_prefix_is_the_first_that_does_not_begin_with_it() {
        assert_eq!(behind_prefix(b"ab").unwrap(), b"ac");
        assert_eq!(behind_prefix(b"a\xFF\xFF").unwrap(), b"b");
        assert_eq!(behind_prefix(b"\xFF"), None);
        assert_eq!(behind_prefix(b""), None);
    }
}
