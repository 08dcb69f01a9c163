//! Rounds of the same operation at several points, alternating.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, Outcome, Sample, Work, median, rate};
use crate::convert::{at_least_one, float, times};

/// The operation at one point: does `work` units of it in round `round`.
pub(crate) type Point<'a> = Box<dyn FnMut(u64, u32) -> Result<Sample> + 'a>;

/// What the rounds gave: for each point, a sample a round.
pub(crate) struct Swept {
    samples: Vec<Vec<Sample>>,
}

/// Measures all points in every round, in changing orders.
pub(crate) fn sweep(bench: &Bench, work: Work, points: Vec<Point<'_>>) -> Result<Swept> {
    sweep_rounds(bench, bench.size.rounds, work, points)
}

/// The same in so many rounds: for work of which a single round takes long.
pub(crate) fn sweep_rounds(
    bench: &Bench,
    rounds: u32,
    work: Work,
    mut points: Vec<Point<'_>>,
) -> Result<Swept> {
    let length = bench.size.round / 2;
    let amounts = points
        .iter_mut()
        .map(|point| amount(length, work, point))
        .collect::<Result<Vec<_>>>()?;
    let mut samples = vec![Vec::new(); points.len()];
    for round in 0..rounds {
        let mut all: Vec<_> = points.iter_mut().zip(&amounts).zip(&mut samples).collect();
        // A round and the next go through the points in opposite order: what comes late in a round, when much waits to
        // be written, comes early in the other.
        let first = (round / 2) as usize % all.len().max(1);
        all.rotate_left(first);
        if round % 2 == 1 {
            all.reverse();
        }
        for ((point, work), samples) in all {
            samples.push(point(*work, round)?);
        }
        bench.tick();
    }
    Ok(Swept { samples })
}

/// Work that fills a round; trying it also warms up.
fn amount(length: Duration, work: Work, point: &mut Point<'_>) -> Result<u64> {
    let mut tried = match work {
        Work::Fixed(work) => return Ok(work),
        Work::Filling => 1,
    };
    loop {
        let sample = point(tried, 0)?;
        if sample.wall >= length / 8 {
            return Ok(at_least_one(float(tried) * times(length, sample.wall)));
        }
        tried = tried.saturating_mul(4);
    }
}

impl Swept {
    /// Each point against the first.
    pub(crate) fn against_first(&self) -> Vec<Outcome> {
        (0..self.samples.len())
            .map(|point| self.outcome(point, 0))
            .collect()
    }

    /// The median time of one operation at each point, in nanoseconds.
    pub(crate) fn costs(&self) -> Vec<f64> {
        let of_point = |samples: &Vec<Sample>| {
            let rates = samples.iter().map(|sample| rate(*sample));
            1e9 / median(&sorted(rates.collect()))
        };
        self.samples.iter().map(of_point).collect()
    }

    /// One point against another, round by round.
    pub(crate) fn outcome(&self, point: usize, base: usize) -> Outcome {
        let samples = |point: usize| self.samples.get(point).into_iter().flatten();
        let rates = |point| sorted(samples(point).map(|sample| rate(*sample)).collect());
        let pairs = || samples(point).zip(samples(base));
        let cpu = |sample: &Sample| {
            let cpu = sample.cpu.filter(|cpu| *cpu > Duration::ZERO)?;
            Some(cpu.as_secs_f64() / float(sample.done.max(1)))
        };
        let cpu_ratios = pairs().filter_map(|(here, base)| Some(cpu(base)? / cpu(here)?));
        Outcome {
            ours: median(&rates(point)),
            peer: median(&rates(base)),
            ratios: sorted(
                pairs()
                    .map(|(here, base)| rate(*here) / rate(*base))
                    .collect(),
            ),
            cpu_ratios: sorted(cpu_ratios.collect()),
            wrong: self
                .samples
                .iter()
                .flatten()
                .map(|sample| sample.wrong)
                .sum(),
        }
    }

    /// The last point against the first.
    pub(crate) fn growth(&self) -> Outcome {
        self.outcome(self.samples.len().saturating_sub(1), 0)
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
