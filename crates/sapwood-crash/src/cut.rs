//! `cut`: the power is cut at random moments while a child works.
//!
//! It takes the right to mount, in a space of mounts of its own: what it mounts is gone with its processes, however
//! they end.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    disks::Disks,
    event::Event,
    judge::{Case, judge},
    kill::{eprint, settle},
    life::{Life, Survives},
    mounts, place,
    plan::mix,
    process::{Orders, Worker},
    progress::Progress,
};

/// How often the power is cut in the life of a store, at most.
const CUTS_OF_A_STORE: u64 = 40;
/// How often it is cut until the child is killed and another one started.
const CUTS_OF_A_CHILD: u64 = 10;
/// How often what is left is judged again with what the child has told since.
const ATTEMPTS: u32 = 20;

/// What `cut` is asked to do.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Cuts {
    /// How often the power is cut.
    #[arg(long = "cuts", default_value_t = 1000)]
    count: u64,
    /// Repeats a run, as far as it can be: the moments of the cuts are never quite the same.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the disk is made, which takes up to 3 GiB; by default in memory, where there is room for files.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Lets the children not wait for the disk where they say that they did: then this has to fail.
    #[arg(long, hide = true)]
    plant: bool,
    /// In a space of mounts of its own already.
    #[arg(long, hide = true)]
    inside: bool,
}

#[derive(Debug, Default)]
struct Counts {
    cuts: u64,
    stores: u64,
    commits: u64,
    lost: u64,
    under_way: u64,
    again: u64,
}

/// Cuts the power, and checks what each cut leaves. Where it may not mount, it says so and does nothing.
pub(crate) fn run(cuts: &Cuts) -> Result<()> {
    if !cuts.inside {
        let tools = [("mkfs.xfs", "xfsprogs"), ("mkfs.ext4", "e2fsprogs")];
        return match mounts::why_not(&tools) {
            Some(why) => {
                eprint(&format!("cuts: skipped: {why}"));
                Ok(())
            }
            None => mounts::enter().context("power was cut, and not all was well"),
        };
    }
    let seed = cuts.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let mut progress = Progress::new("cuts", cuts.count);
    let place = place::new(cuts.directory.as_ref())?;
    let disks = match Disks::new(place) {
        Ok(disks) => disks,
        Err(error) => {
            progress.say(&format!("skipped: nothing can be mounted here: {error:#}"));
            return Ok(());
        }
    };
    progress.say(&format!("seed {seed}"));
    let mut counts = Counts::default();
    while counts.cuts < cuts.count {
        let left = (cuts.count - counts.cuts).min(CUTS_OF_A_STORE);
        let (store, cut) = (counts.stores, counts.cuts);
        live(&disks, mix(&[seed, store]), left, cuts.plant, &mut counts, &mut progress).with_context(|| {
            format!(
                "seed {seed}, store {store}, after cut {cut}; to run it again: make powercut CUTS={} SEED={seed}",
                cuts.count
            )
        })?;
        counts.stores += 1;
    }
    progress.done(&format!(
        "{} power cuts, {} stores, {} commits acknowledged; {} cuts while something beside commits was under way; \
         {} took commits that were not synced; {} looked at again; nothing synced was lost. Seed {seed}",
        counts.cuts, counts.stores, counts.commits, counts.under_way, counts.lost, counts.again
    ));
    Ok(())
}

/// One store, from its making on.
fn live(
    disks: &Disks,
    seed: u64,
    cuts: u64,
    plant: bool,
    counts: &mut Counts,
    progress: &mut Progress,
) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let directory = disks.path().join(format!("life-{}", counts.stores));
    std::fs::create_dir(&directory)?;
    let threads = random.choice([1, 2, 4]).unwrap_or(1);
    let mut life = Life::new(seed, threads);
    let mut done = 0;
    while done < cuts {
        let cycle = done;
        let orders = Orders {
            cycle,
            more: plant.then(|| "--unsynced".to_owned()).into_iter().collect(),
        };
        let mut worker = Worker::start(&directory, &life, &orders)?;
        for _ in 0..random.u64(1..2 * CUTS_OF_A_CHILD).min(cuts - done) {
            // The first may come while the store is opened.
            let until = Duration::from_micros(random.u64(..40_000));
            worker.run_for(&mut life, until)?;
            cut(
                disks,
                &directory,
                &mut worker,
                &mut life,
                mix(&[seed, 8, done]),
                counts,
            )
            .with_context(|| format!("cut {} ({done} of this store)", counts.cuts))?;
            done += 1;
            counts.cuts += 1;
            progress.step(1);
        }
        worker.kill(&mut life)?;
        let killed = Case {
            directory: &directory,
            life: &life,
            certain: life.events.len(),
            survives: Survives::All,
            with_copies: true,
            seed: mix(&[seed, 9, done]),
        };
        let found = judge(&killed).with_context(|| format!("killed after {done} cuts"))?;
        settle(&mut life, &found)?;
        crate::kill::remove_copies(&directory, &mut life)?;
    }
    let is_done = |event: &&Event| matches!(event, Event::Done { .. });
    counts.commits += life.events.iter().filter(is_done).count() as u64;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// Cuts the power once, and judges what is left, while the child goes on.
fn cut(
    disks: &Disks,
    directory: &Path,
    worker: &mut Worker,
    life: &mut Life,
    seed: u64,
    counts: &mut Counts,
) -> Result<()> {
    let certain = life.events.len();
    let image = disks.cut()?;
    let after = disks.mount_cut(&image)?;
    let name = directory.file_name().context("a name")?;
    let left = after.path().join(name);
    // Even its directory may be lost.
    std::fs::create_dir_all(&left)?;
    // What the child told until the cut is on its way.
    worker.run_for(life, Duration::from_millis(10))?;
    let mut attempts = 0;
    let found = loop {
        let case = Case {
            directory: &left,
            life,
            certain,
            survives: Survives::Synced,
            with_copies: true,
            seed,
        };
        match judge(&case) {
            Ok(found) => break found,
            // What the child told before the cut may be on its way still: then more was found than was known. That more
            // is told makes nothing right that is wrong, as what must be there is what was told before the cut.
            Err(_) if attempts < ATTEMPTS => {
                attempts += 1;
                counts.again += 1;
                worker.run_for(life, Duration::from_millis(100))?;
            }
            Err(error) => {
                let kept = keep(&left, disks.beside())?;
                return Err(error).with_context(|| format!("kept in {}", kept.display()));
            }
        }
    };
    let told = life.events.iter().take(certain);
    let is_lost = |event: &Event| matches!(event, Event::Done { at, .. } if *at > found.visible);
    counts.lost += u64::from(told.clone().any(is_lost));
    let last = told
        .rev()
        .find(|event| matches!(event, Event::Begin(_) | Event::End { .. }));
    counts.under_way += u64::from(matches!(last, Some(Event::Begin(_))));
    drop(after);
    std::fs::remove_file(image)?;
    Ok(())
}

/// Copies what a cut has left to where it stays.
fn keep(left: &Path, beside: &Path) -> Result<PathBuf> {
    let kept = place::new(Some(&beside.to_path_buf()))?.keep();
    let status = Command::new("cp").arg("-a").arg(left).arg(&kept).status()?;
    ensure!(status.success(), "what was left cannot be kept");
    Ok(kept)
}
