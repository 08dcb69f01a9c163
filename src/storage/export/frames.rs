//! The bytes of an export: written, and read or refused.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, ErrorKind as IoErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use super::Export;
use crate::{
    Key, Value,
    codec::commit::{self, Operation},
    error::{Error, ErrorKind, Result},
    limits::{KEY_MAX_BYTES, VALUE_MAX_BYTES},
    storage::{
        CommitRecord,
        batch::Write as KeyWrite,
        lineage::{Branch, Lineage},
    },
    timestamp::Timestamp,
};

const TITLE: &str = "sapwood changes ";
const FIRST_LINE: &[u8] = b"sapwood changes 1\n";
/// No payload is longer: a part is closed once it holds 256 KiB, and one change more may be as long as this.
const PAYLOAD_MAX_BYTES: usize = KEY_MAX_BYTES + VALUE_MAX_BYTES + (1 << 20);
const CHECK_BYTES: usize = 16;

const HEADER: u8 = 0;
const PART: u8 = 1;
const TRAILER: u8 = 2;

type Check = [u8; CHECK_BYTES];

/// What an export is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) after: Timestamp,
    pub(super) until: Timestamp,
    /// The newest commit at or below `after`, or `after` where that is not known.
    pub(super) base: Timestamp,
    pub(super) epoch: u64,
    pub(super) created_ms: u64,
    /// The branch at `base`.
    pub(super) branch: Branch,
    /// Those that begin at or above `base`, and below `until`.
    pub(super) branches: Vec<(Timestamp, Branch)>,
}

/// A commit, read whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) timestamp: Timestamp,
    pub(super) time: SystemTime,
    /// In key order, each key once.
    pub(super) writes: Vec<KeyWrite>,
}

impl Header {
    /// The branch at a timestamp from `base` to `until`.
    pub(super) fn branch_at(&self, at: Timestamp) -> Branch {
        let later = Lineage::new(self.branches.iter().copied()).branch_at(at);
        later.filter(|_| at > self.base).unwrap_or(self.branch)
    }

    pub(super) fn branch_name(&self) -> String {
        let digits = self.branch.iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    fn encode(&self) -> Vec<u8> {
        let numbers = [
            self.after.get(),
            self.until.get(),
            self.base.get(),
            self.epoch,
            self.created_ms,
        ];
        let mut payload: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        payload.extend_from_slice(&self.branch);
        let count = u32::try_from(self.branches.len()).unwrap_or(u32::MAX);
        payload.extend_from_slice(&count.to_be_bytes());
        for (start, branch) in &self.branches {
            payload.extend_from_slice(&start.get().to_be_bytes());
            payload.extend_from_slice(branch);
        }
        payload
    }

    fn decode(payload: &[u8]) -> Option<Self> {
        let mut rest = payload;
        let mut timestamp = || {
            let number = take_u64(&mut rest)?;
            (number <= Timestamp::MAX.get()).then(|| Timestamp::new(number))
        };
        let (after, until, base) = (timestamp()?, timestamp()?, timestamp()?);
        let (epoch, created_ms) = (take_u64(&mut rest)?, take_u64(&mut rest)?);
        let branch = *take(&mut rest)?;
        let count = u32::from_be_bytes(*take(&mut rest)?);
        let mut branches = Vec::new();
        for _ in 0..count {
            let start = Timestamp::new(take_u64(&mut rest)?);
            branches.push((start, *take(&mut rest)?));
        }
        let in_order = branches.iter().map(|(start, _)| *start);
        let is_right = base <= after
            && after <= until
            && in_order.is_sorted_by(|a, b| a < b)
            && branches
                .iter()
                .all(|(start, _)| (base..until).contains(start));
        (is_right && rest.is_empty()).then_some(Self {
            after,
            until,
            base,
            epoch,
            created_ms,
            branch,
            branches,
        })
    }

    pub(super) fn created(&self) -> SystemTime {
        time(self.created_ms)
    }
}

fn take<'a, const LENGTH: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; LENGTH]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(head)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest).copied().map(u64::from_be_bytes)
}

fn time(ms: u64) -> SystemTime {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    time.unwrap_or(UNIX_EPOCH)
}

pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The check of a frame that follows another.
fn check_of(before: &[u8], length: [u8; 4], kind: u8, payload: &[u8]) -> Check {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(length);
    digest.update([kind]);
    digest.update(payload);
    half(&digest.finalize())
}

fn half(digest: &[u8]) -> Check {
    let mut check = Check::default();
    check
        .iter_mut()
        .zip(digest)
        .for_each(|(byte, of)| *byte = *of);
    check
}

/// Writes an export.
pub(super) struct Writer<W: Write> {
    out: BufWriter<W>,
    check: Check,
    commits: u64,
    changes: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            out: BufWriter::new(out),
            check: half(&Sha256::digest(FIRST_LINE)),
            commits: 0,
            changes: 0,
        };
        writer.out.write_all(FIRST_LINE)?;
        writer.frame(HEADER, &header.encode())?;
        Ok(writer)
    }

    pub(super) fn commit(&mut self, record: &CommitRecord) -> io::Result<()> {
        let changes = record.changes.iter();
        let changes = changes.map(|change| (change.key.as_ref(), change.new.as_deref()));
        let parts = commit::encode_parts(millis(record.time), changes);
        for (number, part) in (0..).zip(parts) {
            let key = commit::encode_key(record.timestamp, number);
            self.frame(PART, &[&key[..], &part].concat())?;
        }
        self.commits += 1;
        self.changes += u64::try_from(record.changes.len()).unwrap_or(0);
        Ok(())
    }

    /// Writes the end. Returns how many commits and changes were written, and what was written to.
    pub(super) fn finish(mut self) -> io::Result<(u64, u64, W)> {
        let trailer = [self.commits.to_be_bytes(), self.changes.to_be_bytes()].concat();
        self.frame(TRAILER, &trailer)?;
        let out = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok((self.commits, self.changes, out))
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len());
        let length = length
            .map_err(|_| io::Error::other("a part is too long"))?
            .to_be_bytes();
        self.check = check_of(&self.check, length, kind, payload);
        self.out.write_all(&length)?;
        self.out.write_all(&[kind])?;
        self.out.write_all(payload)?;
        self.out.write_all(&self.check)
    }
}

/// Reads an export, commit by commit.
pub(super) struct Reader<R: Read> {
    path: PathBuf,
    input: BufReader<R>,
    check: Check,
    header: Header,
    last: Timestamp,
    commits: u64,
    changes: u64,
}

/// Opens an export, and reads its header.
pub(super) fn open(path: &Path) -> Result<Reader<File>> {
    let file = File::open(path).map_err(|error| match error.kind() {
        IoErrorKind::NotFound => {
            Error::not_found(format!("there is no export at {}", path.display()))
        }
        _ => unreadable(path, error),
    })?;
    Reader::new(path, file)
}

/// Reads an export wholly.
pub(super) fn check(path: &Path) -> Result<(Header, Export)> {
    let mut reader = open(path)?;
    while reader.next()?.is_some() {}
    let header = reader.header;
    let export = Export {
        path: path.to_path_buf(),
        after: header.after,
        until: header.until,
        epoch: header.epoch,
        created: header.created(),
        branch: header.branch_name(),
        commits: reader.commits,
        changes: reader.changes,
    };
    Ok((header, export))
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::io(
        format!("{} cannot be read: {source}", path.display()),
        source,
    )
}

fn damaged(path: &Path, what: &str) -> Error {
    let at = format!("the export {}", path.display());
    let message = format!("{at} is corrupt: {what}; export it again");
    Error::new(ErrorKind::Corrupt { at }, message)
}

impl<R: Read> Reader<R> {
    pub(super) fn new(path: &Path, input: R) -> Result<Self> {
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        let mut head = input.by_ref().take(FIRST_LINE.len() as u64);
        head.read_to_end(&mut line)
            .map_err(|source| unreadable(path, source))?;
        if line != FIRST_LINE {
            let version = line.strip_prefix(TITLE.as_bytes()).unwrap_or_default();
            return Err(
                if version.first().is_some_and(u8::is_ascii_digit) && version.first() != Some(&b'1')
                {
                    let path = path.display();
                    Error::unsupported(format!(
                        "{path} was written by a newer build; use that, or one as new"
                    ))
                } else {
                    damaged(path, "it does not begin as one")
                },
            );
        }
        let header = Header {
            after: Timestamp::ZERO,
            until: Timestamp::ZERO,
            base: Timestamp::ZERO,
            epoch: 0,
            created_ms: 0,
            branch: Branch::default(),
            branches: Vec::new(),
        };
        let mut reader = Self {
            path: path.to_path_buf(),
            input,
            check: half(&Sha256::digest(FIRST_LINE)),
            header,
            last: Timestamp::ZERO,
            commits: 0,
            changes: 0,
        };
        let (kind, payload) = reader.frame()?;
        let header = Header::decode(&payload).filter(|_| kind == HEADER);
        reader.header = header.ok_or_else(|| reader.damaged("its header cannot be read"))?;
        reader.last = reader.header.after;
        Ok(reader)
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The next commit; `None` at the end, which is there and right.
    pub(super) fn next(&mut self) -> Result<Option<Commit>> {
        let mut commit: Option<Commit> = None;
        for number in 0.. {
            let (kind, payload) = self.frame()?;
            if kind == TRAILER && commit.is_none() {
                self.end(&payload)?;
                return Ok(None);
            }
            if kind != PART {
                return Err(self.damaged("a part of a commit is missing"));
            }
            let is_last = self.part(number, &payload, &mut commit)?;
            if is_last {
                break;
            }
        }
        if let Some(commit) = &commit {
            self.last = commit.timestamp;
            self.commits += 1;
            self.changes += u64::try_from(commit.writes.len()).unwrap_or(0);
        }
        Ok(commit)
    }

    /// Adds a part of a commit. Returns whether it is the last.
    fn part(&self, number: u32, payload: &[u8], commit: &mut Option<Commit>) -> Result<bool> {
        const KEY_BYTES: usize = 12;
        let (key, value) = payload.split_at_checked(KEY_BYTES).unwrap_or_default();
        let wrong = |error: crate::codec::DecodeError| self.damaged(error.0);
        let (timestamp, part_number) = commit::decode_key(key).map_err(wrong)?;
        let part = commit::decode_part(part_number, value).map_err(wrong)?;
        let header = &self.header;
        let is_first = commit.is_none();
        let commit = commit.get_or_insert_with(|| Commit {
            timestamp,
            time: time(part.time_ms.unwrap_or_default()),
            writes: Vec::new(),
        });
        if part_number != number
            || commit.timestamp != timestamp
            || (is_first && (timestamp <= self.last || timestamp > header.until))
        {
            return Err(self.damaged("its commits are not in order"));
        }
        for change in part.changes() {
            if change.operation == Operation::Set && change.value.is_none() {
                return Err(self.damaged("a value is missing"));
            }
            let before = commit.writes.last();
            let in_order = before.is_none_or(|(before, _)| before.as_ref() < change.key);
            let length = change.value.map_or(0, <[u8]>::len);
            if !in_order || change.key.len() > KEY_MAX_BYTES || length > VALUE_MAX_BYTES {
                return Err(self.damaged("the keys of a commit are not in order, or too long"));
            }
            let value = change.value.map(Value::copy_from_slice);
            commit
                .writes
                .push((Key::copy_from_slice(change.key), value));
        }
        Ok(part.last)
    }

    fn end(&mut self, mut payload: &[u8]) -> Result<()> {
        let counts = (take_u64(&mut payload), take_u64(&mut payload));
        if counts != (Some(self.commits), Some(self.changes)) || !payload.is_empty() {
            return Err(self.damaged("its end does not fit to it"));
        }
        let mut behind = [0];
        match self.input.read(&mut behind) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("there is something behind its end")),
            Err(source) => Err(unreadable(&self.path, source)),
        }
    }

    fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let [a, b, c, d, kind] = self.exactly::<5>()?;
        let length = u32::from_be_bytes([a, b, c, d]);
        if usize::try_from(length).is_ok_and(|length| length > PAYLOAD_MAX_BYTES) {
            return Err(self.damaged("a checksum is wrong"));
        }
        let mut payload = Vec::new();
        let mut input = self.input.by_ref().take(length.into());
        let read = input.read_to_end(&mut payload);
        let read = read.map_err(|source| unreadable(&self.path, source))?;
        if u32::try_from(read) != Ok(length) {
            return Err(self.damaged("it was cut off, or a length is wrong"));
        }
        let found = self.exactly::<CHECK_BYTES>()?;
        self.check = check_of(&self.check, [a, b, c, d], kind, &payload);
        if found != self.check {
            return Err(self.damaged("a checksum is wrong"));
        }
        Ok((kind, payload))
    }

    fn exactly<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == IoErrorKind::UnexpectedEof => {
                Err(self.damaged("it was cut off"))
            }
            Err(source) => Err(unreadable(&self.path, source)),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        damaged(&self.path, what)
    }
}
