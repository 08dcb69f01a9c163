//! Rounds of two sides, alternating in order, and what comes of them.
//!
//! Each round gives one ratio. Its two halves run one right after the other, so a machine that is
//! slow for a while is slow for both; the order changes from round to round, so that neither side
//! always meets the other's leavings. The figure is the median of the ratios.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, clock::Sample};
use crate::convert::{at_least_one, float, times};

/// One side of a row: does `work` units of its work in round `round`.
pub(crate) type Side<'a> = &'a mut dyn FnMut(u64, u32) -> Result<Sample>;

/// How much work a round is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// As much as fills the round's time, found out by trying: for work that leaves no trace.
    Filling,
    /// So much in every round: for writes, of which both sides must make the same.
    Fixed(u64),
}

/// What the rounds gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    /// Ours over the peer's, round by round, in order of size.
    pub(crate) ratios: Vec<f64>,
    /// The same by CPU time; empty where the system does not tell it.
    pub(crate) cpu_ratios: Vec<f64>,
    pub(crate) wrong: u64,
}

impl Outcome {
    /// The same with other units: both values times `factor`.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self {
            ours: self.ours * factor,
            peer: self.peer * factor,
            ..self
        }
    }
}

/// Runs two sides against each other.
pub(crate) fn alternate(
    bench: &Bench,
    work: Work,
    ours: Side<'_>,
    peer: Side<'_>,
) -> Result<Outcome> {
    let ours_work = amount(bench, work, ours)?;
    let peer_work = amount(bench, work, peer)?;
    let mut pairs = Vec::new();
    for round in 0..bench.size.rounds {
        let pair = if round % 2 == 0 {
            let first = ours(ours_work, round)?;
            (first, peer(peer_work, round)?)
        } else {
            let first = peer(peer_work, round)?;
            (ours(ours_work, round)?, first)
        };
        bench.tick();
        pairs.push(pair);
    }
    Ok(compare(&pairs))
}

/// What comes of rounds: ours and the peer's of each.
pub(crate) fn compare(pairs: &[(Sample, Sample)]) -> Outcome {
    let rates = |side: fn(&(Sample, Sample)) -> Sample| {
        sorted(pairs.iter().map(|pair| rate(side(pair))).collect())
    };
    Outcome {
        ours: median(&rates(|pair| pair.0)),
        peer: median(&rates(|pair| pair.1)),
        ratios: sorted(pairs.iter().map(|(o, p)| rate(*o) / rate(*p)).collect()),
        cpu_ratios: sorted(pairs.iter().filter_map(|(o, p)| cpu_ratio(o, p)).collect()),
        wrong: pairs.iter().map(|(o, p)| o.wrong + p.wrong).sum(),
    }
}

/// Runs one side against a fixed figure, which `value` turns a round into.
pub(crate) fn against(
    bench: &Bench,
    work: Work,
    figure: f64,
    value: impl Fn(&Sample) -> f64,
    ratio: impl Fn(f64) -> f64,
    ours: Side<'_>,
) -> Result<Outcome> {
    let work = amount(bench, work, ours)?;
    let mut values = Vec::new();
    let mut wrong = 0;
    for round in 0..bench.size.rounds {
        let sample = ours(work, round)?;
        bench.tick();
        wrong += sample.wrong;
        values.push(value(&sample));
    }
    let values = sorted(values);
    Ok(Outcome {
        ours: median(&values),
        peer: figure,
        ratios: sorted(values.iter().map(|value| ratio(*value)).collect()),
        cpu_ratios: Vec::new(),
        wrong,
    })
}

/// Runs one side by itself, against nothing: its rates stand in the place of the ratios.
pub(crate) fn alone(bench: &Bench, work: Work, ours: Side<'_>) -> Result<Outcome> {
    let value = |sample: &Sample| rate(*sample);
    against(bench, work, f64::NAN, value, |rate| rate, ours)
}

/// Work that fills a round, which also warms up caches and branch predictors.
fn amount(bench: &Bench, work: Work, side: Side<'_>) -> Result<u64> {
    let mut tried = match work {
        Work::Fixed(work) => return Ok(work),
        Work::Filling => 1,
    };
    loop {
        let sample = side(tried, 0)?;
        if sample.wall >= bench.size.round / 8 {
            let scale = times(bench.size.round, sample.wall);
            return Ok(at_least_one(float(tried) * scale));
        }
        tried = tried.saturating_mul(4);
    }
}

/// What was done in a second.
pub(crate) fn rate(sample: Sample) -> f64 {
    float(sample.done) / sample.wall.as_secs_f64().max(1e-9)
}

fn cpu_ratio(ours: &Sample, peer: &Sample) -> Option<f64> {
    let of_one = |sample: &Sample| {
        let cpu = sample.cpu.filter(|cpu| *cpu > Duration::ZERO)?;
        Some(cpu.as_secs_f64() / float(sample.done.max(1)))
    };
    Some(of_one(peer)? / of_one(ours)?)
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The middle one; of an even number, the lower of the two middle ones.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(f64::NAN)
}
