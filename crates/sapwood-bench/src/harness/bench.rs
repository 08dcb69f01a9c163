//! [`Bench`]: one run: its size, its scratch space and its progress.

use std::{
    cell::{OnceCell, RefCell},
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rocksdb::perf::{PerfStatsLevel, set_perf_stats};

use super::{Figure, Measured, RowSpec, disk};
use crate::{args::Args, rows};

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) keys: u32,
    pub(crate) rounds: u32,
    /// How long each side of a round is.
    pub(crate) round: Duration,
    /// Batches that each side writes in a round.
    pub(crate) batches: u32,
    /// Transactions that each side commits in a round.
    pub(crate) transactions: u32,
    /// Blind writes of one key in a run of the shape that has the most of them.
    pub(crate) blind_writes: u64,
    pub(crate) is_quick: bool,
}

impl Size {
    const FULL: Self = Self {
        keys: 200_000,
        rounds: 9,
        round: Duration::from_millis(600),
        batches: 400,
        transactions: 60_000,
        blind_writes: 1_000_000,
        is_quick: false,
    };
    const QUICK: Self = Self {
        keys: 100_000,
        rounds: 5,
        round: Duration::from_millis(250),
        batches: 150,
        transactions: 20_000,
        blind_writes: 100_000,
        is_quick: true,
    };
}

pub(crate) struct Bench {
    pub(crate) size: Size,
    only: Vec<&'static str>,
    out: PathBuf,
    scratch: tempfile::TempDir,
    bar: ProgressBar,
    sync_time: OnceCell<Duration>,
    remarks: RefCell<Vec<String>>,
}

impl Bench {
    pub(crate) fn new(args: &Args) -> Result<Self> {
        let size = if args.quick { Size::QUICK } else { Size::FULL };
        let only: Vec<_> = rows::ids().filter(|id| args.wants(id)).collect();
        // Beside the results, not in the system's temporary directory, which may be memory.
        let scratch = tempfile::Builder::new()
            .prefix("stores-")
            .tempdir_in(&args.out)
            .context("no room for the stores")?;
        let ticks = only.len() as u64 * u64::from(size.rounds);
        let style = ProgressStyle::with_template("{elapsed:>5} {bar:30} {msg}")?;
        let bar = ProgressBar::new(ticks).with_style(style);
        set_perf_stats(PerfStatsLevel::Disable);
        Ok(Self {
            size,
            only,
            out: args.out.clone(),
            scratch,
            bar,
            sync_time: OnceCell::new(),
            remarks: RefCell::default(),
        })
    }

    /// Whether a row was asked for.
    pub(crate) fn wants(&self, id: &str) -> bool {
        self.only.contains(&id)
    }

    /// Where results go.
    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    /// A path for a store of its own, below the scratch directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The same path, with what was there gone.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        Ok(path)
    }

    /// How long the disk below the stores takes to sync a small append.
    pub(crate) fn sync_time(&self) -> Result<Duration> {
        if let Some(time) = self.sync_time.get() {
            return Ok(*time);
        }
        let time = disk::sync_time(&self.path("probe"))?;
        self.remark(format!(
            "a sync of a small append takes {} us on this disk",
            time.as_micros()
        ));
        Ok(*self.sync_time.get_or_init(|| time))
    }

    /// Keeps a sentence that is printed below the table.
    pub(crate) fn remark(&self, sentence: String) {
        self.remarks.borrow_mut().push(sentence);
    }

    /// The sentences kept so far.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.remarks.borrow().clone()
    }

    /// Says what goes on.
    pub(crate) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// One round is done.
    pub(crate) fn tick(&self) {
        self.bar.inc(1);
    }

    /// Measures a row, and tells what came of it.
    pub(crate) fn run(
        &self,
        row: RowSpec,
        measure: impl FnOnce() -> Result<Measured>,
    ) -> Result<Measured> {
        self.say(row.id);
        let measured = measure().with_context(|| format!("row {}", row.id))?;
        self.tell(&measured.0);
        Ok(measured)
    }

    /// Measures rows that share what they are measured on, and tells what came of those that were asked for.
    pub(crate) fn run_together(
        &self,
        rows: &[RowSpec],
        measure: impl FnOnce(&Self) -> Result<Vec<Measured>>,
    ) -> Result<Vec<Measured>> {
        let names: Vec<_> = rows.iter().map(|row| row.id).collect();
        self.say(&names.join(", "));
        let mut measured = measure(self).with_context(|| format!("rows {}", names.join(", ")))?;
        measured.retain(|(figure, _)| self.wants(figure.id));
        measured.iter().for_each(|(figure, _)| self.tell(figure));
        Ok(measured)
    }

    /// Tells a figure while the run goes on.
    pub(crate) fn tell(&self, figure: &Figure) {
        let line = figure.line();
        if io::stderr().is_terminal() {
            self.bar.println(line);
        } else {
            // Where no bar is drawn. What cannot be told now is told again in the table.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
