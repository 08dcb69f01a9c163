//! `points`: children that are ended at every failpoint, at every time that they reach it.
//!
//! All begin with a copy of one store and do the same. A first one counts how often it comes by each point; then for
//! each point and each of its times a child is ended right there. Another one, which opens what that has left, is
//! ended at the same point; a third one works on to its end. What each leaves is judged.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use sapwood::failpoint::Point;
use tempfile::TempDir;

use crate::{
    child::{self, Task, store_path},
    event::Event,
    judge::{Case, judge},
    kill::{remove_copies, settle},
    life::{Life, Survives},
    place,
    plan::mix,
    process::{Orders, Worker},
    progress::Progress,
};

const SIGABRT: i32 = 6;
/// Stores that are tried until all points are reached.
const ATTEMPTS: u64 = 30;

/// What `points` is asked to do.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Aborts {
    /// At how many of the times that a point is reached, at most, spread evenly.
    #[arg(long, default_value_t = u64::MAX)]
    times: u64,
    /// Operations of a child.
    #[arg(long, default_value_t = 120)]
    operations: u64,
    /// Threads of a child. With several of them commits are grouped, and not every time is reached again.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long)]
    seed: Option<u64>,
    /// Only this point.
    #[arg(long)]
    point: Option<String>,
    /// Where the stores are made.
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// What a child has counted.
#[derive(Debug)]
pub(crate) struct Counted(Vec<(&'static str, Arc<AtomicU64>)>);

impl Counted {
    pub(crate) fn tell(&self) {
        for (point, times) in &self.0 {
            child::tell(&Event::Reached {
                point: (*point).to_owned(),
                times: times.load(Ordering::SeqCst),
            });
        }
    }
}

/// Lets a child count the points that it comes by, or end at one of them.
pub(crate) fn arm(task: &Task) -> Result<Counted> {
    let end = match task.abort_at.as_deref().map(|at| at.split_once(':')) {
        Some(Some((point, time))) => Some((point, time.parse::<u64>()?)),
        Some(None) => return Err(anyhow!("--abort-at NAME:TIME")),
        None => None,
    };
    let mut counted = Vec::new();
    for point in Point::ALL {
        let name = point.name();
        let end = end.filter(|(at, _)| *at == name).map(|(_, time)| time);
        if !task.count && end.is_none() {
            continue;
        }
        let times = Arc::new(AtomicU64::new(0));
        counted.push((name, Arc::clone(&times)));
        let reached = move || {
            if Some(times.fetch_add(1, Ordering::SeqCst) + 1) == end {
                process::abort();
            }
        };
        fail::cfg_callback(name, reached).map_err(|error| anyhow!(error))?;
    }
    Ok(Counted(counted))
}

/// A store from which all children begin.
struct Base {
    place: TempDir,
    life: Life,
    operations: u64,
}

/// Ends children at every point.
pub(crate) fn run(aborts: &Aborts) -> Result<()> {
    let seed = aborts.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let (base, counts) = Base::that_reaches_all(aborts, seed)?;
    let all = counts.values().map(|times| aborts.times.min(*times)).sum();
    let mut progress = Progress::new("failpoints", all);
    progress.say(&format!(
        "seed {seed}, {} points, reached {} times",
        counts.len(),
        counts.values().sum::<u64>()
    ));
    let mut missed = 0;
    for (point, times) in &counts {
        let tried = aborts.times.min(*times);
        for index in 0..tried {
            // The first and the last among them.
            let time = 1 + index * (times - 1) / (tried - 1).max(1);
            let reached = base.end_at(point, time, aborts).with_context(|| {
                format!(
                    "ended at {point}, time {time}; to run it again: sapwood-crash points --seed {seed} --operations {} \
                     --threads {} --point {point}",
                    aborts.operations, aborts.threads
                )
            })?;
            missed += u64::from(!reached);
            progress.step(1);
        }
    }
    progress.done(&format!(
        "{all} children ended at {} points ({missed} of them came to their end before); nothing was lost. Seed {seed}",
        counts.len()
    ));
    Ok(())
}

impl Base {
    /// A store whose children come by every point that is asked for, and how often they do.
    fn that_reaches_all(aborts: &Aborts, seed: u64) -> Result<(Self, BTreeMap<String, u64>)> {
        for attempt in 0..ATTEMPTS {
            let base = Self::new(aborts, mix(&[seed, attempt]))?;
            let mut counts = base.count()?;
            if let Some(only) = &aborts.point {
                counts.retain(|point, _| point == only);
            }
            if !counts.is_empty() && counts.values().all(|times| *times > 0) {
                return Ok((base, counts));
            }
        }
        bail!("some points were never reached; try more operations, or another seed than {seed}")
    }

    fn new(aborts: &Aborts, seed: u64) -> Result<Self> {
        let place = place::new(aborts.directory.as_ref())?;
        let mut life = Life::new(seed, aborts.threads);
        let operations = aborts.operations;
        let done = work(place.path(), &mut life, 0, operations, &[])?;
        ensure!(done, "the first child did not come to its end");
        remove_copies(place.path(), &mut life)?;
        Ok(Self {
            place,
            life,
            operations,
        })
    }

    /// How often a child comes by each point.
    fn count(&self) -> Result<BTreeMap<String, u64>> {
        let place = TempDir::new_in(self.place.path().parent().context("a parent")?)?;
        copy(self.place.path(), place.path())?;
        let mut life = self.life.clone();
        let done = work(
            place.path(),
            &mut life,
            1,
            self.operations,
            &["--count".to_owned()],
        )?;
        ensure!(done, "the child that counts did not come to its end");
        let counts = life.events.into_iter().filter_map(|event| match event {
            Event::Reached { point, times } => Some((point, times)),
            _ => None,
        });
        Ok(counts.collect())
    }

    /// Ends a child at a point, and another one while it opens what that has left. Returns whether the first came so far.
    fn end_at(&self, point: &str, time: u64, aborts: &Aborts) -> Result<bool> {
        let place = place::new(aborts.directory.as_ref())?;
        copy(self.place.path(), place.path())?;
        let mut life = self.life.clone();
        let abort_at = |point: &str, time| ["--abort-at".to_owned(), format!("{point}:{time}")];
        let done = work(
            place.path(),
            &mut life,
            1,
            self.operations,
            &abort_at(point, time),
        )?;
        let opening = match time % 6 {
            // What a rollback has left is finished by who opens the store.
            _ if point.starts_with("Rollback") => Some(Point::RollbackBatch),
            0 => Some(Point::Opened),
            1 => Some(Point::OpenedFinished),
            2 => Some(Point::OpenedRecalled),
            3 => Some(Point::Closed),
            _ => None,
        };
        if let Some(opening) = opening {
            work(place.path(), &mut life, 2, 0, &abort_at(opening.name(), 1))?;
        }
        self.check(&place, &mut life, time)?;
        let ended_well = work(place.path(), &mut life, 3, 20, &[])?;
        ensure!(ended_well, "the child after it did not come to its end");
        self.check(&place, &mut life, time)
            .context("after working on")?;
        Ok(!done)
    }

    fn check(&self, place: &TempDir, life: &mut Life, time: u64) -> Result<()> {
        let left = Case {
            directory: place.path(),
            life,
            certain: life.events.len(),
            survives: Survives::All,
            with_copies: true,
            seed: mix(&[self.life.seed, 10, time]),
        };
        let found = judge(&left)?;
        settle(life, &found)?;
        remove_copies(place.path(), life)
    }
}

/// Lets a child work. Returns whether it came to its end, rather than to a point where it was ended.
fn work(
    directory: &Path,
    life: &mut Life,
    cycle: u64,
    operations: u64,
    more: &[String],
) -> Result<bool> {
    let mut orders = Orders {
        cycle,
        more: more.to_vec(),
    };
    let own = ["--operations", &operations.to_string(), "--keep-every", "4"];
    orders.more.extend(own.map(str::to_owned));
    let status = Worker::start(directory, life, &orders)?.wait(life)?;
    let is_aborted = status.signal() == Some(SIGABRT);
    ensure!(
        status.success() || is_aborted,
        "the child ended by itself: {status}"
    );
    Ok(status.success())
}

/// Copies the store.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (store_path(from), store_path(to));
    fs::create_dir(&to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
