//! Logs that a power cut has damaged: what lies behind the last synced commit is lost, torn or garbage; or what lies
//! before it is, which no power cut does, and which must be reported.

use std::{
    fmt, fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{
    child::{logs, store_path},
    event::Event,
    judge::{Case, judge},
    life::Survives,
    plan::{self, mix},
};

/// What was damaged, to be counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Behind the last synced commit.
    behind: u64,
    /// Before it.
    before: u64,
    /// Of these: noticed. (The others hit what was in tables already.)
    noticed: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} damaged behind the last synced commit, {} before it ({} of them refused, the others no more needed)",
            self.behind, self.before, self.noticed
        )
    }
}

/// Damages copies of a store's logs in several ways, and judges each.
pub(crate) fn try_all(case: &Case<'_>, counts: &mut Counts) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(mix(&[case.seed, 6]));
    let Some(synced) = synced(case) else {
        return Ok(());
    };
    for round in 0..2 {
        let damage = Damage::random(&mut random);
        let place = copy(case.directory)?;
        let Some(what) = damage.behind(&store_path(place.path()), synced, &mut random)? else {
            continue;
        };
        let damaged = Case {
            directory: place.path(),
            survives: Survives::Synced,
            with_copies: false,
            seed: mix(&[case.seed, 7, round]),
            ..*case
        };
        if let Err(error) = judge(&damaged) {
            let kept = place.keep();
            return Err(error).with_context(|| format!("{what}; kept in {}", kept.display()));
        }
        counts.behind += 1;
    }
    inv_57_damage_before_the_last_sync_is_reported(case, synced, &mut random, counts)
}

fn inv_57_damage_before_the_last_sync_is_reported(
    case: &Case<'_>,
    synced: (u64, u64),
    random: &mut fastrand::Rng,
    counts: &mut Counts,
) -> Result<()> {
    let place = copy(case.directory)?;
    let Some(what) = Damage::random(random).before(&store_path(place.path()), synced, random)?
    else {
        return Ok(());
    };
    counts.before += 1;
    let damaged = Case {
        directory: place.path(),
        survives: Survives::Synced,
        with_copies: false,
        ..*case
    };
    let Err(error) = judge(&damaged) else {
        return Ok(());
    };
    let is_reported = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<sapwood::Error>())
        .any(|error| error.kind().name() == "corrupt");
    if is_reported {
        counts.noticed += 1;
        return Ok(());
    }
    let kept = place.keep();
    bail!(
        "{what}: this should have been refused as corrupt, and was: {error:#}; kept in {}",
        kept.display()
    );
}

/// Takes the second half of the newest log away, acknowledged as it is.
pub(crate) fn lose_the_end(directory: &Path) -> Result<()> {
    let logs = logs(&store_path(directory))?;
    if let Some((_, newest)) = logs.last_key_value() {
        let file = fs::File::options().write(true).open(newest)?;
        file.set_len(file.metadata()?.len() / 2)?;
    }
    Ok(())
}

/// Where the log ended when the disk was last waited for. Where something that waits for it was under way, nobody knows.
fn synced(case: &Case<'_>) -> Option<(u64, u64)> {
    let next = case.life.next_numbers().first().copied()?;
    if plan::work(case.life.seed, 0, next).is_synced {
        return None;
    }
    let mut events = case.life.events.iter().rev();
    let last = events.find_map(|event| match event {
        Event::Begin(_) => Some(None),
        Event::Done {
            is_synced: true,
            log,
            ..
        }
        | Event::End { log, .. } => Some(*log),
        _ => None,
    });
    last.flatten()
}

/// Copies a store.
fn copy(directory: &Path) -> Result<TempDir> {
    let place = TempDir::new_in(directory.parent().context("a directory without a parent")?)?;
    let (from, to) = (store_path(directory), store_path(place.path()));
    fs::create_dir(&to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(place)
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// All behind a place is gone, later logs too.
    Cut,
    /// One bit is another.
    Flip,
    /// Some blocks of the disk were never written.
    Zeros,
    /// Others' bytes.
    Garbage,
}

impl Damage {
    fn random(random: &mut fastrand::Rng) -> Self {
        random
            .choice([Self::Cut, Self::Flip, Self::Zeros, Self::Garbage])
            .unwrap_or(Self::Cut)
    }

    /// Damages what was written since the last sync. Returns what was done, where there is something.
    fn behind(
        self,
        store: &Path,
        synced: (u64, u64),
        random: &mut fastrand::Rng,
    ) -> Result<Option<String>> {
        let (log, from) = synced;
        // Only the newest log: before anything that came after a log is in a table, that log was synced.
        let logs = logs(store)?;
        let Some((number, path)) = logs.last_key_value() else {
            return Ok(None);
        };
        let length = fs::metadata(path)?.len();
        let start = if *number == log { from } else { 0 };
        let spans = if start < length {
            vec![(path.clone(), start, length)]
        } else {
            Vec::new()
        };
        self.hit(&spans, random)
    }

    /// Damages what was written before the last sync.
    fn before(
        self,
        store: &Path,
        synced: (u64, u64),
        random: &mut fastrand::Rng,
    ) -> Result<Option<String>> {
        let (log, to) = synced;
        let mut spans = Vec::new();
        for (number, path) in logs(store)?.range(..=log) {
            let length = fs::metadata(path)?.len();
            let end = if *number == log {
                to.min(length)
            } else {
                length
            };
            if end > 0 {
                spans.push((path.clone(), 0, end));
            }
        }
        // A cut of the last one takes what is behind, too.
        self.hit(&spans, random)
    }

    fn hit(
        self,
        spans: &[(PathBuf, u64, u64)],
        random: &mut fastrand::Rng,
    ) -> Result<Option<String>> {
        let Some(index) = (!spans.is_empty()).then(|| random.usize(..spans.len())) else {
            return Ok(None);
        };
        let Some((path, start, end)) = spans.get(index) else {
            return Ok(None);
        };
        let place = random.u64(*start..*end);
        let file = fs::File::options().read(true).write(true).open(path)?;
        match self {
            Self::Cut => {
                file.set_len(place)?;
                for (later, ..) in spans.iter().skip(index + 1) {
                    fs::File::options().write(true).open(later)?.set_len(0)?;
                }
            }
            Self::Flip => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, place)?;
                let [byte] = byte;
                file.write_all_at(&[byte ^ (1 << random.u32(..8))], place)?;
            }
            Self::Zeros | Self::Garbage => {
                let length = random.u64(1..8192).min(end - place);
                let mut bytes = vec![0; usize::try_from(length)?];
                if matches!(self, Self::Garbage) {
                    random.fill(&mut bytes);
                }
                file.write_all_at(&bytes, place)?;
            }
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Some(format!(
            "{self:?} at {place} of {name}, from {start} to {end}"
        )))
    }
}
