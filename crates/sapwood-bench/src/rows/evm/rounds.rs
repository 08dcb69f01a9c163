//! Rounds of the same blocks on all sides, and what comes of them.

use anyhow::{Context, Result, anyhow};

use super::{
    ROWS, Rows,
    chains::{Ran, WAYS},
};
use crate::{
    convert::float,
    harness::{Bench, Figure, Measured, Sample, compare, median, rate},
};

/// The state roots of a side, of each of its chains.
pub(super) type Roots = Vec<[u8; 32]>;

/// What is executed in rounds.
pub(super) trait Blocks {
    /// Gets ready what the next round executes.
    fn prepare(&mut self) -> Result<()>;

    /// Executes it on a side.
    fn execute(&mut self, side: usize) -> Result<Ran>;

    /// After the last round: whether what must hold does, and the state roots of each side.
    fn finish(&mut self) -> Result<Vec<Roots>>;
}

/// Positions in [`WAYS`].
const PLAIN: usize = 0;
const SERIAL: usize = 1;
const ONE: usize = 2;
const TWO: usize = 3;
const FOUR: usize = 4;
const SNAPSHOT: usize = 5;

/// The sides of each row, ours first.
const PAIRS: [(usize, usize); ROWS] = [
    (TWO, PLAIN),
    (TWO, SERIAL),
    (ONE, PLAIN),
    (FOUR, PLAIN),
    (TWO, SERIAL),
    (TWO, SNAPSHOT),
];
/// The row that is about whole blocks.
const WHOLE: usize = 4;

/// Measures all rows of a form.
pub(super) fn measure(
    bench: &Bench,
    rows: &Rows,
    mut blocks: impl Blocks,
) -> Result<Vec<Measured>> {
    let mut executions = vec![Vec::new(); WAYS.len()];
    let mut wholes = vec![Vec::new(); WAYS.len()];
    let mut last = Vec::new();
    // The first round warms up.
    for round in 0..=bench.size.rounds {
        blocks.prepare()?;
        let mut order: Vec<_> = (0..WAYS.len()).collect();
        order.rotate_left(round as usize % WAYS.len());
        last = WAYS.map(|_| Ran::default()).into();
        for side in order {
            let ran = blocks.execute(side)?;
            if let Some(slot) = last.get_mut(side) {
                *slot = ran;
            }
        }
        let wrong = wrong_results(&last);
        if round == 0 && wrong == 0 {
            continue;
        }
        bench.tick();
        for (side, ran) in last.iter().enumerate() {
            let sample = |sample: Sample| Sample { wrong, ..sample };
            executions
                .get_mut(side)
                .context("no side")?
                .push(sample(ran.execution));
            wholes
                .get_mut(side)
                .context("no side")?
                .push(sample(ran.block));
        }
    }
    let is_right = is_right(bench, rows, blocks.finish())?;
    bench.remark(remark(rows, &executions, &wholes, &last));
    let figure = |(number, (row, (ours, peer))): (usize, (_, (usize, usize)))| {
        let samples = if number == WHOLE {
            &wholes
        } else {
            &executions
        };
        let of = |side: usize| samples.get(side).into_iter().flatten().copied();
        let pairs: Vec<_> = of(ours).zip(of(peer)).collect();
        (Figure::new(row, &compare(&pairs), is_right), Vec::new())
    };
    Ok(rows
        .iter()
        .copied()
        .zip(PAIRS)
        .enumerate()
        .map(figure)
        .collect())
}

/// How many transactions failed, or came to something else than on the first side.
fn wrong_results(sides: &[Ran]) -> u64 {
    let first = sides
        .first()
        .map(|ran| ran.results.as_slice())
        .unwrap_or_default();
    let mut wrong = first.iter().filter(|result| !result.is_success()).count();
    for ran in sides {
        let pairs = ran.results.iter().zip(first);
        wrong += pairs.filter(|(ours, theirs)| ours != theirs).count();
        wrong += ran.results.len().abs_diff(first.len());
    }
    crate::convert::count(wrong)
}

fn is_right(bench: &Bench, rows: &Rows, finished: Result<Vec<Roots>>) -> Result<bool> {
    let [row, ..] = rows;
    let roots = match finished {
        Ok(roots) => roots,
        Err(error) => {
            bench.remark(format!("{}: {error:#}", row.id));
            return Ok(false);
        }
    };
    let first = roots.first().ok_or_else(|| anyhow!("no sides"))?;
    let is_right = roots.iter().all(|root| root == first);
    if !is_right {
        bench.remark(format!("{}: the sides end with different states", row.id));
    }
    Ok(is_right)
}

/// What a transaction takes on each side, and how the last block went.
fn remark(rows: &Rows, executions: &[Vec<Sample>], wholes: &[Vec<Sample>], last: &[Ran]) -> String {
    let [row, ..] = rows;
    let form = row.id.trim_end_matches(".revm");
    let rate_of = |samples: &[Vec<Sample>], side: usize| {
        let rates = samples
            .get(side)
            .into_iter()
            .flatten()
            .map(|sample| rate(*sample));
        let mut rates: Vec<_> = rates.collect();
        rates.sort_by(f64::total_cmp);
        median(&rates)
    };
    let us = |side| 1e6 / rate_of(executions, side);
    let whole = |side| 1e6 / rate_of(wholes, side);
    let gas = last.first().map_or(0.0, |ran| {
        float(ran.gas()) / float(crate::convert::count(ran.results.len()).max(1))
    });
    let mega_gas = |side| rate_of(executions, side) * gas / 1e6;
    let counts = last.get(TWO).map(|ran| ran.counts).unwrap_or_default();
    format!(
        "{form}: us for each transaction: plain revm {:.2}, over a snapshot {:.2}, one by one {:.2}, 1 worker {:.2}, 2 workers {:.2}, 4 workers \
         {:.2}; of whole blocks one by one {:.2}, 2 workers {:.2}. Mgas/s: plain revm {:.0}, one by one {:.0}, 2 workers \
         {:.0}. In the last round with 2 workers {} transactions in parallel, {} one by one, {} runs",
        us(PLAIN),
        us(SNAPSHOT),
        us(SERIAL),
        us(ONE),
        us(TWO),
        us(FOUR),
        whole(SERIAL),
        whole(TWO),
        mega_gas(PLAIN),
        mega_gas(SERIAL),
        mega_gas(TWO),
        counts.parallel,
        counts.serial,
        counts.runs,
    )
}

#[cfg(test)]
mod tests {
    use sapwood_evm::workload::{Environment, Ether, Payers, PlainRevm, Workload};

    use super::*;

    /// What each side made of a block of three transfers.
    fn sides() -> Vec<Ran> {
        let mut ether = Ether::new(Payers::Independent { count: 3 }, 1);
        let mut plain = PlainRevm::new(1, &ether.accounts());
        let block = PlainRevm::ready(&ether.block());
        let results = plain.execute(&Environment::default(), block).unwrap();
        let ran = |_| Ran {
            results: results.clone(),
            ..Ran::default()
        };
        WAYS.map(ran).into()
    }

    #[test]
    fn results_that_differ_or_fail_are_wrong() {
        assert_eq!(wrong_results(&sides()), 0);
        assert_eq!(sides().first().map(Ran::gas), Some(3 * 21_000));

        let mut fewer = sides();
        fewer[TWO].results.pop();
        assert_eq!(wrong_results(&fewer), 1);

        let (mut other, mut failing) = (sides(), sides());
        let halted = sapwood_evm::revm::context::result::ExecutionResult::Halt {
            reason: sapwood_evm::revm::context::result::HaltReason::StackOverflow,
            gas: *other[FOUR].results[1].gas(),
            logs: Vec::new(),
        };
        other[FOUR].results[1] = halted.clone();
        assert_eq!(wrong_results(&other), 1);
        for side in &mut failing {
            side.results[1] = halted.clone();
        }
        assert_eq!(wrong_results(&failing), 1);
    }
}
