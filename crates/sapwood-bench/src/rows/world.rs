//! A store whose keys all have the same number of versions, and the operations on it.

use std::{
    cell::RefCell,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use sapwood::{ReadView, RocksDBConfig, Storage, Timestamp};

use super::{
    VALUE_BYTES,
    reading::{DRAWS, is_stamped, read_all},
    writing::expected,
};
use crate::{
    convert::{count, length},
    data::{Data, Writes, stamp_of},
    dataset::{BATCH_KEYS, at},
    harness::{Bench, Clock, Point, Sample, Swept, Work, sweep},
    stores::Ours,
    zipf,
};

/// Commits of a round.
pub(super) const COMMITS: u64 = 10_000;
/// Of which timestamps reads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Of the end of the last sweep: most keys have their newest version there.
    Recent,
    /// Before the last sweep, where there is one: the version asked for has ended.
    Old,
}

/// What is measured on a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    /// By Zipf(0.99).
    GetOften,
    GetAt(When),
    Scan,
    Commit,
}

impl Operation {
    /// What it is called in a table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "latest get",
            Self::GetOften => "latest get, Zipf",
            Self::GetAt(When::Recent) => "recent get",
            Self::GetAt(When::Old) => "old get",
            Self::Scan => "scan, by row",
            Self::Commit => "commit",
        }
    }

    pub(super) fn on(self, world: &World) -> Point<'_> {
        match self {
            Self::Get => world.get(zipf::uniform(world.drawn, DRAWS, 4)),
            Self::GetOften => world.get(zipf::zipf(world.drawn, 0.99, DRAWS, 4)),
            Self::GetAt(when) => world.get_at(when),
            Self::Scan => world.scan(),
            Self::Commit => world.commit(),
        }
    }

    /// Measures it at several points.
    pub(super) fn sweep(self, bench: &Bench, points: Vec<Point<'_>>) -> Result<Swept> {
        let work = match self {
            Self::Commit => Work::Fixed(COMMITS),
            Self::Get | Self::GetOften | Self::GetAt(_) | Self::Scan => Work::Filling,
        };
        sweep(bench, work, points)
    }
}

/// One read of the past; no version where the key did not exist.
#[derive(Clone, Copy, Debug)]
struct Draw {
    id: u32,
    at: Timestamp,
    version: Option<u32>,
}

pub(super) struct World {
    pub(super) data: Data,
    pub(super) ours: Ours,
    /// Sweeps that were loaded; each gave every key a version, batch by batch.
    versions: u32,
    /// How many of the keys are read in their newest state, and committed: the first ones, which lie anywhere.
    drawn: u32,
    newest: RefCell<Vec<u32>>,
}

pub(super) fn config() -> RocksDBConfig {
    RocksDBConfig {
        recent_versions_size: 2 << 20,
        ..RocksDBConfig::default()
    }
}

/// Gives every key so many versions, one after the other, a thousand keys in a batch.
pub(super) fn fill(ours: &Ours, data: &Data, versions: u32) -> Result<()> {
    for version in 0..versions {
        for first in (0..data.len()).step_by(BATCH_KEYS as usize) {
            let writes = data.writes(first..data.len().min(first + BATCH_KEYS), version);
            ours.write(data.rows(&writes))?;
        }
    }
    Ok(())
}

impl World {
    /// Keys of a store that fits the cache, whatever the depth.
    pub(super) fn keys(bench: &Bench) -> u32 {
        bench.size.keys / 5
    }

    /// Loads a store, and brings it into its most compact form.
    pub(super) fn load(bench: &Bench, name: &str, keys: u32, versions: u32) -> Result<Self> {
        bench.say(&format!("loading {name}"));
        let ours = Ours::open(&bench.fresh(name)?, &config())?;
        let data = Data::new(keys, VALUE_BYTES);
        fill(&ours, &data, versions)?;
        ours.engine.compact()?;
        let world = Self::over(ours, data, versions);
        world.ours.scan()?;
        world.ours.scan_at(world.first())?;
        Ok(world)
    }

    /// A store that was loaded and holds nothing else.
    pub(super) fn over(ours: Ours, data: Data, versions: u32) -> Self {
        let newest = RefCell::new(vec![versions - 1; data.keys.len()]);
        Self {
            drawn: data.len(),
            data,
            ours,
            versions,
            newest,
        }
    }

    /// The same where only so many keys are read in their newest state, and committed.
    pub(super) fn drawing(self, keys: u32) -> Self {
        let drawn = keys.min(self.data.len());
        Self { drawn, ..self }
    }

    /// Leaves the store as it is, opens it again, and tells how long that took.
    pub(super) fn reopen(self, path: &Path, config: &RocksDBConfig) -> Result<(Self, Duration)> {
        drop(self.ours);
        let start = Instant::now();
        let ours = Ours::open(path, config)?;
        let took = start.elapsed();
        Ok((Self { ours, ..self }, took))
    }

    fn batches(&self) -> u32 {
        self.data.len().div_ceil(BATCH_KEYS)
    }

    /// The end of the first sweep.
    pub(super) fn first(&self) -> Timestamp {
        at(self.batches())
    }

    /// Timestamps that loading took.
    pub(super) fn last(&self) -> u32 {
        self.batches() * self.versions
    }

    /// The version of a key at a timestamp of the load.
    fn version_at(&self, id: u32, at: u32) -> Option<u32> {
        let since_first = at.checked_sub(id / BATCH_KEYS + 1)?;
        Some(since_first / self.batches())
    }

    fn draws(&self, when: When) -> Vec<Draw> {
        let (batches, last) = (self.batches(), self.last());
        let (keys, from, to) = match when {
            When::Recent => (self.drawn, last - batches / 20, last),
            When::Old => (self.data.len(), batches, batches.max(last - batches)),
        };
        let ids = zipf::uniform(keys, DRAWS, 5);
        let offsets = zipf::uniform(to - from + 1, DRAWS, 6);
        let draw = |(id, offset)| Draw {
            id,
            at: at(from + offset),
            version: self.version_at(id, from + offset),
        };
        ids.into_iter().zip(offsets).map(draw).collect()
    }

    /// Gets the newest values of keys.
    fn get(&self, ids: Vec<u32>) -> Point<'_> {
        Box::new(move |reads, round| {
            let newest = self.newest.borrow();
            Clock::Thread.time(|| {
                read_all(&ids, reads, round, |id| {
                    let value = self.ours.engine.get(self.data.key(id))?;
                    let version = newest.get(id as usize).copied().unwrap_or(u32::MAX);
                    Ok(is_stamped(value.as_deref(), id, version))
                })
            })
        })
    }

    /// Gets values of random keys at random past timestamps.
    fn get_at(&self, when: When) -> Point<'_> {
        let draws = self.draws(when);
        Box::new(move |reads, round| {
            Clock::Thread
                .time(|| read_all(&draws, reads, round, |draw| self.is_right_in_the_past(draw)))
        })
    }

    fn is_right_in_the_past(&self, draw: Draw) -> Result<bool> {
        let value = self.ours.storage.get_at(self.data.key(draw.id), draw.at)?;
        Ok(match draw.version {
            Some(version) => is_stamped(value.as_deref(), draw.id, version),
            None => value.is_none(),
        })
    }

    /// Scans all rows; the work is rows.
    fn scan(&self) -> Point<'_> {
        Box::new(move |rows, _| {
            let expected = self.expected();
            Clock::Thread.time(|| {
                let (mut done, mut wrong) = (0, 0);
                while done < rows {
                    let seen = self.ours.scan()?;
                    wrong += u64::from(seen != expected);
                    done += seen.rows.max(1);
                }
                Ok((done, wrong))
            })
        })
    }

    /// Sets random keys, each in a commit of its own.
    fn commit(&self) -> Point<'_> {
        Box::new(move |commits, round| {
            let ids = zipf::uniform(self.drawn, length(commits), u64::from(round) + 70);
            let writes = self.next(ids);
            Clock::Process.time(|| {
                self.set_all(&writes)?;
                Ok((commits, 0))
            })
        })
    }

    /// Reads of the newest state on several threads, who share the work.
    pub(super) fn on_threads(&self, threads: u32, when: Option<When>) -> Point<'_> {
        let draws = match when {
            Some(when) => self.draws(when),
            None => self.draws(When::Recent),
        };
        Box::new(move |reads, round| {
            let newest = self.newest.borrow();
            let newest = newest.as_slice();
            let parts: Vec<_> = (0..threads).collect();
            let each = reads.div_ceil(u64::from(threads));
            let (data, ours) = (&self.data, &self.ours);
            let (sample, wrong) = crate::harness::on_threads(&parts, |part| {
                // Each begins elsewhere.
                read_all(&draws, each, round + part, |draw| {
                    let (key, id) = (data.key(draw.id), draw.id);
                    if when.is_some() {
                        let value = ours.storage.get_at(key, draw.at)?;
                        let version = draw.version.unwrap_or(u32::MAX);
                        return Ok(is_stamped(value.as_deref(), id, version));
                    }
                    let version = newest.get(id as usize).copied().unwrap_or(u32::MAX);
                    Ok(is_stamped(ours.engine.get(key)?.as_deref(), id, version))
                })
            })?;
            Ok(Sample {
                done: each * u64::from(threads),
                wrong: wrong.iter().map(|(_, wrong)| wrong).sum(),
                ..sample
            })
        })
    }

    /// Commits of one key on several threads, each of which has keys of its own.
    pub(super) fn commit_on_threads(&self, threads: u32) -> Point<'_> {
        Box::new(move |commits, round| {
            let each = length(commits / u64::from(threads));
            let of_each = self.data.len() / threads;
            let parts: Vec<_> = (0..threads)
                .map(|thread| {
                    let seed = u64::from(round * threads + thread) + 900;
                    let ids = zipf::uniform(of_each, each, seed);
                    self.next(ids.into_iter().map(|id| id * threads + thread))
                })
                .collect();
            let (data, ours) = (&self.data, &self.ours);
            let (sample, _) = crate::harness::on_threads(&parts, |writes| {
                for (key, value) in data.rows(writes) {
                    ours.engine.set(key, value)?;
                }
                Ok(())
            })?;
            Ok(Sample {
                done: count(each) * u64::from(threads),
                ..sample
            })
        })
    }

    /// The next versions of some keys. Whoever takes them writes them.
    pub(super) fn next(&self, ids: impl IntoIterator<Item = u32>) -> Writes {
        let mut newest = self.newest.borrow_mut();
        let next = ids.into_iter().filter_map(|id| {
            let version = newest.get_mut(id as usize)?;
            *version += 1;
            Some((id, self.data.value(id, *version)))
        });
        next.collect()
    }

    fn set_all(&self, writes: &Writes) -> Result<()> {
        for (key, value) in self.data.rows(writes) {
            self.ours.engine.set(key, value)?;
        }
        Ok(())
    }

    pub(super) fn expected(&self) -> crate::stores::Seen {
        expected(&self.newest.borrow())
    }

    /// Whether the newest state is what was committed, every byte of some rows included, and the old ones are what
    /// was loaded.
    pub(super) fn is_right(&self) -> Result<bool> {
        let mut is_right = self.ours.scan()? == self.expected();
        for version in [0, self.versions - 1] {
            let seen = self.ours.scan_at(at((version + 1) * self.batches()))?;
            is_right &= seen == expected(&vec![version; self.data.keys.len()]);
        }
        for id in (0..self.data.len()).step_by(97) {
            let value = self.ours.engine.get(self.data.key(id))?;
            let version = self.newest.borrow().get(id as usize).copied();
            is_right &= version.is_some_and(|version| {
                value.is_some_and(|value| {
                    stamp_of(&value) != 0 && *value == *self.data.value(id, version)
                })
            });
        }
        Ok(is_right)
    }
}
