//! `kill`: children that are killed at random moments, again and again on the same store.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    child::store_path,
    damage,
    event::{Action, Event},
    judge::{Case, Found, judge},
    life::{Life, Survives},
    place,
    plan::mix,
    process::{Moment, Orders, Worker},
    progress::Progress,
};

/// What `kill` is asked to do.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Kills {
    /// How often a child is killed.
    #[arg(long, default_value_t = 500)]
    cycles: u64,
    /// Repeats a run, as far as it can be: the moments of the kills are never quite the same.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the stores are made.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Takes something of each log away that must not be: then this has to fail.
    #[arg(long, hide = true)]
    plant: bool,
}

/// Over how many kills a store is used.
const CYCLES_OF_A_STORE: u64 = 8;

/// What was done, to be counted.
#[derive(Debug, Default)]
struct Counts {
    cycles: u64,
    stores: u64,
    commits: u64,
    while_opening: u64,
    under_way: u64,
    untold: u64,
    damages: damage::Counts,
}

/// Kills children, and checks what each leaves.
pub(crate) fn run(kills: &Kills) -> Result<()> {
    let seed = kills.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let mut progress = Progress::new("kills", kills.cycles);
    progress.say(&format!("seed {seed}"));
    let mut counts = Counts::default();
    while counts.cycles < kills.cycles {
        let life_seed = mix(&[seed, counts.stores]);
        let place = place::new(kills.directory.as_ref())?;
        let left = kills.cycles - counts.cycles;
        let lived = live(
            &place,
            life_seed,
            left,
            kills.plant,
            &mut counts,
            &mut progress,
        );
        if lived.is_err() {
            let kept = place.keep();
            eprint(&format!(
                "kill {} of store {}; what it left is in {}\nto run it again: make crash CYCLES={} SEED={seed}",
                counts.cycles,
                counts.stores,
                kept.display(),
                kills.cycles,
            ));
        }
        lived.with_context(|| {
            format!(
                "seed {seed}, store {}, kill {}",
                counts.stores, counts.cycles
            )
        })?;
        counts.stores += 1;
    }
    progress.done(&format!(
        "{} kills, {} stores, {} commits acknowledged ({} more found); {} kills while opening, {} while \
         something beside commits was under way; logs: {}; nothing was lost. Seed {seed}",
        counts.cycles,
        counts.stores,
        counts.commits,
        counts.untold,
        counts.while_opening,
        counts.under_way,
        counts.damages,
    ));
    Ok(())
}

pub(crate) fn eprint(text: &str) {
    use std::io::Write as _;
    // Where nobody listens there is nobody to be told.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One store, from its making on.
fn live(
    place: &TempDir,
    seed: u64,
    left: u64,
    plant: bool,
    counts: &mut Counts,
    progress: &mut Progress,
) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let threads = random.choice([1, 1, 2, 4]).unwrap_or(1);
    let mut life = Life::new(seed, threads);
    for cycle in 0..random.u64(1..2 * CYCLES_OF_A_STORE).min(left) {
        let orders = Orders {
            cycle,
            ..Orders::default()
        };
        let (moment, longer) = moment(&mut random, cycle);
        let before = life.events.len();
        let mut worker = Worker::start(place.path(), &life, &orders)?;
        worker.run_to(&mut life, moment, longer)?;
        worker.kill(&mut life)?;
        counts.cycles += 1;
        if plant {
            damage::lose_the_end(place.path())?;
        }
        let told = life.events.iter().skip(before);
        counts.commits += told
            .filter(|event| matches!(event, Event::Done { .. }))
            .count() as u64;
        counts.while_opening += u64::from(
            !life
                .events
                .iter()
                .skip(before)
                .any(|event| *event == Event::Opened),
        );
        let survived = Case {
            directory: place.path(),
            life: &life,
            certain: life.events.len(),
            survives: Survives::All,
            with_copies: true,
            seed: mix(&[seed, cycle]),
        };
        if threads == 1 && !plant && store_path(place.path()).join("CURRENT").exists() {
            damage::try_all(&survived, &mut counts.damages)
                .with_context(|| format!("cycle {cycle}, its log damaged"))?;
        }
        let found =
            judge(&survived).with_context(|| format!("cycle {cycle}, killed {moment:?}"))?;
        counts.untold += found.untold.len() as u64;
        counts.under_way += u64::from(settle(&mut life, &found)?);
        remove_copies(place.path(), &mut life)?;
        progress.step(1);
    }
    Ok(())
}

/// When a child is to be killed.
fn moment(random: &mut fastrand::Rng, cycle: u64) -> (Moment, Duration) {
    let micros = |random: &mut fastrand::Rng, most: u64| Duration::from_micros(random.u64(..most));
    match random.u32(..10) {
        // Immediately after the store was made, or while it recovers.
        0 | 1 => (Moment::Opening, micros(random, 25_000)),
        2 if cycle == 0 => (Moment::Commits(1), micros(random, 1000)),
        2..6 => (Moment::Action(random.u64(1..12)), micros(random, 20_000)),
        _ => (Moment::Commits(random.u64(1..600)), micros(random, 3000)),
    }
}

/// Notes what has become of what was under way. Returns whether something beside commits was.
pub(crate) fn settle(life: &mut Life, found: &Found) -> Result<bool> {
    let under_way = life
        .events
        .iter()
        .rposition(|event| matches!(event, Event::Begin(_)));
    let under_way = under_way.filter(|begun| {
        let mut after = life.events.iter().skip(*begun);
        !after.any(|event| matches!(event, Event::End { .. }))
    });
    let told = life.events.len();
    if let Some(begun) = under_way {
        let Some(Event::Begin(action)) = life.events.get(begun).cloned() else {
            return Ok(false);
        };
        let (lowest, highest) = life.epochs(told);
        let ended = match &action {
            Action::Prune(_) => Some(found.floor),
            Action::Pin { name, .. } => found.pins.contains_key(name).then_some(0),
            Action::Unpin { name } => (!found.pins.contains_key(name)).then_some(0),
            Action::Rollback(_) => (found.epoch == highest).then_some(found.epoch),
            Action::Checkpoint { name } | Action::Restore { name } => {
                found.copies.get(name).copied()
            }
            Action::Remove { .. } | Action::Flush | Action::Compact => Some(0),
        };
        ensure!(lowest <= found.epoch, "the epoch went back");
        match ended {
            Some(value) => life.events.push(Event::end(value)),
            None => {
                life.events.remove(begun);
            }
        }
    }
    for (at, (thread, number)) in &found.untold {
        life.events.push(Event::Done {
            thread: *thread,
            number: *number,
            at: *at,
            is_synced: false,
            log: None,
        });
    }
    // What was under way and left nothing is not done again under its number.
    for (thread, next) in life.next_numbers().into_iter().enumerate() {
        life.events.push(Event::Refused {
            thread,
            number: next,
        });
    }
    Ok(under_way.is_some())
}

/// The next child does not know of the copies of the last.
pub(crate) fn remove_copies(directory: &Path, life: &mut Life) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path != store_path(directory) {
            std::fs::remove_dir_all(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.into_owned();
            life.events.push(Event::Begin(Action::Remove { name }));
            life.events.push(Event::end(0));
        }
    }
    Ok(())
}
