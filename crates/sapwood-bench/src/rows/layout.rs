//! LAYOUT: why `current` is keyed by the key alone. Ours against the same data with `current` keyed
//! by `key || inverted_timestamp`, both as a running store lies: every version written, what was due
//! flushed and compacted, and nothing forced.

use anyhow::Result;
use sapwood::{ReadView, RocksDBConfig};

use super::{
    VALUE_BYTES,
    reading::{DRAWS, are_whole, is_stamped, read_all},
    scan,
};
use crate::{
    convert::count,
    data::{Data, stamp},
    dataset::{BATCH_KEYS, VERSIONS, at},
    harness::{Bench, Clock, Figure, Measured, RowSpec, Work, alternate},
    stores::{Ours, Seen, VersionKeyed},
    zipf,
};

const PEER: &str = "current by key||!timestamp";

pub(super) const UPDATE: RowSpec = RowSpec {
    id: "LAYOUT.update",
    name: "blind batch update",
    peer: PEER,
    unit: "op/s",
    floor: 1.0,
    goal: 1.0,
};
pub(super) const GET: RowSpec = RowSpec {
    id: "LAYOUT.get",
    name: "latest get",
    ..UPDATE
};
pub(super) const SCAN: RowSpec = RowSpec {
    id: "LAYOUT.scan",
    name: "latest scan",
    unit: "MB/s",
    ..UPDATE
};

/// Both layouts, with the same versions of the same keys.
struct Stores {
    data: Data,
    ours: Ours,
    other: VersionKeyed,
}

impl Stores {
    fn new(bench: &Bench, versions: u32) -> Result<Self> {
        bench.say("loading two layouts");
        let data = Data::new(bench.size.keys, VALUE_BYTES);
        let scratch = bench.fresh("layout")?;
        let config = RocksDBConfig::default();
        std::fs::create_dir_all(&scratch)?;
        let ours = Ours::open(&scratch.join("ours"), &config)?;
        let other = VersionKeyed::open(&scratch.join("other"), &config)?;
        let stores = Self { data, ours, other };
        for number in 0..stores.batches() * versions {
            stores.write_ours(number)?;
            stores.write_other(number)?;
        }
        stores.ours.settle()?;
        stores.other.settle()?;
        Ok(stores)
    }

    fn batches(&self) -> u32 {
        self.data.len().div_ceil(BATCH_KEYS)
    }

    /// Batch `number` sets its thousand keys to the version of its sweep.
    fn rows(&self, number: u32) -> Vec<(u32, Vec<u8>)> {
        let first = number % self.batches() * BATCH_KEYS;
        let ids = first..self.data.len().min(first + BATCH_KEYS);
        self.data.writes(ids, number / self.batches())
    }

    fn write_ours(&self, number: u32) -> Result<()> {
        self.ours
            .write(self.data.rows(&self.rows(number)))
            .map(drop)
    }

    fn write_other(&self, number: u32) -> Result<()> {
        self.other
            .write(at(number + 1), self.data.rows(&self.rows(number)))
    }

    /// What a scan must see where every key has version `version`.
    fn expected(&self, version: u32) -> Seen {
        let stamps = (0..self.data.len()).map(|id| stamp(id, version));
        Seen {
            rows: count(self.data.keys.len()),
            stamps: stamps.fold(0, u64::wrapping_add),
        }
    }
}

pub(super) fn get(bench: &Bench) -> Result<Measured> {
    let stores = Stores::new(bench, VERSIONS)?;
    let (data, newest) = (&stores.data, VERSIONS - 1);
    let ids = zipf::uniform(bench.size.keys, DRAWS, 3);
    let ours = |id| {
        let value = stores.ours.engine.get(data.key(id))?;
        Ok(is_stamped(value.as_deref(), id, newest))
    };
    let other = |id| {
        stores
            .other
            .get(data.key(id), |value| is_stamped(value, id, newest))
    };
    let outcome = alternate(
        bench,
        Work::Filling,
        &mut |reads, round| Clock::Thread.time(|| read_all(&ids, reads, round, ours)),
        &mut |reads, round| Clock::Thread.time(|| read_all(&ids, reads, round, other)),
    )?;
    let checked = are_whole(data, &ids, |id| {
        Ok((
            stores.ours.engine.get(data.key(id))?.map(Vec::from),
            id,
            newest,
        ))
    })? && are_whole(data, &ids, |id| {
        Ok((
            stores
                .other
                .get(data.key(id), |value| value.map(<[u8]>::to_vec))?,
            id,
            newest,
        ))
    })?;
    Ok((Figure::new(GET, &outcome, checked), Vec::new()))
}

pub(super) fn scan(bench: &Bench) -> Result<Measured> {
    let stores = Stores::new(bench, VERSIONS)?;
    let expected = stores.expected(VERSIONS - 1);
    let bytes = expected.rows * stores.data.row_bytes();
    let outcome = alternate(
        bench,
        Work::Filling,
        &mut |scans, _| scan::timed(scans, bytes, expected, || stores.ours.scan()),
        &mut |scans, _| scan::timed(scans, bytes, expected, || stores.other.scan()),
    )?;
    let checked = stores.ours.scan()? == expected && stores.other.scan()? == expected;
    Ok((
        Figure::new(SCAN, &outcome.scaled(scan::MEGA), checked),
        Vec::new(),
    ))
}

pub(super) fn update(bench: &Bench) -> Result<Measured> {
    let stores = Stores::new(bench, 1)?;
    let work = stores.batches();
    // Each side writes sweep after sweep; the first was written when the stores were made.
    let sweep = |round: u32| (round + 1) * work..(round + 2) * work;
    let keys = u64::from(stores.data.len());
    let outcome = alternate(
        bench,
        Work::Fixed(keys),
        &mut |_, round| {
            Clock::Process.time(|| {
                sweep(round).try_for_each(|number| stores.write_ours(number))?;
                Ok((keys, 0))
            })
        },
        &mut |_, round| {
            Clock::Process.time(|| {
                sweep(round).try_for_each(|number| stores.write_other(number))?;
                Ok((keys, 0))
            })
        },
    )?;
    let expected = stores.expected(bench.size.rounds);
    let checked = stores.ours.scan()? == expected && stores.other.scan()? == expected;
    Ok((Figure::new(UPDATE, &outcome, checked), Vec::new()))
}
