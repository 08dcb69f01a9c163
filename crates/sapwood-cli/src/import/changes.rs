//! Histories as lines of text, compressed by xz or not.
//!
//! `C ordinal commit unix_time` begins a commit; `P path id` and `D path` are its changes, with tabs
//! between the fields.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use indicatif::ProgressBar;
use liblzma::bufread::XzDecoder;

use super::{
    Open,
    sink::{Commit, Sink},
};
use crate::{
    answer::Imported,
    failure::{Failure, Result},
    progress,
};

const XZ_MAGIC: [u8; 6] = [0xFD, b'7', b'z', b'X', b'Z', 0];

/// Imports a file.
pub(super) fn import(path: &Path, open: Open<'_>) -> Result<Imported> {
    let failed =
        |error: &std::io::Error| Failure::io(format!("{} cannot be read", path.display()), error);
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if metadata.is_dir() {
        return Err(Failure::invalid(format!(
            "{} is a directory; name a file of changes",
            path.display()
        )));
    }
    let bar = progress::bytes("importing", metadata.len());
    let packed = path.extension().is_some_and(|extension| extension == "xz")
        || begins_with_magic(&mut file).map_err(|error| failed(&error))?;
    let engine = open()?;
    let mut sink = Sink::new(&engine);
    let read = read_all(file, packed, &bar, &mut sink);
    read.map_err(|failure| {
        sink.stopped(failure.explain(|message| format!("{}: {message}", path.display())))
    })?;
    bar.finish_and_clear();
    sink.finish()
}

fn begins_with_magic(file: &mut File) -> std::io::Result<bool> {
    let mut magic = Vec::new();
    file.take(XZ_MAGIC.len() as u64).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic == XZ_MAGIC)
}

fn read_all(file: File, packed: bool, bar: &ProgressBar, sink: &mut Sink<'_>) -> Result<()> {
    let counted = BufReader::new(bar.wrap_read(file));
    if packed {
        let unpacked = XzDecoder::new_multi_decoder(counted);
        commits(BufReader::new(unpacked), sink)
    } else {
        commits(counted, sink)
    }
}

/// Gives every commit to the sink as soon as the next one, or the end, shows that it is whole.
fn commits(mut input: impl BufRead, sink: &mut Sink<'_>) -> Result<()> {
    let mut commit: Option<Commit> = None;
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let read = input.read_until(b'\n', &mut line).map_err(|error| {
            Failure::new(
                "corrupt",
                format!(
                    "it is cut off or damaged behind line {}: {error}",
                    number - 1
                ),
            )
        })?;
        if read == 0 {
            break;
        }
        let Some(b'\n') = line.pop() else {
            return Err(Failure::new(
                "corrupt",
                format!("line {number} has no end; the file is cut off"),
            ));
        };
        let wrong = || {
            Failure::new(
                "corrupt",
                format!(
                    "line {number} is none of \"C ordinal commit unix_time\", \"P path id\", \
                     \"D path\": {}",
                    line.escape_ascii()
                ),
            )
        };
        match parse(&line).ok_or_else(wrong)? {
            Line::Commit(next) => {
                if let Some(whole) = commit.replace(next) {
                    sink.take(whole)?;
                }
            }
            Line::Write(key, value) => {
                let commit = commit.as_mut().ok_or_else(wrong)?;
                commit.writes.push((key, value));
            }
        }
    }
    commit.map_or(Ok(()), |whole| sink.take(whole))
}

enum Line {
    Commit(Commit),
    Write(Vec<u8>, Option<Vec<u8>>),
}

fn parse(line: &[u8]) -> Option<Line> {
    match line {
        [b'C', b' ', header @ ..] => {
            let mut fields = std::str::from_utf8(header).ok()?.split(' ');
            let timestamp = fields.next()?.parse().ok()?;
            let _id = fields.next()?;
            let seconds = fields.next()?.parse().ok()?;
            if fields.next().is_some() {
                return None;
            }
            Some(Line::Commit(Commit {
                timestamp,
                time: UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
                writes: Vec::new(),
            }))
        }
        [b'P', b'\t', change @ ..] => {
            // The id holds no tab; a path may.
            let tab = change.iter().rposition(|byte| *byte == b'\t')?;
            let (path, id) = (change.get(..tab)?, change.get(tab + 1..)?);
            (!id.is_empty()).then(|| Line::Write(path.to_vec(), Some(id.to_vec())))
        }
        [b'D', b'\t', path @ ..] => Some(Line::Write(path.to_vec(), None)),
        _ => None,
    }
}
