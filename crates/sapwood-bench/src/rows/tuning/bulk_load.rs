//! What a first load can be made with: every key gets two versions, then all is compacted. That is part of the time.

use anyhow::Result;
use sapwood::{OnlineOptions, RocksDBConfig};

use super::{
    Tuned,
    choice::{Choice, IN_PART, names, small},
    lines, store,
    store::Content,
};
use crate::{
    convert::{count, float},
    data::Data,
    harness::{Bench, Clock, Point, Work, sweep_rounds},
    report::{choices::Choices, grouped},
    rows::VALUE_BYTES,
    stores::Ours,
};

pub(super) const ID: &str = "TUNING.bulk_load";
const VERSIONS: u32 = 2;
const ROUNDS: u32 = 4;
/// Of memory for what is written.
const TIMES: usize = 4;

/// How a load is made.
#[derive(Clone, Copy, Debug)]
struct Way {
    batch: usize,
    is_compacted_meanwhile: bool,
}

const USUAL: Way = Way {
    batch: 1_000,
    is_compacted_meanwhile: true,
};

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let content = Content {
        keys: bench.size.keys,
        versions: VERSIONS,
    };
    let ways = ways();
    let data = Data::new(content.keys, VALUE_BYTES);
    bench.say("bulk loads");
    let points = ways.iter().enumerate();
    let points = points.map(|(number, way)| loading(bench, &data, number, way));
    let rows = u64::from(content.keys) * u64::from(VERSIONS);
    let load = sweep_rounds(bench, ROUNDS, Work::Fixed(rows), points.collect())?;
    let choices: Vec<_> = ways.into_iter().map(|(choice, _)| choice).collect();
    let open =
        |(number, choice): (usize, &Choice)| store::open(bench, number, &choice.config, content);
    let mut is_right = true;
    for loaded in choices.iter().enumerate().map(open) {
        let world = loaded?;
        is_right &= world.ours.scan()? == world.expected();
        is_right &= world.ours.engine.status()?.versions == rows;
    }
    let note = format!(
        "{} keys in no order, {VERSIONS} versions of each, in batches of 1,000 where nothing else is said; the compaction at the \
         end is part of the time. {IN_PART}",
        grouped(float(content.keys.into()))
    );
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "a first load",
            note,
            names: names(&choices),
            lines: vec![lines::rates("load", "load and compact", "rows/s", &load)],
        },
        is_right,
    })
}

fn loading<'d>(
    bench: &'d Bench,
    data: &'d Data,
    number: usize,
    (choice, way): &'d (Choice, Way),
) -> Point<'d> {
    Box::new(move |rows, _| {
        let path = bench.fresh(&format!("choice-{number}"))?;
        let ours = Ours::open(&path, &choice.config)?;
        Clock::Process.time(|| {
            let compacting = |is_on| OnlineOptions::default().automatic_compaction(is_on);
            ours.engine
                .set_options(&compacting(way.is_compacted_meanwhile))?;
            let mut written = 0;
            for version in 0..VERSIONS {
                let all: Vec<_> = (0..data.len()).collect();
                for ids in all.chunks(way.batch) {
                    let writes = data.writes(ids.iter().copied(), version);
                    ours.write(data.rows(&writes))?;
                    written += count(writes.len());
                }
            }
            ours.engine.set_options(&compacting(true))?;
            ours.engine.compact()?;
            ours.settle()?;
            Ok((rows, rows - written))
        })
    })
}

fn ways() -> Vec<(Choice, Way)> {
    let memory = RocksDBConfig {
        write_buffer_size: TIMES * small().write_buffer_size,
        ..small()
    };
    let recent = RocksDBConfig {
        recent_versions_size: TIMES * small().recent_versions_size,
        ..small()
    };
    let larger = Way {
        batch: 10_000,
        ..USUAL
    };
    let later = Way {
        is_compacted_meanwhile: false,
        ..USUAL
    };
    vec![
        (Choice::default("as usual", small()), USUAL),
        (Choice::new("no compaction meanwhile", small()), later),
        (Choice::new("write_buffer_size x 4", memory), USUAL),
        (Choice::new("recent_versions_size x 4", recent), USUAL),
        (Choice::new("batches of 10,000", small()), larger),
        (Choice::new("default again", small()), USUAL),
    ]
}
