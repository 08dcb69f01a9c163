//! [`Rows`]: all rows of a keyspace in order, as far as they can be read.
//!
//! A block that cannot be read does not end the walk. The keys behind the last row that was read are not
//! known, so the smallest from which on rows can be read again is searched for. What lies between is a gap; nothing
//! is claimed about keys in one.

use super::report::Findings;
use crate::{
    backend::{Access, Backend, Cursor, Keyspace, Scope},
    error::{Error, ErrorKind, Result},
    limits::KEY_MAX_BYTES,
};

/// Behind every key.
const END: &[u8] = &[u8::MAX; KEY_MAX_BYTES];
/// How long a key is looked for that lies behind a damaged block: each byte takes eight tries.
const TARGET_BYTES: usize = 64;

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
    /// Errors that were reported.
    told: Vec<String>,
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
            told: Vec::new(),
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
        self.told.clear();
        self.last.clear();
        (self.passed, self.passed_bytes) = (0, 0);
        match self.cursor.seek_to_first() {
            Err(error) => self.leap(&error, findings),
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
            Err(error) => self.leap(&error, findings),
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

    /// The parts that could not be read: the keys that they lie between.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let gaps = self.gaps.iter();
        gaps.map(|gap| (gap.after.as_slice(), gap.until.as_deref()))
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

    /// Goes on behind what cannot be read: looks for the smallest key from which on rows can be read again, byte
    /// by byte, each by halves.
    fn leap(&mut self, error: &Error, findings: &mut Findings) -> Result<()> {
        check_damage(error)?;
        self.tell(error, findings);
        let mut prefix = Vec::new();
        // Each smaller than the one before.
        let mut targets = Vec::new();
        while prefix.len() < TARGET_BYTES {
            // Of the first byte behind the prefix: the smallest that is known to be far enough, all below it are not.
            let (mut near, mut far) = (0, 1 + u16::from(u8::MAX));
            while near < far {
                let middle = u16::midpoint(near, far);
                let tried = [prefix.as_slice(), &[byte(middle)]].concat();
                if tried > self.last && self.can_read_from(&tried, findings)? {
                    far = middle;
                    targets.push(tried);
                } else {
                    near = middle + 1;
                }
            }
            match far.checked_sub(1) {
                Some(below) => prefix.push(byte(below)),
                None => break,
            }
        }
        let mut until = None;
        // Should one be readable no more.
        while let Some(target) = targets.pop() {
            if self.can_read_from(&target, findings)? {
                until = self.cursor.row().map(|(key, _)| key.to_vec());
                break;
            }
        }
        self.gaps.push(Gap {
            after: self.last.clone(),
            until,
        });
        Ok(())
    }

    fn can_read_from(&mut self, target: &[u8], findings: &mut Findings) -> Result<bool> {
        // RocksDB's cursor that has just failed on a block takes what lies in it for the end, without an error, when it
        // is sent there again. So it is sent where there is nothing first.
        let moved = self.cursor.seek(END);
        known(moved)?;
        let Err(error) = self.cursor.seek(target) else {
            return Ok(true);
        };
        check_damage(&error)?;
        // Another block, perhaps.
        self.tell(&error, findings);
        Ok(false)
    }

    /// Names a damaged block, once.
    fn tell(&mut self, error: &Error, findings: &mut Findings) {
        let text = error.to_string();
        if !self.told.contains(&text) {
            findings.unreadable(self.keyspace, &self.last, error);
            self.told.push(text);
        }
    }
}

fn byte(number: u16) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
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
