//! Who does what an operator does: prunes, pins, copies, compacts and rolls back, while the others go on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use sapwood::{
    Backups, Engine, PinOptions, RetentionPolicy, RocksDBConfig, Timestamp, VerifyReport,
};

use crate::{
    counts::Count,
    readers::{compare, digest},
    state::Witness,
    world::{World, lock},
};

/// How the working set is bounded, and where copies lie.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    pub(crate) directory: PathBuf,
    /// About so many commits are kept.
    pub(crate) retain: u64,
    /// Between two things that are done.
    pub(crate) pause: Duration,
}

const PINS: u32 = 3;
const BACKUPS: usize = 2;

impl Keeping {
    /// Where copies are made; what an earlier run has left there goes.
    pub(crate) fn copies(&self) -> PathBuf {
        self.directory.join("copies")
    }

    pub(crate) fn remove_copies(&self) -> Result<()> {
        let copies = self.copies();
        if copies.exists() {
            fs::remove_dir_all(&copies)?;
        }
        fs::create_dir_all(&copies)?;
        Ok(())
    }
}

/// Small buffers, so that much is flushed and compacted, and memory is steady soon.
pub(crate) fn config(path: &Path) -> Result<RocksDBConfig> {
    let text = path.to_str().context("a path that is not UTF-8")?;
    let mut config = RocksDBConfig::at(text);
    config.write_buffer_size = 8 << 20;
    config.block_cache_size = 48 << 20;
    config.target_file_size = 8 << 20;
    config.recent_versions_size = 8 << 20;
    config.max_background_jobs = 2;
    config.max_open_files = 256;
    Ok(config)
}

pub(crate) fn ensure_clean(what: &str, report: &VerifyReport) -> Result<()> {
    ensure!(
        report.is_clean(),
        "verify of {what} found {} violations: {:?}",
        report.violations_found,
        report.violations
    );
    Ok(())
}

impl World<'_> {
    /// Does one thing or another.
    pub(crate) fn keep(&self, keeping: &Keeping, random: &mut fastrand::Rng) -> Result<()> {
        match random.u32(..100) {
            0..30 => self.prune(keeping, random).context("pruning")?,
            30..35 => self.set_policy(keeping, random).context("retention")?,
            35..45 => self.pin(random).context("a pin")?,
            45..60 => self.read_pins().context("reading at pins")?,
            60..70 => self.engine.flush().context("flushing")?,
            70..76 => self.compact(random).context("compacting")?,
            76..86 => self.checkpoint(keeping, random).context("a checkpoint")?,
            86..92 => self.back_up(keeping, random).context("a backup")?,
            92..96 => self.roll_back(random).context("rolling back")?,
            _ => self.look().context("figures")?,
        }
        self.bound(keeping)?;
        self.shared.prune_model(self.engine.floor().get());
        if !self.shared.is_stopped() {
            std::thread::sleep(keeping.pause);
        }
        Ok(())
    }

    /// Whatever the policy: history stays small enough.
    fn bound(&self, keeping: &Keeping) -> Result<()> {
        let (floor, visible) = (self.engine.floor().get(), self.engine.visible().get());
        if visible - floor > 2 * keeping.retain {
            let before = Timestamp::new(visible - keeping.retain);
            self.engine.prune_before(before)?;
            self.shared.done(Count::Prunes);
        }
        Ok(())
    }

    fn prune(&self, keeping: &Keeping, random: &mut fastrand::Rng) -> Result<()> {
        let visible = self.engine.visible().get();
        let kept = random.u64(keeping.retain / 4..keeping.retain);
        let before = visible.saturating_sub(kept);
        let floor = self.engine.floor().get();
        let report = self.engine.prune_before(Timestamp::new(before))?;
        ensure!(
            report.floor.get() >= floor,
            "the floor went from {floor} back to {}",
            report.floor
        );
        ensure!(report.undecodable_rows == 0, "rows are damaged: {report:?}");
        self.shared.done(Count::Prunes);
        Ok(())
    }

    fn set_policy(&self, keeping: &Keeping, random: &mut fastrand::Rng) -> Result<()> {
        let policy = RetentionPolicy::keep_all();
        let policy = match random.u32(..5) {
            0 => policy,
            1 => policy
                .age(Duration::from_secs(20))
                .at_least_commits(keeping.retain / 8),
            2 => policy.history_bytes(keeping.retain << 11),
            _ => policy.commits(keeping.retain),
        };
        self.engine.set_retention(policy)?;
        self.shared.done(Count::Policies);
        if random.bool() {
            self.engine.apply_retention()?;
        }
        Ok(())
    }

    fn pin(&self, random: &mut fastrand::Rng) -> Result<()> {
        let name = format!("pin-{}", random.u32(..PINS));
        if lock(&self.shared.pins).remove(&name).is_some() {
            self.engine.unpin(&name)?;
            return Ok(());
        }
        let held = self.hold(random)?;
        let digest = self.whole(&held)?;
        let at = Timestamp::new(held.at);
        self.engine.pin(&name, at, PinOptions::default())?;
        let witness = Witness {
            timestamp: held.at,
            epoch: held.epoch,
            digest: digest.0,
        };
        lock(&self.shared.pins).insert(name, witness);
        self.shared.done(Count::Pins);
        Ok(())
    }

    /// The pins are those that were set, and hold the states that they were set for.
    pub(crate) fn read_pins(&self) -> Result<()> {
        let pins = self.engine.pins()?;
        let found: Vec<_> = pins
            .iter()
            .map(|pin| (pin.name.clone(), pin.timestamp.get()))
            .collect();
        let expected = lock(&self.shared.pins).clone();
        let names: Vec<_> = expected
            .iter()
            .map(|(name, witness)| (name.clone(), witness.timestamp))
            .collect();
        ensure!(found == names, "the pins are {found:?}, not {names:?}");
        for (name, witness) in expected {
            self.read_again(&witness)
                .with_context(|| format!("the pin {name}"))?;
        }
        Ok(())
    }

    /// Reads a state again, which is still that which it was.
    pub(crate) fn read_again(&self, witness: &Witness) -> Result<()> {
        let at = witness.timestamp;
        let snapshot = self.engine.at(Timestamp::new(at))?;
        let (found, rows) = digest(&snapshot, at)?;
        ensure!(
            found.0 == witness.digest,
            "the state at {at} is not what it was"
        );
        self.shared.done(Count::Reads);
        self.shared.counts.add(Count::Rows, rows);
        Ok(())
    }

    fn compact(&self, random: &mut fastrand::Rng) -> Result<()> {
        let first = random.u64(..self.shared.scale.documents);
        let last = first + self.shared.scale.documents / 4;
        let range = crate::content::document(first)..crate::content::document(last);
        self.engine.compact_range(range)?;
        self.shared.done(Count::Compactions);
        Ok(())
    }

    /// Figures that must come whatever goes on.
    fn look(&self) -> Result<()> {
        let status = self.engine.retention_status()?;
        ensure!(
            status.floor <= self.engine.visible(),
            "the floor is above all: {status:?}"
        );
        self.engine.stats();
        self.engine.sizes()?;
        Ok(())
    }

    fn checkpoint(&self, keeping: &Keeping, random: &mut fastrand::Rng) -> Result<()> {
        let path = keeping.copies().join("checkpoint");
        let older = self.hold(random)?;
        let made = self.engine.create_checkpoint(&path)?;
        let copy = Engine::open_read_only(&path)?;
        self.check_copy(&copy, made.timestamp.get(), older.at)?;
        drop(copy);
        fs::remove_dir_all(&path)?;
        self.shared.done(Count::Checkpoints);
        Ok(())
    }

    fn back_up(&self, keeping: &Keeping, random: &mut fastrand::Rng) -> Result<()> {
        let backups = Backups::open(keeping.directory.join("backups"));
        let older = self.hold(random)?;
        let made = backups.create(&self.engine)?;
        backups.verify(made.id)?;
        self.shared.done(Count::Backups);
        if random.u32(..3) == 0 {
            let path = keeping.copies().join("restored");
            let copy = backups.restore_with(made.id, config(&path)?)?;
            self.check_copy(&copy, made.timestamp.get(), older.at)?;
            copy.close()?;
            drop(copy);
            fs::remove_dir_all(&path)?;
            self.shared.done(Count::Restores);
        }
        backups.purge(BACKUPS)?;
        Ok(())
    }

    /// A copy holds the state at its timestamp, and those before it.
    fn check_copy(&self, copy: &Engine, at: u64, older: u64) -> Result<()> {
        ensure_clean("a copy", &copy.verify()?)?;
        let visible = copy.visible().get();
        ensure!(visible == at, "it holds {visible} instead of {at}");
        self.wait_told(at)?;
        let floor = copy.floor().get();
        for at in [older, at].into_iter().filter(|at| *at >= floor) {
            let expected = self.shared.model().state(at);
            compare(&copy.at(Timestamp::new(at))?, &expected, at)?;
            self.shared.done(Count::Reads);
            self.shared.counts.add(Count::Rows, expected.len() as u64);
        }
        Ok(())
    }

    fn roll_back(&self, random: &mut fastrand::Rng) -> Result<()> {
        let _alone = self.shared.alone();
        let pins = lock(&self.shared.pins);
        let highest = pins.values().map(|pin| pin.timestamp).max();
        drop(pins);
        let mut model = self.shared.model_mut();
        ensure!(
            model.missing().is_none(),
            "the commit {:?} was never acknowledged",
            model.missing()
        );
        let lowest = highest
            .unwrap_or(0)
            .max(self.engine.floor().get())
            .max(model.floor());
        let visible = self.engine.visible().get();
        ensure!(
            visible == model.applied(),
            "the last commit is {visible}, and the last acknowledged {}",
            model.applied()
        );
        let target = visible.saturating_sub(random.u64(1..60)).max(lowest);
        if target >= visible {
            return Ok(());
        }
        match self.engine.rollback_to(Timestamp::new(target)) {
            // The policy has moved the floor meanwhile.
            Err(error) if matches!(error.kind(), sapwood::ErrorKind::Pruned { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(report) => {
                model.roll_back(target);
                ensure!(
                    report.visible.get() == target && report.epoch == model.epoch(),
                    "rolled back to {} in epoch {} instead of {target} in {}",
                    report.visible,
                    report.epoch,
                    model.epoch()
                );
                self.shared.done(Count::Rollbacks);
                Ok(())
            }
        }
    }
}
