//! [`Manifest`]: what a checkpoint or a backup is, as a small text of its own.
//!
//! ```text
//! sapwood checkpoint 1                  what it is ("sapwood backup 7" for a backup), the version of this text
//! format 1                              the format of the database
//! timestamp 42                          the newest commit in it
//! epoch 0                               how often the store had been rolled back
//! created 1763880000000                 when, in milliseconds since 1970
//! branch 51d0...9a                      whose the newest commit is; older builds wrote no such line
//! file 2411 - 000012.sst                a table, which has checksums of its own: its length
//! file 16 6e34...c1 CURRENT             any other file: its length and its SHA-256
//! end 90ab...3f                         the SHA-256 of all lines above
//! ```
//!
//! It is written last; so a directory that has a whole one holds all that it names. A backup's names no files:
//! RocksDB keeps their checksums.
//!
//! DO NOT CHANGE these words: they are part of the format on disk.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use crate::{codec::meta, storage::lineage::Branch, timestamp::Timestamp};

/// The version of the text.
const VERSION: &str = "1";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) timestamp: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) created_ms: u64,
    pub(crate) branch: Option<String>,
    pub(crate) files: Vec<FileEntry>,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// The SHA-256 of what is in it, but for tables.
    pub(crate) digest: Option<String>,
}

/// Why a text is no manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It was written by a newer build.
    Newer,
    /// It is torn, changed, or something else.
    Damaged(&'static str),
}

impl Manifest {
    /// One of now.
    pub(crate) fn new(timestamp: Timestamp, epoch: u64, files: Vec<FileEntry>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let created_ms = u64::try_from(since.unwrap_or_default().as_millis());
        Self {
            format: meta::FORMAT_VERSION,
            timestamp,
            epoch,
            created_ms: created_ms.unwrap_or(u64::MAX),
            branch: None,
            files,
        }
    }

    /// The same, with the branch that its newest commit belongs to.
    pub(crate) fn on(mut self, branch: &Branch) -> Self {
        self.branch = Some(hex(branch));
        self
    }

    pub(crate) fn created(&self) -> SystemTime {
        let since = Duration::from_millis(self.created_ms);
        UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
    }

    /// The text, under a title that says what it is of.
    pub(crate) fn to_text(&self, title: &str) -> String {
        let mut text = format!(
            "{title} {VERSION}\nformat {}\ntimestamp {}\nepoch {}\ncreated {}\n",
            self.format, self.timestamp, self.epoch, self.created_ms
        );
        if let Some(branch) = &self.branch {
            let _ = writeln!(text, "branch {branch}");
        }
        for FileEntry { name, size, digest } in &self.files {
            let digest = digest.as_deref().unwrap_or("-");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "file {size} {digest} {name}");
        }
        let digest = hex(&Sha256::digest(&text));
        let _ = writeln!(text, "end {digest}");
        text
    }

    /// Reads a text that has this title.
    pub(crate) fn parse(text: &[u8], title: &str) -> Result<Self, Refusal> {
        const TORN: Refusal = Refusal::Damaged("its end is missing");
        let text = str::from_utf8(text).map_err(|_| Refusal::Damaged("it is not text"))?;
        let first = text.lines().next().unwrap_or_default();
        match first.strip_prefix(title) {
            Some(rest) if rest.strip_prefix(' ') == Some(VERSION) => {}
            Some(rest) if rest.strip_prefix(' ').is_some_and(is_number) => {
                return Err(Refusal::Newer);
            }
            _ => return Err(Refusal::Damaged("it does not begin as one")),
        }
        let body = text.strip_suffix('\n').ok_or(TORN)?;
        let (body, end) = body.rsplit_once('\n').ok_or(TORN)?;
        let digest = end.strip_prefix("end ").ok_or(TORN)?;
        if digest != hex(&Sha256::digest(format!("{body}\n"))) {
            return Err(Refusal::Damaged("its checksum is wrong"));
        }
        let mut lines = body.lines().skip(1);
        let mut number = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            let digits = line.and_then(|line| line.strip_prefix(' '));
            let number = digits.and_then(|digits| digits.parse::<u64>().ok());
            number.ok_or(Refusal::Damaged("a line cannot be read"))
        };
        let format = number("format")?;
        let (timestamp, epoch) = (number("timestamp")?, number("epoch")?);
        let created_ms = number("created")?;
        let format = u32::try_from(format).map_err(|_| Refusal::Newer)?;
        if format > meta::FORMAT_VERSION {
            return Err(Refusal::Newer);
        }
        let mut lines = lines.peekable();
        let branch = lines.next_if(|line| line.starts_with("branch "));
        let branch = branch.and_then(|line| line.strip_prefix("branch "));
        let files = lines.map(file).collect::<Option<Vec<_>>>();
        Ok(Self {
            format,
            timestamp: Timestamp::new(timestamp),
            epoch,
            created_ms,
            branch: branch.map(str::to_owned),
            files: files.ok_or(Refusal::Damaged("a file's line cannot be read"))?,
        })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn file(line: &str) -> Option<FileEntry> {
    let rest = line.strip_prefix("file ")?;
    let (size, rest) = rest.split_once(' ')?;
    let (digest, name) = rest.split_once(' ')?;
    // One that leads out of the directory is none of ours.
    let is_plain = !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
    is_plain.then_some(())?;
    Some(FileEntry {
        name: name.to_owned(),
        size: size.parse().ok()?,
        digest: (digest != "-").then(|| digest.to_owned()),
    })
}

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TITLE: &str = "sapwood checkpoint";

    fn manifest() -> Manifest {
        let file = |name: &str, digest: Option<&str>| FileEntry {
            name: name.to_owned(),
            size: 2411,
            digest: digest.map(str::to_owned),
        };
        let files = vec![file("000012.sst", None), file("a b", Some("90ab"))];
        Manifest {
            created_ms: 1_763_880_000_000,
            ..Manifest::new(Timestamp::new(42), 3, files)
        }
    }

    #[test]
    fn its_text_is_as_written_down() {
        let text = manifest().to_text(TITLE);
        let (body, end) = text.split_at(text.find("end ").unwrap());
        assert_eq!(
            body,
            "sapwood checkpoint 1\nformat 1\ntimestamp 42\nepoch 3\ncreated 1763880000000\n\
             file 2411 - 000012.sst\nfile 2411 90ab a b\n"
        );
        assert_eq!(end.len(), 4 + 64 + 1);
        assert_eq!(Manifest::parse(text.as_bytes(), TITLE), Ok(manifest()));
        let on_a_branch = manifest().on(&[0x5a; 16]);
        let text = on_a_branch.to_text(TITLE);
        let line = format!("created 1763880000000\nbranch {}\nfile ", "5a".repeat(16));
        assert!(text.contains(&line), "{text}");
        assert_eq!(Manifest::parse(text.as_bytes(), TITLE), Ok(on_a_branch));
    }

    #[test]
    fn a_torn_or_changed_text_is_none() {
        let text = manifest().to_text(TITLE).into_bytes();
        for length in 0..text.len() {
            let torn = Manifest::parse(&text[..length], TITLE);
            assert!(
                matches!(torn, Err(Refusal::Damaged(_))),
                "{length}: {torn:?}"
            );
        }
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            assert!(
                Manifest::parse(&changed, TITLE).is_err(),
                "byte {at} changed"
            );
        }
        let longer = [&text[..], b"\n"].concat();
        assert!(Manifest::parse(&longer, TITLE).is_err());
        let other = Manifest::parse(&text, "sapwood backup 7");
        assert!(matches!(other, Err(Refusal::Damaged(_))));
    }

    #[test]
    fn a_newer_one_is_refused_as_such() {
        let newer = b"sapwood checkpoint 2\nanything";
        assert_eq!(Manifest::parse(newer, TITLE), Err(Refusal::Newer));
        let newer = Manifest {
            format: meta::FORMAT_VERSION + 1,
            ..manifest()
        };
        let text = newer.to_text(TITLE);
        assert_eq!(Manifest::parse(text.as_bytes(), TITLE), Err(Refusal::Newer));
    }

    #[test]
    fn a_file_lies_in_the_directory() {
        for name in ["", ".", "..", "../CURRENT", "/etc/passwd", "a/b"] {
            let mut bad = manifest();
            bad.files[0].name = name.to_owned();
            let text = bad.to_text(TITLE);
            assert!(Manifest::parse(text.as_bytes(), TITLE).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_manifest_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::parse(&bytes, TITLE);
        }
    }
}
