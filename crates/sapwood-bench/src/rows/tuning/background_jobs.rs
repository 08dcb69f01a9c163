//! How many flushes and compactions run at one time.

use anyhow::Result;
use sapwood::RocksDBConfig;

use super::{
    Tuned,
    choice::{Choice, IN_PART, names, small, with_control},
    updates::{Plan, Stores},
};
use crate::{harness::Bench, report::choices::Choices};

pub(super) const ID: &str = "TUNING.background_jobs";
const JOBS: [i32; 3] = [1, 2, 4];

pub(super) fn run(bench: &Bench) -> Result<Tuned> {
    let (plan, choices) = (Plan::new(bench), choices());
    let stores = Stores::make(bench, plan, &choices)?;
    let lines = stores.update()?;
    Ok(Tuned {
        choices: Choices {
            id: ID,
            title: "`max_background_jobs`",
            note: format!(
                "{} {IN_PART} `write_buffer_size` is 16 MiB in full for all choices, so that more is compacted.",
                plan.note()
            ),
            names: names(&choices),
            lines: lines.into_iter().take(2).collect(),
        },
        is_right: stores.are_right()?,
    })
}

/// The default is as many as there are cores, and at least two.
fn choices() -> Vec<Choice> {
    let of = |jobs| RocksDBConfig {
        max_background_jobs: jobs,
        write_buffer_size: 2 << 20,
        ..small()
    };
    let default = small().max_background_jobs;
    let first = Choice::default(default.to_string(), of(default));
    let others = JOBS.into_iter().filter(|jobs| *jobs != default);
    let others = others.map(|jobs| Choice::new(jobs.to_string(), of(jobs)));
    with_control([first].into_iter().chain(others))
}
