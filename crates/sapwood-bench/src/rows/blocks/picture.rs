//! The speed-up of a block over the number of accounts: how much contention costs.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{
    WORK_US, WORKERS,
    load::{self, Load, Pairs},
};
use crate::{
    convert::float,
    harness::{Bench, rate},
};

const ACCOUNTS: [u32; 7] = [2, 5, 10, 30, 100, 1_000, 10_000];
const ROUNDS: usize = 3;

/// Measures and draws it.
pub(super) fn draw(bench: &Bench) -> Result<()> {
    let executor = load::executor(WORKERS)?;
    let mut points = Vec::new();
    for accounts in ACCOUNTS {
        bench.say(&format!("blocks: {accounts} accounts"));
        let load = Load::new(Pairs::Random(accounts), WORK_US);
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let (ours, _) = load.in_parallel(&executor, 1)?;
            ratios.push(rate(ours) / rate(load.one_by_one(1)?));
        }
        ratios.sort_by(f64::total_cmp);
        points.push((
            float(accounts.into()),
            ratios.get(ROUNDS / 2).copied().unwrap_or(0.0),
        ));
    }
    let path = bench.out().join("blocks.svg");
    plot(&path, &points).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn plot(path: &std::path::Path, points: &[(f64, f64)]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (700, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = points.iter().fold(2.0_f64, |most, (_, y)| most.max(*y)) * 1.1;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Blocks of 10,000 payments of 10 us, 2 workers, over one by one",
            ("sans-serif", 15),
        )
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((1.5..15_000.0).log_scale(), 0.0..most)?;
    chart
        .configure_mesh()
        .x_desc("accounts")
        .y_desc("speed-up")
        .draw()?;
    chart.draw_series(LineSeries::new(points.iter().copied(), &BLUE))?;
    chart.draw_series(
        points
            .iter()
            .map(|point| Circle::new(*point, 3, BLUE.filled())),
    )?;
    chart.draw_series(LineSeries::new([(1.5, 1.0), (15_000.0, 1.0)], &RED))?;
    area.present()?;
    Ok(())
}
