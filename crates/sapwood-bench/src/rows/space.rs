//! P14: what versions take on disk, once all is merged and compacted. What counts as disk are the live table files of all
//! keyspaces: the versions, and what the store keeps beside them.
//!
//! **Space**, with the default options: over the LZ4 size of all versions, keys and values and nothing else, eight of each key. They are put one
//! after the other in key order, newest first, as `history` has them, and every 16 KiB, the size of its blocks,
//! is compressed by itself. So a key that eight versions share costs little after its first; the store's
//! `commits` name the keys of each commit anew. The remark says what each keyspace takes, and what the
//! versions come to in the order in which they were committed.
//!
//! **Ratio**, with the configuration for little space, ZSTD for all keyspaces: of the states of Ethereum accounts before 64
//! blocks, as `sapwood import` keeps them; all keys and values over the disk. The remark has it with the default options, which
//! are LZ4. The data is looked for in `$SAPWOOD_DATA`, else in `../shared/data`; without it the row is left out.
//!
//! The rows hold if the store has every version that was written, and reads them as they were.

mod ethereum;

use std::{collections::BTreeMap, env, path::PathBuf};

use anyhow::{Context, Result, ensure};
use sapwood::{Batch, Compression, Compressions, ReadView, RocksDBConfig, Timestamp};

use self::ethereum::Height;
use super::{VALUE_BYTES, writing::expected};
use crate::{
    convert::{count, float},
    data::Data,
    dataset::{BATCH_KEYS, VERSIONS, at},
    harness::{Bench, Figure, Measured, Outcome, RowSpec},
    stores::Ours,
};

/// What may not be passed, and what must be reached.
const MOST_SPACE: f64 = 1.2;
const LEAST_RATIO: f64 = 2.0;

pub(super) const SPACE: RowSpec = RowSpec {
    id: "P14.space",
    name: "bytes on disk, V=8",
    peer: "LZ4 of all versions",
    unit: "MB",
    floor: 1.0,
    // A quantity of 1.05.
    goal: MOST_SPACE / 1.05,
};
pub(super) const RATIO: RowSpec = RowSpec {
    id: "P14.ratio",
    name: "Ethereum state, ZSTD: bytes of all versions over bytes on disk",
    peer: "the limit",
    unit: "times",
    floor: 1.0,
    // A quantity of 4.
    goal: 4.0 / LEAST_RATIO,
};

const SIZE: &str = "rocksdb.live-sst-files-size";
const TABLES: &str = "rocksdb.aggregated-table-properties";
/// What is compressed at once, as in `history`.
const PIECE_BYTES: usize = 16 << 10;
const MEGA: f64 = 1e6;

pub(super) fn space(bench: &Bench) -> Result<Vec<Measured>> {
    let data = Data::new(bench.size.keys, VALUE_BYTES);
    let ours = Ours::open(&bench.path("space"), &RocksDBConfig::default())?;
    let batches = data.len().div_ceil(BATCH_KEYS);
    let mut as_committed = Pieces::default();
    for batch in 0..batches * VERSIONS {
        let first = batch % batches * BATCH_KEYS;
        let ids = first..data.len().min(first + BATCH_KEYS);
        let mut writes = data.writes(ids, batch / batches);
        ours.write(data.rows(&writes))?;
        // The record of a commit has its keys in order.
        writes.sort_unstable_by_key(|(id, _)| data.key(*id));
        data.rows(&writes)
            .for_each(|(key, value)| as_committed.add(key, value));
    }
    let disk = compacted(&ours)?;
    let mut ids: Vec<_> = (0..data.len()).collect();
    ids.sort_unstable_by_key(|id| data.key(*id));
    let mut by_key = Pieces::default();
    for id in ids {
        for version in (0..VERSIONS).rev() {
            by_key.add(data.key(id), &data.value(id, version));
        }
    }
    let packed = by_key.packed();
    bench.remark(format!(
        "P14.space: {:.2} times the LZ4 size of the versions in key order, {:.2} times that in the order of commits; \
         by keyspace, of the first: {}; commits name each key once more for each of its versions",
        float(disk) / float(packed),
        float(disk) / float(as_committed.packed()),
        keyspaces(&ours, packed)?,
    ));
    let mut is_right = ours.engine.status()?.versions == u64::from(data.len() * VERSIONS);
    for version in 0..VERSIONS {
        let seen = ours.scan_at(at((version + 1) * batches))?;
        is_right &= seen == expected(&vec![version; data.keys.len()]);
    }
    let outcome = Outcome {
        ours: float(disk) / MEGA,
        peer: float(packed) / MEGA,
        ratios: vec![MOST_SPACE * float(packed) / float(disk)],
        cpu_ratios: Vec::new(),
        wrong: 0,
    };
    Ok(vec![(Figure::new(SPACE, &outcome, is_right), Vec::new())])
}

pub(super) fn ratio(bench: &Bench) -> Result<Vec<Measured>> {
    let Some(directory) = data("ethereum-state")? else {
        bench.remark(
            "P14.ratio: left out: there is no ethereum-state; set SAPWOOD_DATA to the data's folder"
                .to_owned(),
        );
        return Ok(Vec::new());
    };
    let heights = ethereum::read(&directory)?;
    let of = |compression| -> Result<(u64, f64, bool, String)> {
        let (ours, logical, is_right) = import(bench, &heights, compression)?;
        let disk = compacted(&ours)?;
        let text = format!("{:.1} MB ({})", float(disk) / MEGA, keyspaces(&ours, disk)?);
        Ok((logical, float(logical) / float(disk), is_right, text))
    };
    let (logical, by_default, is_default_right, loose) = of(Compression::default())?;
    let (_, quantity, is_right, packed) = of(Compression::Zstd)?;
    bench.remark(format!(
        "P14.ratio: {:.1} MB of versions, {:.1} MB of them by LZ4 in key order; on disk by ZSTD {packed}; by default \
         {loose}, so {by_default:.2} times",
        float(logical) / MEGA,
        float(alone(&heights)) / MEGA,
    ));
    let outcome = Outcome {
        ours: quantity,
        peer: LEAST_RATIO,
        ratios: vec![quantity / LEAST_RATIO],
        cpu_ratios: Vec::new(),
        wrong: 0,
    };
    let is_right = is_right && is_default_right;
    Ok(vec![(Figure::new(RATIO, &outcome, is_right), Vec::new())])
}

/// A folder of the data of others, where it is.
pub(super) fn data(name: &str) -> Result<Option<PathBuf>> {
    let root = env::var_os("SAPWOOD_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(name);
    let is_required = env::var("SAPWOOD_REQUIRE_DATA").is_ok_and(|required| required == "1");
    ensure!(
        path.exists() || !is_required,
        "{} is missing, and SAPWOOD_REQUIRE_DATA=1",
        path.display()
    );
    Ok(path.exists().then_some(path))
}

/// A store of all heights; the bytes of all versions; and whether the store has them.
fn import(
    bench: &Bench,
    heights: &[Height],
    compression: Compression,
) -> Result<(Ours, u64, bool)> {
    let config = RocksDBConfig {
        compression: Compressions::all(compression),
        ..RocksDBConfig::default()
    };
    let ours = Ours::open(&bench.fresh("ethereum")?, &config)?;
    let (mut newest, mut versions, mut bytes) = (BTreeMap::new(), 0, 0);
    for height in heights {
        let mut batch = Batch::new();
        for (key, value) in &height.writes {
            match value {
                Some(value) => {
                    batch.set(key, value);
                    newest.insert(key, value);
                    versions += 1;
                    bytes += count(key.len() + value.len());
                }
                None => {
                    batch.delete(key);
                    newest.remove(key);
                }
            }
        }
        ours.engine
            .commit_at(Timestamp::new(height.number), batch)?;
    }
    let mut is_right = ours.engine.status()?.versions == versions;
    let mut rows = ours.engine.range(..);
    for (key, value) in newest {
        let row = rows.next().transpose()?;
        is_right &= row.is_some_and(|(k, v)| *k == **key && *v == **value);
    }
    is_right &= rows.next().is_none();
    Ok((ours, bytes, is_right))
}

/// The LZ4 size of all versions and nothing else, in key order, newest first.
fn alone(heights: &[Height]) -> u64 {
    let mut versions: Vec<_> = heights.iter().rev().flat_map(|it| &it.writes).collect();
    versions.sort_by_key(|(key, _)| key);
    let mut pieces = Pieces::default();
    for (key, value) in versions {
        if let Some(value) = value {
            pieces.add(key, value);
        }
    }
    pieces.packed()
}

/// Bytes of all table files, once everything is merged and compacted.
fn compacted(ours: &Ours) -> Result<u64> {
    ours.engine.compact()?;
    ours.settle()?;
    let size = ours.storage.get_property(SIZE)?;
    Ok(size
        .context("RocksDB does not tell the size of its tables")?
        .parse()?)
}

/// What each keyspace takes, as parts of some size; of one that has several files, by RocksDB's estimate.
fn keyspaces(ours: &Ours, whole: u64) -> Result<String> {
    let told = ours.storage.get_property(TABLES)?.unwrap_or_default();
    let mut parts = Vec::new();
    for text in told.split('[').skip(1) {
        let (name, facts) = text.split_once(']').unwrap_or_default();
        let size = facts
            .split(';')
            .find_map(|fact| fact.trim().strip_prefix("(estimated) table size="));
        let size: u64 = size.context("no table size was told")?.trim().parse()?;
        parts.push(format!("{name} {:.2}", float(size) / float(whole.max(1))));
    }
    Ok(parts.join(", "))
}

/// Keys and values, compressed piece by piece.
#[derive(Default)]
struct Pieces {
    piece: Vec<u8>,
    packed: u64,
}

impl Pieces {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.piece.extend_from_slice(key);
        self.piece.extend_from_slice(value);
        if self.piece.len() >= PIECE_BYTES {
            self.pack();
        }
    }

    fn pack(&mut self) {
        self.packed += count(lz4_flex::block::compress(&self.piece).len());
        self.piece.clear();
    }

    /// The bytes of all pieces.
    fn packed(mut self) -> u64 {
        if !self.piece.is_empty() {
            self.pack();
        }
        self.packed
    }
}
