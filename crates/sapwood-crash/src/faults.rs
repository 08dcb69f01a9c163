//! `faults`: a disk that keeps what was waited for, and of the rest what it likes; and calls that fail.
//!
//! A child works on a store that lies on it. Its power is cut at random moments, while the child goes on; or calls of the
//! child fail from some moment on, and then the power is cut as well. What may be left is judged after each.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use sapwood::{Batch, CommitOptions, Durability, Engine};
use tempfile::TempDir;

use crate::{
    child::{config, store_path},
    event::Event,
    judge::{Case, Found, OPENING, check_clean, judge},
    kill::{eprint, remove_copies, settle},
    life::{Life, Survives},
    mounts, place,
    plan::mix,
    process::{Orders, Worker},
    progress::Progress,
    shim::{Disk, Fault, Shim, Tears, Trouble},
};

/// How many cuts and troubles there are in the life of a store, at most.
const CYCLES_OF_A_STORE: u64 = 30;
/// How often the power is cut until the child is killed and another one started.
const CUTS_OF_A_CHILD: u64 = 8;
/// How long a child works until trouble comes at once, and until it is killed.
const LONG: Duration = Duration::from_millis(150);

/// What `faults` is asked to do.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Faults {
    /// How often the power is cut or calls fail.
    #[arg(long, default_value_t = 500)]
    cycles: u64,
    /// Repeats a run, as far as it can be: moments and threads are never quite the same.
    #[arg(long)]
    seed: Option<u64>,
    /// What may be left of writes that nobody waited for; by default in order for three stores, anything for one.
    #[arg(long, value_enum)]
    tears: Option<Tears>,
    /// Where the disk is mounted and what it leaves lies; by default in memory, where there is room for files.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Lets the disk say that it has what it was told to write, and drop it: then this has to fail.
    #[arg(long, hide = true)]
    plant: bool,
    /// In a space of mounts of its own already.
    #[arg(long, hide = true)]
    inside: bool,
}

#[derive(Debug, Default)]
struct Counts {
    cycles: u64,
    stores: u64,
    commits: u64,
    cuts: u64,
    /// By kind of fault.
    troubles: [u64; 3],
    told: u64,
    lost: u64,
    refused: u64,
    again: u64,
}

/// Lets the disk fail, and checks what each fault leaves. Where it may not mount, it says so and does nothing.
pub(crate) fn run(faults: &Faults) -> Result<()> {
    if !faults.inside {
        let no_fuse =
            (!Path::new("/dev/fuse").exists()).then(|| "there is no /dev/fuse".to_owned());
        return match mounts::why_not(&[]).or(no_fuse) {
            Some(why) => {
                eprint(&format!("faults: skipped: {why}"));
                Ok(())
            }
            None => mounts::enter().context("the disk failed, and not all was well"),
        };
    }
    let seed = faults.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let mut progress = Progress::new("faults", faults.cycles);
    let place = place::new(faults.directory.as_ref())?;
    if let Err(error) = Shim::new(Disk::new(seed), place.path()) {
        progress.say(&format!("skipped: nothing can be mounted here: {error:#}"));
        return Ok(());
    }
    progress.say(&format!("seed {seed}"));
    let mut counts = Counts::default();
    while counts.cycles < faults.cycles {
        let left = (faults.cycles - counts.cycles).min(CYCLES_OF_A_STORE);
        let (store, cycle) = (counts.stores, counts.cycles);
        let again = format!(
            "to run it again: make faults CYCLES={} SEED={seed}",
            faults.cycles
        );
        Store::new(faults, mix(&[seed, store]), &place, &mut counts)?
            .live(left, &mut progress)
            .with_context(|| format!("seed {seed}, store {store}, after {cycle}; {again}"))?;
        counts.stores += 1;
    }
    let Counts {
        cuts,
        stores,
        commits,
        troubles: [write, sync, full],
        told,
        lost,
        refused,
        again,
        ..
    } = counts;
    progress.done(&format!(
        "{cuts} power cuts, {stores} stores, {commits} commits acknowledged; {write} times writing failed, {sync} times \
         waiting for the disk, {full} times the disk was full ({told} of these were told to who wrote); {lost} cuts took \
         commits that were not synced; {refused} stores with holes refused as corrupt; {again} looked at again; nothing \
         synced was lost. Seed {seed}"
    ));
    Ok(())
}

/// One store on a disk of its own.
struct Store<'a> {
    shim: Shim,
    life: Life,
    tears: Tears,
    random: fastrand::Rng,
    beside: &'a Path,
    counts: &'a mut Counts,
    done: u64,
}

impl<'a> Store<'a> {
    fn new(faults: &Faults, seed: u64, place: &'a TempDir, counts: &'a mut Counts) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let at = place.path().join(format!("disk-{}", counts.stores));
        std::fs::create_dir(&at)?;
        let mut disk = Disk::new(random.u64(..));
        disk.drops_syncs = faults.plant;
        let own = if random.u32(..4) == 0 {
            Tears::Any
        } else {
            Tears::Ordered
        };
        Ok(Self {
            shim: Shim::new(disk, &at)?,
            life: Life::new(seed, random.choice([1, 2, 4]).unwrap_or(1)),
            tears: faults.tears.unwrap_or(own),
            random,
            beside: place.path(),
            counts,
            done: 0,
        })
    }

    /// From its making on.
    fn live(mut self, cycles: u64, progress: &mut Progress) -> Result<()> {
        while self.done < cycles {
            let before = self.done;
            if self.random.u32(..3) > 0 {
                self.trouble()
            } else {
                self.cuts(cycles)
            }
            .with_context(|| format!("cycle {} of this store", self.done))?;
            progress.step(self.done - before);
            self.look_in_place()?;
        }
        let is_done = |event: &&Event| matches!(event, Event::Done { .. });
        self.counts.commits += self.life.events.iter().filter(is_done).count() as u64;
        Ok(())
    }

    fn start(&self, more: &[&str]) -> Result<Worker> {
        let orders = Orders {
            cycle: self.done,
            more: more.iter().map(|&one| one.to_owned()).collect(),
        };
        Worker::start(self.shim.path(), &self.life, &orders)
    }

    /// One more cut or trouble.
    fn count(&mut self) {
        self.done += 1;
        self.counts.cycles += 1;
    }

    /// The power is cut while a child works, some times.
    fn cuts(&mut self, cycles: u64) -> Result<()> {
        let mut worker = self.start(&[])?;
        for _ in 0..self
            .random
            .u64(1..2 * CUTS_OF_A_CHILD)
            .min(cycles - self.done)
        {
            // Of what was told before the disk is caught, this much is certain.
            let certain = self.random.bool().then_some(self.life.events.len());
            if certain.is_some() {
                let part = self.random.choice(WATCHED).unwrap_or_default();
                self.shim.watch_for(part, self.random.u64(..4));
            }
            // The first may come while the store is opened.
            let until = Duration::from_micros(self.random.u64(..60_000));
            worker.run_for(&mut self.life, until)?;
            self.count();
            let certain = certain.unwrap_or(self.life.events.len());
            self.cut(certain, Some(&mut worker))?;
        }
        worker.kill(&mut self.life)
    }

    /// Calls fail, and then the power does.
    fn trouble(&mut self) -> Result<()> {
        let (fault, most) = *self.random.choice(&FAULTS).unwrap_or(&(Fault::Full, 1));
        let trouble = Trouble {
            fault,
            // Often while the store is opened.
            after: self.random.u64(..most) / self.random.choice([1, 10]).unwrap_or(1),
            lasts: self.random.bool(),
        };
        self.shim.set_trouble(Some(trouble));
        let told = self.life.events.len();
        let mut worker = self.start(&["--troubled"])?;
        worker.run_for(&mut self.life, LONG)?;
        self.shim.hasten();
        worker.run_for(&mut self.life, LONG)?;
        worker
            .stop(&mut self.life)
            .with_context(|| format!("{trouble:?}"))?;
        let has_come = self.shim.failed() > 0;
        self.shim.set_trouble(None);
        self.count();
        if let Some(count) = self.counts.troubles.get_mut(fault as usize) {
            *count += u64::from(has_come);
        }
        let mut events = self.life.events.iter().skip(told);
        let is_told = events.any(|event| matches!(event, Event::Trouble(_)));
        ensure!(
            has_come || !is_told,
            "nothing failed, and it was told that it did"
        );
        self.counts.told += u64::from(is_told);
        let certain = self.life.events.len();
        self.cut(certain, None)
            .with_context(|| format!("{trouble:?}"))
    }

    /// What the power would leave if it were cut now.
    fn cut(&mut self, certain: usize, mut worker: Option<&mut Worker>) -> Result<()> {
        let disk = self.shim.cut();
        self.counts.cuts += 1;
        // What the child told until then is on its way.
        let mut longer = Duration::from_millis(10);
        let seed = self.random.u64(..);
        for attempt in 0.. {
            if let Some(worker) = &mut worker {
                worker.run_for(&mut self.life, longer)?;
            }
            let place = place::new(Some(&self.beside.to_path_buf()))?;
            disk.leave(self.tears, seed, place.path())?;
            match self.judge(place.path(), certain, seed) {
                Ok(found) => {
                    let mut told = self.life.events.iter().take(certain);
                    let is_lost = |event: &Event| matches!(event, Event::Done { at, .. } if *at > found.visible);
                    self.counts.lost += u64::from(told.any(is_lost));
                    return go_on(place.path(), &found, seed).context("going on after a power cut");
                }
                Err(error) if self.tears == Tears::Any && is_refused(&error) => {
                    self.counts.refused += 1;
                    eprint(&format!("faults: refused: {error:#}"));
                    return Ok(());
                }
                Err(error) if attempt < 3 && worker.is_some() && may_be_told(&error) => {
                    self.counts.again += 1;
                    longer = Duration::from_millis(100);
                }
                Err(error) => {
                    // As it was before it was opened.
                    let outside = self.beside.parent().unwrap_or(self.beside);
                    let kept = place::new(Some(&outside.to_path_buf()))?.keep();
                    disk.leave(self.tears, seed, &kept)?;
                    let (tears, kept) = (self.tears, kept.display());
                    return Err(error).with_context(|| format!("{tears:?}, kept in {kept}"));
                }
            }
        }
        Ok(())
    }

    fn judge(&self, left: &Path, certain: usize, seed: u64) -> Result<Found> {
        // Even its directory may be lost.
        std::fs::create_dir_all(left)?;
        judge(&Case {
            directory: left,
            life: &self.life,
            certain,
            survives: Survives::Synced,
            with_copies: true,
            seed,
        })
    }

    /// Without a power cut nothing is lost that was acknowledged; and the next child goes on there.
    fn look_in_place(&mut self) -> Result<()> {
        let found = judge(&Case {
            directory: self.shim.path(),
            life: &self.life,
            certain: self.life.events.len(),
            survives: Survives::All,
            with_copies: true,
            seed: mix(&[self.life.seed, 11, self.done]),
        });
        let found = found.with_context(|| format!("without a cut, after cycle {}", self.done))?;
        settle(&mut self.life, &found)?;
        remove_copies(self.shim.path(), &mut self.life)
    }
}

/// The faults, and how many calls may be well before.
const FAULTS: [(Fault, u64); 3] = [(Fault::Write, 600), (Fault::Sync, 100), (Fault::Full, 600)];

/// Files that the disk may be caught at, right after a write to them.
const WATCHED: [&str; 5] = ["MANIFEST", ".log", ".sst", ".dbtmp", "SYNCED"];

/// Whether a store was refused as corrupt when it was opened, for another reason than that synced writes are missing.
/// Copies are not excused: they were waited for before they came to their place.
fn is_refused(error: &anyhow::Error) -> bool {
    let is_opening = error.to_string() == OPENING;
    let is_loss = format!("{error:#}").contains("the disk had its writes up to");
    let own = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<sapwood::Error>());
    let mut kinds = own.map(|error| error.kind().name());
    is_opening && kinds.any(|kind| kind == "corrupt") && !is_loss
}

/// Whether it may be that what a child told was not taken in yet.
fn may_be_told(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    ["and should be from", "nobody", "was told as"]
        .iter()
        .any(|part| text.contains(part))
}

/// What is left of a store works like any other.
fn go_on(left: &Path, found: &Found, seed: u64) -> Result<()> {
    let path = store_path(left);
    let mut last = found.visible;
    for round in 0..2 {
        let engine = Engine::open_with(config(&path, mix(&[seed, round]))?)?;
        ensure!(
            engine.visible().get() == last,
            "{last} became {}",
            engine.visible()
        );
        let mut batch = Batch::new();
        batch.set(b"again", round.to_be_bytes());
        let options = CommitOptions::default().durability(Durability::Sync);
        last = engine.commit(batch, options)?.timestamp.get();
        if round == 1 {
            check_clean(&engine.verify()?)?;
        }
    }
    Ok(())
}
