//! Repairing: a new store with every row that can be read, and a list of what cannot.
//!
//! It drops what `verify` names `unreadable` (blocks that cannot be read), `row` and `key` (rows that do not decode),
//! and nothing else: these are walked by the same [`Rows`] and decoded by the same functions. The damaged store is
//! only read; the copy is made beside its place and moved there in one step, and what was dropped lies in it as a text,
//! [`DROPPED`]: each row with its bytes, each part that cannot be read by the keys that it lies between.
//!
//! **What the rest means then.** A version that is gone from above the floor is noticed by later versions of its
//! key, so reads of it fail. A row of `current` is not: its key reads as absent from when its version began. So that the
//! key's past can be read still, `deleted` is given the end of the newest version that is left of it, as it is where the
//! row of `deleted` itself was lost: then that is what it was. Nor is noticed the record of a commit: differences would miss it, and rollbacks. So where records above the floor are lost, the floor of the copy
//! is raised to the last of them; where they are not merged yet, or the store's own state is lost, nothing is repaired. The
//! copy is verified, and what it lacks is reported.

use std::{fmt::Write as _, io::Write};

use super::{
    report::{Findings, RowsRead, VerifyReport},
    rows::Rows,
};
use crate::{
    backend::{Access, Backend, Keyspace, Progress, Scope},
    codec::{
        CurrentRow, DecodeError, HistoryRow, commit, deleted,
        key::{self, split_version},
        meta,
    },
    error::{Error, Result},
    storage::{copy::RowWriter, lookup, store::Store},
    timestamp::Timestamp,
};

/// The name of the list of what was dropped, in the new database.
#[cfg(feature = "rocksdb-storage")]
pub(in crate::storage) const DROPPED: &str = "DROPPED";

/// What [`RocksDBStorage::repair`](crate::RocksDBStorage::repair) did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Rows that were kept, by keyspace.
    pub kept: Vec<RowsRead>,
    /// Rows that do not decode, and were dropped.
    pub rows_dropped: u64,
    /// Parts of keyspaces that cannot be read, and were dropped.
    pub parts_dropped: u64,
    /// Keys that are taken for deleted since their newest version ended, as nothing says what became of them.
    pub deletes_added: u64,
    /// The floor of the copy. Higher than the source's where records of commits are lost.
    pub floor: Timestamp,
    /// What `verify` finds in the copy: what is missing because it was dropped, and what was wrong before and could be
    /// read.
    pub left: VerifyReport,
}

/// What was copied of a damaged store.
#[derive(Debug)]
pub(in crate::storage) struct Salvage {
    pub(in crate::storage) kept: Vec<RowsRead>,
    pub(in crate::storage) rows_dropped: u64,
    pub(in crate::storage) parts_dropped: u64,
    pub(in crate::storage) deletes_added: u64,
    pub(in crate::storage) visible: Timestamp,
    pub(in crate::storage) floor: Timestamp,
    pub(in crate::storage) epoch: u64,
    /// Whether it may be unknown of a key what became of it.
    is_fate_lost: bool,
    /// The newest record above the floor that may be lost.
    lost: Option<Timestamp>,
}

impl Store {
    /// Copies every row that can be read into an empty backend, and lists what cannot.
    pub(in crate::storage) fn salvage(
        &self,
        target: &dyn Backend,
        list: &mut dyn Write,
        progress: Progress<'_>,
    ) -> Result<Salvage> {
        let mut findings = Findings::default();
        progress(0.0, "merging");
        let view = self.view(&mut findings)?;
        let mut salvage = Salvage {
            kept: Vec::new(),
            rows_dropped: 0,
            parts_dropped: 0,
            deletes_added: 0,
            visible: view.memory.visible,
            floor: view.memory.floor,
            epoch: view.memory.epoch,
            is_fate_lost: false,
            lost: None,
        };
        let mut rows = RowWriter::new(target);
        let mut list = List(list);
        let all = [
            view.current,
            view.history,
            view.deleted,
            view.commits,
            view.meta,
        ];
        let whole = view.size_bytes.max(1);
        let mut done = 0;
        for mut source in all {
            let name = source.keyspace().name();
            #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
            let mut tick = |passed: u64| -> Result<()> {
                self.check_open()?;
                progress(((done + passed) as f64 / whole as f64).min(1.0), name);
                Ok(())
            };
            salvage.keyspace(&mut source, &mut rows, &mut list, &mut tick)?;
            done += source.passed_bytes;
        }
        if salvage.is_fate_lost {
            rows.write()?;
            progress(1.0, Keyspace::Deleted.name());
            salvage.add_deletes(target, &mut rows, &mut list)?;
        }
        salvage.raise_floor(view.is_merged, &mut rows, &mut list)?;
        rows.finish()?;
        Ok(salvage)
    }
}

impl Salvage {
    fn keyspace(
        &mut self,
        source: &mut Rows,
        target: &mut RowWriter<'_>,
        list: &mut List<'_>,
        tick: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let keyspace = source.keyspace();
        let mut findings = Findings::default();
        let mut kept = 0;
        source.first(&mut findings)?;
        while let Some((row_key, value)) = source.row() {
            match decode(keyspace, row_key, value) {
                Ok(()) => {
                    kept += 1;
                    if target.put(keyspace, row_key, value)? {
                        tick(source.passed_bytes)?;
                    }
                }
                Err(why) => self.drop_row((keyspace, row_key, value), &why, list)?,
            }
            source.step(&mut findings)?;
        }
        let why: Vec<_> = findings
            .kept
            .iter()
            .map(|found| found.message.as_str())
            .collect();
        for (after, until) in source.unreadable() {
            self.drop_part(keyspace, (after, until), &why.join("; "), list)?;
        }
        self.kept.push(RowsRead {
            keyspace: keyspace.name(),
            rows: kept,
        });
        Ok(())
    }

    fn drop_row(
        &mut self,
        (keyspace, row_key, value): (Keyspace, &[u8], &[u8]),
        why: &DecodeError,
        list: &mut List<'_>,
    ) -> Result<()> {
        check_can_go(keyspace, &lookup::place(keyspace, row_key))?;
        self.rows_dropped += 1;
        self.is_fate_lost |= matches!(keyspace, Keyspace::Current | Keyspace::Deleted);
        let (row_key_hex, value) = (hex(row_key), hex(value));
        list.say(format_args!(
            "row {} {row_key_hex} {value} {why}",
            keyspace.name()
        ))?;
        if keyspace == Keyspace::Commits {
            // Without its timestamp it may be any.
            let at = commit::decode_key(row_key).map_or(self.visible, |(at, _)| at);
            self.lose(at);
        }
        Ok(())
    }

    fn drop_part(
        &mut self,
        keyspace: Keyspace,
        (after, until): (&[u8], Option<&[u8]>),
        why: &str,
        list: &mut List<'_>,
    ) -> Result<()> {
        check_can_go(keyspace, why)?;
        self.parts_dropped += 1;
        self.is_fate_lost |= matches!(keyspace, Keyspace::Current | Keyspace::Deleted);
        let until_hex = until.map_or_else(|| "-".to_owned(), hex);
        list.say(format_args!(
            "part {} {} {until_hex} {why}",
            keyspace.name(),
            hex(after)
        ))?;
        if keyspace == Keyspace::Commits {
            let until = until.and_then(|until| commit::decode_key(until).ok());
            self.lose(until.map_or(self.visible, |(at, _)| at));
        }
        Ok(())
    }

    /// A key with versions that have ended, and no newest one, was deleted when the last of them ended, at the
    /// latest: its row of `deleted` is missing, or of an earlier delete.
    fn add_deletes(
        &mut self,
        target: &dyn Backend,
        rows: &mut RowWriter<'_>,
        list: &mut List<'_>,
    ) -> Result<()> {
        let mut history = target.cursor(Keyspace::History, Scope::default(), Access::Sweep)?;
        let mut before = Vec::new();
        history.seek_to_first()?;
        while let Some((version_key, row)) = history.row() {
            // What does not decode was dropped.
            let read = split_version(version_key)
                .and_then(|(encoded, start)| Ok((encoded, HistoryRow::peek(start, row)?.end)));
            if let Ok((encoded, end)) = read
                && encoded != before
            {
                before.clear();
                before.extend_from_slice(encoded);
                let is_known = target.get(Keyspace::Current, encoded)?.is_some()
                    || last_delete(target, encoded)?.is_some_and(|deleted| deleted >= end);
                if !is_known {
                    rows.put(Keyspace::Deleted, encoded, &deleted::encode(end))?;
                    self.deletes_added += 1;
                    let encoded = hex(encoded);
                    list.say(format_args!(
                        "deleted {encoded} {end} nothing says what came after it"
                    ))?;
                }
            }
            history.next()?;
        }
        Ok(())
    }

    fn lose(&mut self, at: Timestamp) {
        if at > self.floor {
            self.lost = self.lost.max(Some(at.min(self.visible)));
        }
    }

    /// Below a lost record neither differences nor rollbacks would be right.
    fn raise_floor(
        &mut self,
        is_merged: bool,
        target: &mut RowWriter<'_>,
        list: &mut List<'_>,
    ) -> Result<()> {
        let Some(newest) = self.lost else {
            return Ok(());
        };
        if !is_merged {
            return Err(Error::corrupt(
                format!("the record of a commit up to {newest}"),
                "recent commits cannot be merged without it, so it cannot be dropped; restore the store from a \
                 checkpoint or a backup",
            ));
        }
        let floor = self.floor;
        list.say(format_args!(
            "floor {floor} {newest} records of commits up to it are lost"
        ))?;
        self.floor = newest;
        target.put(Keyspace::Meta, meta::FLOOR, &meta::encode_timestamp(newest))?;
        Ok(())
    }
}

/// When a key was deleted last, as far as that was copied.
fn last_delete(target: &dyn Backend, encoded: &[u8]) -> Result<Option<Timestamp>> {
    let row = target.get(Keyspace::Deleted, encoded)?;
    // What does not decode was dropped.
    Ok(row.and_then(|row| deleted::decode(&row).ok()))
}

/// The lines of what was dropped.
struct List<'l>(&'l mut dyn Write);

impl List<'_> {
    fn say(&mut self, line: std::fmt::Arguments<'_>) -> Result<()> {
        writeln!(self.0, "{line}").map_err(|source| {
            Error::io(
                format!("the list of what was dropped cannot be written: {source}"),
                source,
            )
        })
    }
}

/// The store's own state is no row among others.
fn check_can_go(keyspace: Keyspace, at: &str) -> Result<()> {
    match keyspace {
        Keyspace::Meta => Err(Error::corrupt(
            at,
            "it is of the store's own state, without which nothing can be repaired; restore the store from a \
             checkpoint or a backup",
        )),
        _ => Ok(()),
    }
}

/// Whether a row can be read, by the functions that everybody reads it with.
fn decode(keyspace: Keyspace, row_key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
    match keyspace {
        Keyspace::Current => {
            key::decode(row_key)?;
            CurrentRow::peek(value)?;
        }
        Keyspace::History => {
            let (encoded, start) = split_version(row_key)?;
            key::decode(encoded)?;
            HistoryRow::peek(start, value)?;
        }
        Keyspace::Deleted => {
            key::decode(row_key)?;
            deleted::decode(value)?;
        }
        Keyspace::Commits => {
            let (_, part) = commit::decode_key(row_key)?;
            commit::decode_part(part, value)?;
        }
        // Opening has read it.
        Keyspace::Meta => {}
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
