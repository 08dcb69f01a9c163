//! [`RawLog`]: the output of `git log --raw -z`, one commit at a time.
//!
//! Its fields end with NUL. A field `C <id> <unix time>` begins a commit; each of its changes is two
//! fields, `:<mode> <mode> <id> <id> <status>` (the first of a commit behind a line feed) and the
//! path, as raw bytes.

use std::io::BufRead;

use crate::failure::{Failure, Result};

/// A commit of git.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawCommit {
    /// The committer's time, in seconds since 1970; 0 for one before.
    pub(super) seconds: u64,
    /// Paths and their new object ids; `None` deletes.
    pub(super) writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Reads the commits of a log.
#[derive(Debug)]
pub(super) struct RawLog<R> {
    input: R,
    /// The beginning of the next commit, when it has been read.
    next: Option<RawCommit>,
    field: Vec<u8>,
}

impl<R: BufRead> RawLog<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            next: None,
            field: Vec::new(),
        }
    }

    /// The next commit, when all of it has been read.
    pub(super) fn next_commit(&mut self) -> Result<Option<RawCommit>> {
        while self.read_field()? {
            let field = self.field.strip_prefix(b"\n").unwrap_or(&self.field);
            if let Some(header) = field.strip_prefix(b"C ") {
                let begun = RawCommit {
                    seconds: seconds(header).ok_or_else(|| garbled(field))?,
                    writes: Vec::new(),
                };
                if let Some(commit) = self.next.replace(begun) {
                    return Ok(Some(commit));
                }
                continue;
            }
            let value = change(field).ok_or_else(|| garbled(field))?.value;
            if !self.read_field()? {
                return Err(garbled(b"a change without its path"));
            }
            let commit = self.next.as_mut().ok_or_else(|| garbled(&self.field))?;
            commit.writes.push((self.field.clone(), value));
        }
        Ok(self.next.take())
    }

    /// Reads the next field; `false` at the end.
    fn read_field(&mut self) -> Result<bool> {
        self.field.clear();
        self.input
            .read_until(0, &mut self.field)
            .map_err(|error| Failure::io("git cannot be read", &error))?;
        match self.field.pop() {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(_) => Err(garbled(b"a field without its end")),
        }
    }
}

/// The time of a commit's header.
fn seconds(header: &[u8]) -> Option<u64> {
    let (_, seconds) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let seconds: i64 = seconds.parse().ok()?;
    Some(u64::try_from(seconds).unwrap_or(0))
}

/// What happened to a path.
struct Change {
    /// The new object's id; `None` where it is gone.
    value: Option<Vec<u8>>,
}

fn change(field: &[u8]) -> Option<Change> {
    let text = std::str::from_utf8(field.strip_prefix(b":")?).ok()?;
    let mut parts = text.split(' ').skip(3);
    let id = parts.next().filter(|id| id.len() >= 40)?;
    let value = match parts.next()?.as_bytes().first()? {
        b'D' => None,
        b'A' | b'M' | b'T' => Some(id.as_bytes().to_vec()),
        _ => return None,
    };
    Some(Change { value })
}

fn garbled(field: &[u8]) -> Failure {
    Failure::new(
        "corrupt",
        format!(
            "git told something that is not understood: {}",
            field.escape_ascii()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "78981922613b2afb6025042ff6bd878ac1994e85";
    const NONE: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn commits_are_read_whole() {
        let text = format!(
            "C {ID} 7\0\n:000000 100644 {NONE} {ID} A\0a\0:100644 000000 {ID} {NONE} D\0C 1 2\0\
             C {ID} -5\0C {ID} 9\0\n:100644 160000 {ID} {ID} T\0\n:x\0"
        );
        let mut log = RawLog::new(text.as_bytes());
        let id = Some(ID.as_bytes().to_vec());
        let writes = vec![(b"a".to_vec(), id.clone()), (b"C 1 2".to_vec(), None)];
        let commit = |seconds, writes| Some(RawCommit { seconds, writes });
        assert_eq!(log.next_commit().unwrap(), commit(7, writes));
        assert_eq!(log.next_commit().unwrap(), commit(0, vec![]));
        assert_eq!(
            log.next_commit().unwrap(),
            commit(9, vec![(b"\n:x".to_vec(), id)])
        );
        assert_eq!(log.next_commit().unwrap(), None);
    }

    #[test]
    fn what_is_cut_off_is_not_a_commit() {
        for text in ["C a", "C a 1\0:000000", "x\0", ":1 2 3\0a\0", "C a b\0"] {
            let mut log = RawLog::new(text.as_bytes());
            assert_eq!(log.next_commit().unwrap_err().kind, "corrupt", "{text:?}");
        }
        let text = format!("C a 1\0\n:000000 100644 {NONE} {ID} A\0");
        assert!(RawLog::new(text.as_bytes()).next_commit().is_err());
    }
}
