//! Verifying: whether everything that is stored keeps the invariants of the layout.
//!
//! [`Store::verify`] takes a view of all keyspaces at one moment and walks it in order, while commits, merges and
//! prunes go on:
//!
//! 1. merge everything, so that all versions are rows;
//! 2. take the turn to commit, the lock of floor and pins and the merge, merge the little that came since, and
//!    open a cursor over each keyspace: nothing writes meanwhile, so they show one moment. Note the visible
//!    timestamp, the floor, the pins and the epoch, and let everybody go on;
//! 3. `meta`; then `current`, `deleted` and `history` side by side in key order; then `commits`;
//! 4. where versions and records do not tell the same, walk both again and look up what they disagree about.
//!
//! | module | owns |
//! |---|---|
//! | `report` | the rules, by name, and what is reported |
//! | `rows` | a keyspace in order, across parts that cannot be read |
//! | `keys`, `records`, `marks` | the rules of versions, of records, of `meta` |
//! | `repair` | a copy without what cannot be read |
//! | `sums` | whether versions and records tell the same, in 512 KiB |
//!
//! **Why this view is right.** A cursor keeps what it shows: files that a compaction replaces stay until it is
//! closed. All writes are commits, merges, prunes, pins and rollbacks, and each of them holds one of the locks of
//! step 2. Only filters run beside: between the first cursor and the last one may drop rows, but none that the floor
//! of that moment (no lower than any that a filter took) asks for. So nothing at or below that floor is demanded, and
//! everything above it is. A pin demands nothing: it may lie before the version that ended at a `previous_end`.
//!
//! **Checksums.** The backend checks the block of every row that it reads from a file, and with that what
//! this walk reads; RocksDB's own walk over files (`VerifyChecksum`) is not in reach of safe code. Blocks that are
//! cached are not read from the disk again: to have every block read, verify a store that was just opened.
//!
//! **Memory** is that of five cursors, of [`sums`], of a part of a record and of the violations that are listed;
//! RocksDB keeps the files and memtables of the view until it is done.

mod keys;
mod marks;
mod records;
pub(super) mod repair;
mod report;
mod rows;
mod sums;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

pub use repair::RepairReport;
pub use report::{RowsRead, Rule, VerifyReport, Violation};

use keys::{Bounds, Versions};
use marks::{InMemory, Marks};
use records::{Merged, Records};
use report::Findings;
use rows::Rows;
use sums::Sums;

use super::store::Store;
use crate::{
    backend::{Keyspace, Progress},
    codec::key,
    error::{ErrorKind, Result},
    metrics::Timed,
    trace,
};

/// Progress is told, and the store asked whether it is still open, each time that so many keys or parts were
/// passed.
const TICK: u64 = 4096;

/// All keyspaces at one moment.
struct View {
    current: Rows,
    history: Rows,
    deleted: Rows,
    commits: Rows,
    meta: Rows,
    memory: InMemory,
    /// Whether everything was merged.
    is_merged: bool,
    /// The bytes of the keyspaces of versions, by the backend's count.
    size_bytes: u64,
}

impl Store {
    /// Walks everything that is stored.
    pub(crate) fn verify(&self, progress: Progress<'_>) -> Result<VerifyReport> {
        let _timing = self.meter.time(Timed::Verify);
        let span = trace::verify().entered();
        let report = self.walk_all(progress)?;
        span.record("visible", report.visible.get());
        span.record("violations", report.violations_found);
        Ok(report)
    }

    fn walk_all(&self, progress: Progress<'_>) -> Result<VerifyReport> {
        let mut findings = Findings::default();
        progress(0.0, "merging");
        let mut view = self.view(&mut findings)?;
        let marks = Marks::walk(&mut view.meta, &view.memory, &mut findings)?;
        let visible = view.memory.visible;
        let bounds = Bounds {
            // What a filter has used is at or below both.
            floor: marks.floor.max(view.memory.floor),
            visible,
        };
        let merged = Merged {
            to: marks.merged,
            trimmed: marks.trimmed,
            is_all: view.is_merged,
        };
        let mut sums = Sums::new();
        let mut newest = marks.merged.max(bounds.floor);
        let whole = view.size_bytes.max(1);
        let mut ticks = 0;
        let mut tick = |part: f64, what: &str| -> Result<()> {
            ticks += 1;
            if ticks % TICK == 0 {
                self.check_open()?;
                progress(part, what);
            }
            Ok(())
        };

        #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
        view.versions(bounds).walk(
            &mut findings,
            &mut |told| {
                sums.add(told);
                Ok(())
            },
            &mut |passed| tick(0.8 * (passed as f64 / whole as f64).min(1.0), "versions"),
        )?;
        #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
        view.records(bounds, merged).walk(
            &mut findings,
            &mut |told| {
                sums.subtract(told);
                Ok(())
            },
            &mut |at| {
                newest = newest.max(at);
                let part = at.get() as f64 / (visible.get().max(1)) as f64;
                tick(0.8 + 0.2 * part.min(1.0), "commits")
            },
        )?;
        let rows = view.rows_read();
        if newest < visible && view.commits.gaps() == 0 {
            findings.add(
                Rule::Clock,
                Keyspace::Commits,
                None,
                &[newest, visible],
                || {
                    format!(
                        "the last commit was {visible}, but nothing tells of one after {newest}"
                    )
                },
            );
        }
        if !sums.agree() {
            let mut tick = || tick(1.0, "what versions and commits disagree about");
            view.compare(bounds, merged, &mut sums, &mut findings, &mut tick)?;
        }
        Ok(VerifyReport {
            visible,
            floor: bounds.floor,
            epoch: view.memory.epoch,
            rows,
            violations: findings.kept,
            violations_found: findings.found,
        })
    }

    /// Takes a view of one moment.
    fn view(&self, findings: &mut Findings) -> Result<View> {
        // Most of it while others commit.
        self.merge_if_possible()?;
        let _turn = self.commit_turn()?;
        let _retention = self.retention.lock();
        self.check_open()?;
        // After a rollback that has failed half-way the rows say nothing.
        self.clock.era()?;
        let failed = self.merge_if_possible()?;
        // Whoever committed may be paying.
        let _merge = self.merge.lock();
        if let Some(why) = &failed {
            findings.add(Rule::Merge, Keyspace::Commits, None, &[], || {
                format!("recent commits cannot be merged: {why}")
            });
        }
        let open = |keyspace| Rows::open(self.backend.as_ref(), keyspace);
        let versions = [Keyspace::Current, Keyspace::History, Keyspace::Deleted];
        let sizes = versions.map(|keyspace| self.backend.size_bytes(keyspace).unwrap_or(0));
        let feeds = self.feeds()?.into_iter();
        let pins = self.pins.read();
        let pins = pins.iter().map(|pin| (pin.name.clone(), pin.timestamp));
        Ok(View {
            current: open(Keyspace::Current)?,
            history: open(Keyspace::History)?,
            deleted: open(Keyspace::Deleted)?,
            commits: open(Keyspace::Commits)?,
            meta: open(Keyspace::Meta)?,
            memory: InMemory {
                visible: self.clock.visible(),
                floor: self.floor(),
                epoch: self.clock.epoch(),
                pins: pins.collect(),
                feeds: feeds.map(|feed| (feed.name, feed.position)).collect(),
            },
            is_merged: failed.is_none(),
            size_bytes: sizes.iter().sum(),
        })
    }

    /// Merges everything. Returns why not, where a row is in the way: to name such rows is what this is for.
    fn merge_if_possible(&self) -> Result<Option<String>> {
        match self.merge_all() {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                Ok(Some(error.to_string()))
            }
            merged => merged.map(|()| None),
        }
    }
}

impl View {
    fn versions(&mut self, bounds: Bounds) -> Versions<'_> {
        Versions {
            current: &mut self.current,
            deleted: &mut self.deleted,
            history: &mut self.history,
            bounds,
        }
    }

    fn records(&mut self, bounds: Bounds, merged: Merged) -> Records<'_> {
        Records {
            commits: &mut self.commits,
            bounds,
            merged,
        }
    }

    fn rows_read(&self) -> Vec<RowsRead> {
        let all = [
            &self.current,
            &self.history,
            &self.deleted,
            &self.commits,
            &self.meta,
        ];
        let read = |rows: &Rows| RowsRead {
            keyspace: rows.keyspace().name(),
            rows: rows.passed,
        };
        all.map(read).to_vec()
    }

    /// Walks versions and records again, and looks up in the others what they disagree about.
    fn compare(
        &mut self,
        bounds: Bounds,
        merged: Merged,
        sums: &mut Sums,
        findings: &mut Findings,
        tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        // What else they find was found before.
        let mut again = Findings::default();
        let mut versions = Versions {
            current: &mut self.current,
            deleted: &mut self.deleted,
            history: &mut self.history,
            bounds,
        };
        let mut records = Records {
            commits: &mut self.commits,
            bounds,
            merged,
        };
        versions.walk(
            &mut again,
            &mut |told| {
                if sums.disagree_at(told) && records.has(told)? == Some(false) {
                    let (encoded, at, operation) = told;
                    let user_key = key::decode(encoded).unwrap_or_default();
                    records::unlisted(findings, &user_key, at, operation);
                }
                Ok(())
            },
            &mut |_| tick(),
        )?;
        records.walk(
            &mut again,
            &mut |told| {
                if sums.disagree_at(told) && versions.has(told)? == Some(false) {
                    let (encoded, at, operation) = told;
                    let user_key = key::decode(encoded).unwrap_or_default();
                    records::lost(findings, &user_key, at, operation);
                }
                Ok(())
            },
            &mut |_| tick(),
        )
    }
}
