//! Memory for memtables: fewer, larger files, and more of the log to be read when a store is opened.

use anyhow::Result;
use sapwood::RocksDBConfig;

use super::{
    Tuned,
    choice::{Choice, IN_PART, names, size_in_full, small, with_control},
    updates::{Plan, Stores},
};
use crate::{harness::Bench, report::choices::Choices};

pub(super) const ID: &str = "TUNING.write_buffer";
const OTHERS: [usize; 3] = [16 << 20, 64 << 20, 256 << 20];

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let (plan, choices) = (Plan::new(bench), choices());
    let mut stores = Stores::make(bench, plan, &choices)?;
    let mut lines = stores.update()?;
    lines.push(stores.open()?);
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "`write_buffer_size`",
            note: format!("{} {IN_PART}", plan.note()),
            names: names(&choices),
            lines,
        },
        is_right: stores.are_right()?,
    })
}

fn choices() -> Vec<Choice> {
    let of = |bytes| {
        let (name, write_buffer_size) = size_in_full(bytes);
        let config = RocksDBConfig {
            write_buffer_size,
            ..small()
        };
        (name, config)
    };
    let (name, config) = of(RocksDBConfig::default().write_buffer_size);
    let others = OTHERS
        .map(of)
        .map(|(name, config)| Choice::new(name, config));
    with_control([Choice::default(name, config)].into_iter().chain(others))
}
