//! The oracle's lines, and what each demands of the engine.

use std::{collections::BTreeSet, fs, path::Path};

use sapwood::{Engine, ReadView, Timestamp, Version};
use sha2::{Digest, Sha256};

/// What git writes for "no object".
const ZEROS: &str = "0000000000000000000000000000000000000000";

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) snaps: Vec<Snap>,
    pub(crate) diffs: Vec<Diff>,
    pub(crate) histories: Vec<History>,
}

/// The live paths at an ordinal, as a hash of `path TAB oid` lines.
#[derive(Debug)]
pub(crate) struct Snap {
    pub(crate) ordinal: u64,
    paths: usize,
    hash: String,
}

/// The changes between two ordinals, as a hash of `STATUS TAB path TAB oid` lines.
#[derive(Debug)]
pub(crate) struct Diff {
    pub(crate) old: u64,
    pub(crate) new: u64,
    changes: usize,
    hash: String,
}

/// All versions of a path, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    path: String,
    versions: Vec<(u64, String)>,
}

impl Oracle {
    pub(crate) fn read(path: &Path) -> Self {
        let mut oracle = Self::default();
        for line in fs::read_to_string(path).unwrap().lines() {
            let number = |word: &str| word.parse().unwrap();
            match line.split_once(' ').unwrap() {
                ("#", _) => {}
                ("SNAP", rest) => {
                    let [ordinal, paths, hash] = words(rest);
                    let paths = usize::try_from(number(paths)).unwrap();
                    let snap = Snap {
                        ordinal: number(ordinal),
                        paths,
                        hash: hash.to_owned(),
                    };
                    oracle.snaps.push(snap);
                }
                ("DIFF", rest) => {
                    let [old, new, changes, hash] = words(rest);
                    let changes = usize::try_from(number(changes)).unwrap();
                    let hash = hash.to_owned();
                    oracle.diffs.push(Diff {
                        old: number(old),
                        new: number(new),
                        changes,
                        hash,
                    });
                }
                ("HIST", rest) => {
                    let (path, versions) = rest.rsplit_once(" : ").unwrap();
                    let version = |word: &str| {
                        let (ordinal, oid) = word.split_once(':').unwrap();
                        (number(ordinal), oid.to_owned())
                    };
                    let versions = versions.split(' ').map(version).collect();
                    oracle.histories.push(History {
                        path: path.to_owned(),
                        versions,
                    });
                }
                _ => panic!("an unknown line of the oracle: {line}"),
            }
        }
        assert!(oracle.len() > 200, "the oracle has {} lines", oracle.len());
        oracle
    }

    pub(crate) fn len(&self) -> usize {
        self.snaps.len() + self.diffs.len() + self.histories.len()
    }
}

fn words<const N: usize>(line: &str) -> [&str; N] {
    line.split(' ').collect::<Vec<_>>().try_into().unwrap()
}

fn hash(lines: &[Vec<u8>]) -> String {
    let digest = Sha256::digest(lines.join(&b'\n'));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Snap {
    pub(crate) fn check(&self, engine: &Engine) {
        let state = engine.at(Timestamp::new(self.ordinal)).unwrap();
        let line = |row: sapwood::Result<(sapwood::Key, sapwood::Value)>| {
            let (path, oid) = row.unwrap();
            [path.as_ref(), b"\t", oid.as_ref()].concat()
        };
        let lines: Vec<_> = state.range(..).map(line).collect();
        assert_eq!(
            (lines.len(), hash(&lines)),
            (self.paths, self.hash.clone()),
            "{self:?}"
        );
        let mut backward: Vec<_> = state.range(..).rev().map(line).collect();
        backward.reverse();
        assert!(backward == lines, "backward at {}", self.ordinal);
    }
}

impl Diff {
    pub(crate) fn check(&self, engine: &Engine) {
        let diff = engine
            .diff(Timestamp::new(self.old), Timestamp::new(self.new))
            .unwrap();
        let mut lines: Vec<_> = diff
            .map(|change| {
                let change = change.unwrap();
                let (status, oid) = match (&change.old, &change.new) {
                    (None, Some(new)) => (&b"A"[..], new.as_ref()),
                    (Some(_), Some(new)) => (&b"M"[..], new.as_ref()),
                    (_, None) => (&b"D"[..], ZEROS.as_bytes()),
                };
                [status, b"\t", change.key.as_ref(), b"\t", oid].concat()
            })
            .collect();
        lines.sort_unstable();
        assert_eq!(
            (lines.len(), hash(&lines)),
            (self.changes, self.hash.clone()),
            "{self:?}"
        );
    }
}

impl History {
    /// Compares all versions; after pruning, those that the floor and the pins leave.
    pub(crate) fn check(&self, engine: &Engine, pruned: Option<(u64, &BTreeSet<u64>)>) {
        let found: Vec<Version> = engine
            .history(&self.path, ..)
            .unwrap()
            .rev()
            .collect::<Result<_, _>>()
            .unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|v| (v.start.get(), v.end.map(Timestamp::get), v.value.as_ref()))
            .collect();
        let ends = self
            .versions
            .iter()
            .skip(1)
            .map(|(ordinal, _)| Some(*ordinal));
        let all = self.versions.iter().zip(ends.chain([None]));
        let mut expected: Vec<_> = all
            .filter(|((_, oid), _)| oid != ZEROS)
            .map(|((start, oid), end)| (*start, end, oid.as_bytes()))
            .collect();
        if let Some((floor, pins)) = pruned {
            expected.retain(|(start, end, _)| {
                end.is_none_or(|end| end > floor || pins.range(*start..end).next().is_some())
            });
        }
        assert_eq!(found, expected, "{}", self.path);
    }
}
