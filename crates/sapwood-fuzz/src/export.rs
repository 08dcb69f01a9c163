//! Exports: any bytes, a real one that was changed, and made-up frames with right checksums. What is refused has done
//! nothing; what is applied is there whole, and comes back from an export of its own.

use std::{fs, path::Path};

use arbitrary::Arbitrary;
use sapwood::{Batch, Engine, ReadView, Timestamp, codec::commit};
use sha2::{Digest, Sha256};

use super::engines::{directory, states};

const FIRST_LINE: &[u8] = b"sapwood changes 1\n";

type Changes<'a> = Vec<(&'a [u8], Option<&'a [u8]>)>;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// A file of these bytes.
    Bytes(&'a [u8]),
    /// The export of these commits, changed in this way.
    Changed {
        commits: Vec<Changes<'a>>,
        back: Option<u8>,
        edits: Vec<Edit<'a>>,
    },
    /// A file of these frames.
    Frames {
        header: Header,
        frames: Vec<Frame<'a>>,
        counts: Option<(u64, u64)>,
        behind: &'a [u8],
    },
}

/// A change of a file. Places are counted from its beginning, again and again.
#[derive(Arbitrary, Debug)]
pub(super) enum Edit<'a> {
    Flip { at: u16, bits: u8 },
    Cut { at: u16 },
    Remove { at: u16, count: u8 },
    Insert { at: u16, bytes: &'a [u8] },
    Append(&'a [u8]),
}

/// A number: mostly small, so that several are near each other.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Small(u8),
    Large(u64),
}

#[derive(Arbitrary, Debug)]
struct Header {
    after: Number,
    until: Number,
    base: Number,
    epoch: u64,
    created_ms: u64,
    branch: [u8; 16],
    branches: Vec<(Number, [u8; 16])>,
    /// Whether their number is what is said.
    is_counted: bool,
}

#[derive(Arbitrary, Debug)]
enum Frame<'a> {
    /// All parts of a commit, each change as it is given.
    Commit {
        at: Number,
        time_ms: u64,
        changes: Changes<'a>,
        is_sorted: bool,
    },
    Part {
        at: Number,
        part: u8,
        bytes: &'a [u8],
    },
    Other {
        kind: u8,
        bytes: &'a [u8],
    },
}

impl Number {
    fn get(self) -> u64 {
        match self {
            Self::Small(number) => u64::from(number),
            Self::Large(number) => number,
        }
    }
}

impl Edit<'_> {
    pub(super) fn apply(&self, file: &mut Vec<u8>) {
        let length = file.len();
        let place = |at: u16| usize::from(at) % length.max(1);
        match self {
            Self::Flip { at, bits } => {
                if let Some(byte) = file.get_mut(place(*at)) {
                    *byte ^= bits;
                }
            }
            Self::Cut { at } => file.truncate(place(*at)),
            Self::Remove { at, count } => {
                let from = place(*at);
                file.drain(from..(from + usize::from(*count)).min(length));
            }
            Self::Insert { at, bytes } => {
                let from = place(*at);
                file.splice(from..from, bytes.iter().copied());
            }
            Self::Append(bytes) => file.extend_from_slice(bytes),
        }
    }
}

pub(super) fn run(input: &[u8]) {
    let directory = directory();
    let path = directory.path().join("export");
    match super::read(input) {
        Some(Input::Bytes(bytes)) => {
            fs::write(&path, bytes).expect("write");
            apply(&path);
        }
        Some(Input::Changed {
            commits,
            back,
            edits,
        }) => changed(&path, &commits, back, &edits),
        Some(Input::Frames {
            header,
            frames,
            counts,
            behind,
        }) => {
            let mut file = framed(&header, &frames, counts);
            file.extend_from_slice(behind);
            fs::write(&path, file).expect("write");
            apply(&path);
        }
        None => {}
    }
}

/// Applies a file to an empty database. What is refused has done nothing; what is not, is there.
fn apply(path: &Path) -> Option<Engine> {
    let engine = Engine::in_memory();
    let applied = match engine.apply_export(path) {
        Ok(applied) => applied,
        Err(error) => {
            let kind = error.kind().name();
            assert!(
                ["corrupt", "unsupported", "invalid"].contains(&kind),
                "{error:?}"
            );
            assert_eq!(engine.visible(), Timestamp::ZERO, "{error}");
            assert_eq!(engine.range(..).count(), 0, "{error}");
            assert_eq!(engine.commit_log(..).expect("a log").count(), 0, "{error}");
            engine.set("k", "v").expect("it is as new");
            return None;
        }
    };
    assert_eq!((applied.visible, applied.skipped), (engine.visible(), 0));
    let held = states(&engine).expect("all can be read");
    assert_eq!(held.len() as u64, applied.commits);
    let report = engine.verify().expect("verify");
    assert!(report.is_clean(), "{report:?}");
    if applied.commits > 0 {
        let error = engine
            .apply_export(path)
            .expect_err("it was applied already");
        assert_eq!(error.kind().name(), "invalid", "{error}");
        // What it holds goes on from there to another.
        let again = path.with_extension("again");
        engine
            .export(Timestamp::ZERO, engine.visible(), &again)
            .expect("an export of its own");
        let other = Engine::in_memory();
        other.apply_export(&again).expect("its own export");
        assert_eq!(states(&other).expect("all can be read"), held);
    }
    Some(engine)
}

fn changed(path: &Path, commits: &[Changes<'_>], back: Option<u8>, edits: &[Edit<'_>]) {
    let source = Engine::in_memory();
    for changes in commits {
        let mut batch = Batch::new();
        for (key, value) in changes {
            match value {
                Some(value) => batch.set(key, value),
                None => batch.delete(key),
            };
        }
        source
            .commit(batch, sapwood::CommitOptions::default())
            .expect("commit");
    }
    if let Some(back) = back {
        let target = source.visible().get().saturating_sub(u64::from(back % 8));
        source
            .rollback_to(Timestamp::new(target))
            .expect("roll back");
    }
    source
        .export(Timestamp::ZERO, source.visible(), path)
        .expect("export");
    let whole = fs::read(path).expect("read");
    let mut file = whole.clone();
    for edit in edits {
        edit.apply(&mut file);
    }
    fs::write(path, &file).expect("write");
    let applied = apply(path);
    assert_eq!(applied.is_some(), file == whole, "a change is seen");
    if let Some(copy) = applied {
        assert_eq!(states(&copy).expect("read"), states(&source).expect("read"));
    }
}

/// A file of frames whose checksums are right.
fn framed(header: &Header, frames: &[Frame<'_>], counts: Option<(u64, u64)>) -> Vec<u8> {
    let mut file = FIRST_LINE.to_vec();
    let mut check = Sha256::digest(FIRST_LINE)[..16].to_vec();
    let mut push = |kind: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len())
            .expect("a short frame")
            .to_be_bytes();
        let digest = Sha256::digest([&check[..], &length, &[kind], payload].concat());
        check = digest[..16].to_vec();
        for bytes in [&length[..], &[kind], payload, &check] {
            file.extend_from_slice(bytes);
        }
    };
    push(0, &header.encode());
    let (mut commits, mut all) = (0_u64, 0_u64);
    for frame in frames {
        match frame {
            Frame::Commit {
                at,
                time_ms,
                changes,
                is_sorted,
            } => {
                let mut changes = changes.clone();
                if *is_sorted {
                    changes.sort();
                    changes.dedup_by(|(a, _), (b, _)| a == b);
                }
                commits += 1;
                all += changes.len() as u64;
                let parts = commit::encode_parts(*time_ms, changes);
                for (number, part) in (0..).zip(parts) {
                    let key = commit::encode_key(Timestamp::new(at.get()), number);
                    push(1, &[&key[..], &part].concat());
                }
            }
            Frame::Part { at, part, bytes } => {
                let key = commit::encode_key(Timestamp::new(at.get()), u32::from(*part));
                push(1, &[&key[..], bytes].concat());
            }
            Frame::Other { kind, bytes } => push(*kind, bytes),
        }
    }
    let (commits, all) = counts.unwrap_or((commits, all));
    push(2, &[commits.to_be_bytes(), all.to_be_bytes()].concat());
    file
}

impl Header {
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
        let count = u32::try_from(self.branches.len()).expect("few branches");
        let count = if self.is_counted { count } else { u32::MAX };
        payload.extend_from_slice(&count.to_be_bytes());
        for (start, branch) in &self.branches {
            payload.extend_from_slice(&start.get().to_be_bytes());
            payload.extend_from_slice(branch);
        }
        payload
    }
}
