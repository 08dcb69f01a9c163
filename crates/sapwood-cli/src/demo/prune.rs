//! Pruning half of the history, with one state pinned.

use comfy_table::{Cell, Table};
use sapwood::{ErrorKind, KeyspaceSize, PinOptions, Timestamp};

use super::{Report, Stage, oracle};
use crate::{
    failure::{Failure, Result},
    progress,
    render::{
        clock,
        table::{number, table},
    },
};

/// How many states are compared with git after pruning.
const CHECKS: usize = 10;
const PIN: &str = "release";

/// Counts and sizes at one moment.
struct Measured {
    versions: u64,
    sizes: Vec<KeyspaceSize>,
}

/// Pins, prunes, shows and checks. Returns how many states were checked.
pub(super) fn run(stage: &mut Stage, report: &mut Report) -> Result<usize> {
    let engine = stage.session.engine.clone();
    let pinned = Timestamp::new(stage.source.len() / 4);
    let floor = Timestamp::new(stage.source.len() / 2);
    stage.section(&format!(
        "Prune: sapwood pin {PIN} {pinned}; sapwood prune --before {floor}"
    ))?;
    // In files and compact before and after, so that like is compared with like.
    engine.flush()?;
    engine.compact()?;
    let before = measure(stage)?;
    engine.pin(PIN, pinned, PinOptions::default())?;
    let bar = progress::part("pruning");
    let pruned = engine.prune_with(floor, |part, what| progress::set_part(&bar, part, what))?;
    bar.finish_and_clear();
    let after = measure(stage)?;
    stage.say(&compared(&before, &after).to_string())?;
    stage.say(&format!(
        "{} versions dropped; the floor is {}",
        pruned.rows_dropped, pruned.floor
    ))?;
    report.versions = [before.versions, after.versions];
    report.size_bytes = [total(&before.sizes), total(&after.sizes)];

    expect_pruned(stage, Timestamp::new(pinned.get() + 1))?;
    let mut states = vec![pinned];
    states.extend(stage.source.pick(CHECKS, floor.get(), &mut stage.random));
    oracle::check(stage, &states)?;
    Ok(states.len())
}

fn measure(stage: &Stage) -> Result<Measured> {
    Ok(Measured {
        versions: stage.session.engine.status()?.versions,
        sizes: stage.session.engine.sizes()?,
    })
}

fn total(sizes: &[KeyspaceSize]) -> u64 {
    sizes.iter().map(|size| size.size_bytes).sum()
}

fn compared(before: &Measured, after: &Measured) -> Table {
    let mut shown = table(["", "before", "after"]);
    shown.add_row([
        Cell::new("versions (rows)"),
        number(&before.versions),
        number(&after.versions),
    ]);
    for (old, new) in before.sizes.iter().zip(&after.sizes) {
        shown.add_row([
            Cell::new(format!("bytes of {}", old.keyspace)),
            number(&clock::size(old.size_bytes)),
            number(&clock::size(new.size_bytes)),
        ]);
    }
    shown.add_row([
        Cell::new("bytes in all"),
        number(&clock::size(total(&before.sizes))),
        number(&clock::size(total(&after.sizes))),
    ]);
    shown
}

/// A state below the floor that is not pinned must be refused.
fn expect_pruned(stage: &Stage, at: Timestamp) -> Result<()> {
    match stage.session.engine.at(at) {
        Err(error) if matches!(error.kind(), ErrorKind::Pruned { .. }) => {
            stage.say(&format!("ok: reading at {at}: {error}"))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Failure::new(
            "corrupt",
            format!("FAIL: the state at {at} was pruned and can still be read"),
        )),
    }
}
