//! P19: the core workloads of YCSB (Cooper and others, 2010), against four other engines, on the newest
//! state alone: what versions cost those who never look back.
//!
//! | | each operation is one of | keys are drawn |
//! |---|---|---|
//! | A | 50% reads, 50% updates | by Zipf(0.99) |
//! | B | 95% reads, 5% updates | by Zipf(0.99) |
//! | C | reads | by Zipf(0.99) |
//! | D | 95% reads, 5% inserts | by Zipf(0.99), the newest the most often |
//! | E | 95% scans of 1 to 100 rows, 5% inserts | their first, by Zipf(0.99) |
//! | F | 50% reads, 50% read-modify-writes | by Zipf(0.99) |
//!
//! One thread. The keys that are drawn often lie anywhere among the others. A record is a key and one
//! value, which is read and written whole. Every operation is a transaction of its own, and what it
//! writes is committed, buffered, when it returns; `stores` says for each engine what that is there. Ours
//! keeps the old version of every row that it writes, and the peers do not. No round ends with a wait
//! for background work: what is put off falls on whoever is next, in the order of the rounds, which
//! changes.
//!
//! All engines run the same operations, in turns. There is no floor. The goal is to be first or second of
//! the five: for each workload, `second` sets us against the second fastest of the peers. A row is right
//! if every read and scan saw the newest versions, those of the rounds and those of the warming up before
//! them, and the stores end with the same rows, byte by byte.

mod picture;
mod side;
mod workload;

use std::{fs, path::Path};

use anyhow::Result;
use sapwood::RocksDBConfig;

use self::{
    side::Side,
    workload::{Mix, Workload},
};
use crate::{
    harness::{Bench, Figure, Measured, NO_LIMIT, RowSpec, Sample, compare, median, rate},
    stores::{Fjall, Lmdb, Ours, Raw, Redb},
};

const OURS: &str = "Sapwood";
/// The peer of `second`, until it is known who that is.
const SECOND: &str = "the second of them";
/// Ours, and the peers in the order of the rows.
const ENGINES: [&str; 5] = [OURS, "raw RocksDB", "fjall", "redb", "LMDB"];

/// A workload and its rows: one for each peer, and `second`.
struct Shape {
    mix: Mix,
    /// Times as many operations as a round has transactions elsewhere.
    length: u32,
    rows: [RowSpec; 5],
}

const SHAPES: [Shape; 6] = [
    Shape {
        mix: Mix {
            reads: 50,
            updates: 50,
            ..Mix::NOTHING
        },
        length: 3,
        rows: rows(
            "YCSB A: 50% reads, 50% updates",
            [
                "P19.a.raw",
                "P19.a.fjall",
                "P19.a.redb",
                "P19.a.lmdb",
                "P19.a.second",
            ],
        ),
    },
    Shape {
        mix: Mix {
            reads: 95,
            updates: 5,
            ..Mix::NOTHING
        },
        length: 4,
        rows: rows(
            "YCSB B: 95% reads, 5% updates",
            [
                "P19.b.raw",
                "P19.b.fjall",
                "P19.b.redb",
                "P19.b.lmdb",
                "P19.b.second",
            ],
        ),
    },
    Shape {
        mix: Mix {
            reads: 100,
            ..Mix::NOTHING
        },
        length: 8,
        rows: rows(
            "YCSB C: reads",
            [
                "P19.c.raw",
                "P19.c.fjall",
                "P19.c.redb",
                "P19.c.lmdb",
                "P19.c.second",
            ],
        ),
    },
    Shape {
        mix: Mix {
            reads: 95,
            inserts: 5,
            latest: true,
            ..Mix::NOTHING
        },
        length: 4,
        rows: rows(
            "YCSB D: 95% reads of the latest, 5% inserts",
            [
                "P19.d.raw",
                "P19.d.fjall",
                "P19.d.redb",
                "P19.d.lmdb",
                "P19.d.second",
            ],
        ),
    },
    Shape {
        mix: Mix {
            scans: 95,
            inserts: 5,
            ..Mix::NOTHING
        },
        length: 1,
        rows: rows(
            "YCSB E: 95% short scans, 5% inserts",
            [
                "P19.e.raw",
                "P19.e.fjall",
                "P19.e.redb",
                "P19.e.lmdb",
                "P19.e.second",
            ],
        ),
    },
    Shape {
        mix: Mix {
            reads: 50,
            modifications: 50,
            ..Mix::NOTHING
        },
        length: 3,
        rows: rows(
            "YCSB F: 50% reads, 50% read-modify-writes",
            [
                "P19.f.raw",
                "P19.f.fjall",
                "P19.f.redb",
                "P19.f.lmdb",
                "P19.f.second",
            ],
        ),
    },
];

/// The rows of a workload. Whom `second` is against shows when it is measured.
const fn rows(name: &'static str, ids: [&'static str; 5]) -> [RowSpec; 5] {
    let [raw, fjall, redb, lmdb, second] = ids;
    let [_, its_raw, its_fjall, its_redb, its_lmdb] = ENGINES;
    [
        row(name, raw, its_raw),
        row(name, fjall, its_fjall),
        row(name, redb, its_redb),
        row(name, lmdb, its_lmdb),
        row(name, second, SECOND),
    ]
}

const fn row(name: &'static str, id: &'static str, peer: &'static str) -> RowSpec {
    RowSpec {
        id,
        name,
        peer,
        unit: "op/s",
        floor: NO_LIMIT,
        goal: 1.0,
    }
}

/// The ids of the rows.
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    SHAPES
        .iter()
        .flat_map(|shape| &shape.rows)
        .map(|row| row.id)
}

/// Measures the rows that were asked for. All engines of a workload run in the same rounds, so its rows
/// are measured together.
pub(super) fn run(bench: &Bench) -> Result<Vec<Measured>> {
    let (mut measured, mut medians) = (Vec::new(), Vec::new());
    for shape in &SHAPES {
        let engines = shape.engines(bench);
        if engines.is_empty() {
            continue;
        }
        let results = rounds(bench, shape, &engines)?;
        let Some((ours, peers)) = results.split_first() else {
            continue;
        };
        for row in shape.rows.iter().filter(|row| bench.wants(row.id)) {
            let named = peers.iter().find(|peer| peer.engine == row.peer);
            let Some(peer) = named.or_else(|| by_rate(peers).nth(1)) else {
                continue;
            };
            let row = RowSpec {
                peer: peer.engine,
                ..*row
            };
            measured.push(bench.run(row, || Ok(figure(row, ours, peer)))?);
        }
        if results.len() == ENGINES.len() {
            bench.remark(order(shape, &results));
            let rates = results.iter().map(Results::median);
            medians.push((shape.title(), rates.collect::<Vec<_>>()));
        }
    }
    if !medians.is_empty() {
        picture::draw(&bench.out().join("ycsb.svg"), &ENGINES, &medians)?;
    }
    Ok(measured)
}

/// Who came where.
fn order(shape: &Shape, results: &[Results]) -> String {
    let mut before = by_rate(results).take_while(|result| result.engine != OURS);
    let place = before.by_ref().count() + 1;
    let all = by_rate(results).map(|result| format!("{} {:.0}", result.engine, result.median()));
    format!(
        "{}: Sapwood is number {place} of {}: {}",
        shape.title(),
        results.len(),
        all.collect::<Vec<_>>().join(", ")
    )
}

/// The fastest first.
fn by_rate(results: &[Results]) -> impl Iterator<Item = &Results> {
    let mut sorted: Vec<_> = results.iter().collect();
    sorted.sort_by(|a, b| b.median().total_cmp(&a.median()));
    sorted.into_iter()
}

/// What an engine did in the rounds of a workload.
struct Results {
    engine: &'static str,
    samples: Vec<Sample>,
    /// Whether the warming up and the last look at the store were as they should be.
    checked: bool,
}

impl Results {
    fn median(&self) -> f64 {
        let mut rates: Vec<_> = self.samples.iter().map(|sample| rate(*sample)).collect();
        rates.sort_by(f64::total_cmp);
        median(&rates)
    }
}

impl Shape {
    /// The engines that take part: ours, and of the peers those that a wanted row is against. None where
    /// no row is wanted.
    fn engines(&self, bench: &Bench) -> Vec<&'static str> {
        let wanted = |row: &&RowSpec| bench.wants(row.id);
        let wanted: Vec<_> = self.rows.iter().filter(wanted).collect();
        let takes_part = |engine: &&'static str| {
            let is_its =
                |row: &&RowSpec| *engine == OURS || row.peer == *engine || row.peer == SECOND;
            wanted.iter().any(is_its)
        };
        ENGINES.into_iter().filter(takes_part).collect()
    }

    /// What the workload is called.
    fn title(&self) -> &'static str {
        let name = self.rows.first().map_or("", |row| row.name);
        name.split(':').next().unwrap_or(name)
    }
}

fn figure(row: RowSpec, ours: &Results, peer: &Results) -> Measured {
    let pairs = ours
        .samples
        .iter()
        .copied()
        .zip(peer.samples.iter().copied());
    let outcome = compare(&pairs.collect::<Vec<_>>());
    let checked = ours.checked && peer.checked;
    (Figure::new(row, &outcome, checked), Vec::new())
}

/// Runs the operations of a workload on some engines, in turns.
fn rounds(bench: &Bench, shape: &Shape, engines: &[&'static str]) -> Result<Vec<Results>> {
    let operations = bench.size.transactions * shape.length;
    // One more than are measured: the first warms up.
    let mut workload = Workload::new(
        shape.mix,
        bench.size.keys,
        operations,
        bench.size.rounds + 1,
    );
    let directory = bench.fresh("ycsb")?;
    fs::create_dir_all(&directory)?;
    let mut sides = Vec::new();
    for name in engines {
        bench.say(&format!("{}: loading {name}", shape.title()));
        let side = open(&directory, name)?;
        side.load(&workload)?;
        let checked = side.holds(&workload)?;
        sides.push((
            side,
            Results {
                engine: name,
                samples: Vec::new(),
                checked,
            },
        ));
    }
    for round in 0..=bench.size.rounds {
        bench.say(shape.title());
        let operations = workload.round(round);
        let first = round as usize % sides.len().max(1);
        // Who comes first changes, and who comes after whom.
        let (left, right) = sides.split_at_mut(first);
        let mut turns: Vec<_> = right.iter_mut().chain(left).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (side, results) in turns {
            let sample = side.round(&operations)?;
            if round == 0 {
                results.checked &= sample.wrong == 0;
            } else {
                results.samples.push(sample);
            }
        }
        for _ in shape
            .rows
            .iter()
            .filter(|row| round > 0 && bench.wants(row.id))
        {
            bench.tick();
        }
    }
    let mut all = Vec::new();
    for (side, results) in sides {
        let checked = results.checked && side.holds(&workload)?;
        all.push(Results { checked, ..results });
    }
    Ok(all)
}

fn open(directory: &Path, engine: &str) -> Result<Box<dyn Side>> {
    let (path, config) = (directory.join(engine), RocksDBConfig::default());
    Ok(match engine {
        "raw RocksDB" => Box::new(Raw::open(&path, &config)?),
        "fjall" => Box::new(Fjall::open(&path, &config)?),
        "redb" => Box::new(Redb::open(&path, &config)?),
        "LMDB" => Box::new(Lmdb::open(&path)?),
        _ => Box::new(Ours::open(&path, &config)?),
    })
}
