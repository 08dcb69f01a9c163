//! What each engine did in a second: a bar for each workload and engine, on a logarithmic scale.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 420);
/// Ours first.
const COLORS: [RGBColor; 5] = [
    RGBColor(86, 125, 70),
    RGBColor(196, 123, 60),
    RGBColor(70, 110, 170),
    RGBColor(150, 80, 140),
    RGBColor(120, 120, 120),
];
/// The part of a workload's place that its bars take.
const FILLED: f64 = 0.85;

/// Draws the medians of the workloads, in the order of the engines.
pub(super) fn draw(path: &Path, engines: &[&str], medians: &[(&str, Vec<f64>)]) -> Result<()> {
    plot(path, engines, medians).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn plot(
    path: &Path,
    engines: &[&str],
    medians: &[(&str, Vec<f64>)],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let rates = medians.iter().flat_map(|(_, rates)| rates).copied();
    let (low, high) = rates.fold((f64::MAX, 1.0), |(low, high): (f64, f64), rate| {
        (low.min(rate), high.max(rate))
    });
    let (low, high) = ((low / 2.0).max(1.0), high * 2.0);
    let places = i32::try_from(medians.len())?;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "YCSB: operations a second of one thread, the newest state only",
            ("sans-serif", 15),
        )
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..f64::from(places), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .y_desc("op/s")
        .draw()?;
    let width = FILLED / f64::from(i32::try_from(engines.len())?);
    for ((number, engine), color) in (0_i32..).zip(engines).zip(COLORS) {
        let bars = (0_i32..).zip(medians).filter_map(|(place, (_, rates))| {
            let rate = rates.get(usize::try_from(number).ok()?)?;
            let left = f64::from(place) + (1.0 - FILLED) / 2.0 + f64::from(number) * width;
            Some(Rectangle::new(
                [(left, low), (left + width, *rate)],
                color.filled(),
            ))
        });
        chart
            .draw_series(bars)?
            .label(*engine)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 10, y + 4)], color.filled()));
    }
    let names = (0_i32..).zip(medians).map(|(place, (name, _))| {
        let at = (f64::from(place) + 0.35, low * 1.15);
        Text::new(
            (*name).to_owned(),
            at,
            ("sans-serif", 13).into_font().color(&WHITE),
        )
    });
    chart.draw_series(names)?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}
