//! Panels drawn from answers: lines over seconds.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{coord::Shift, prelude::*};

use crate::{dashboard::Panel, prometheus::Series};

const COLUMNS: usize = 3;
const PANEL: (u32, u32) = (480, 260);
/// Series that are named; more would hide the lines.
const NAMED: usize = 9;
const COLORS: [RGBColor; 9] = [
    RGBColor(40, 80, 190),
    RGBColor(196, 123, 60),
    RGBColor(86, 125, 70),
    RGBColor(170, 50, 60),
    RGBColor(120, 80, 160),
    RGBColor(60, 150, 160),
    RGBColor(140, 110, 70),
    RGBColor(210, 120, 160),
    RGBColor(110, 110, 110),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawError = Box<dyn std::error::Error>;

pub(crate) fn draw(path: &Path, answers: &[(&Panel, Vec<Series>)]) -> Result<()> {
    let rows = answers.len().div_ceil(COLUMNS);
    let size = |count: usize, one: u32| u32::try_from(count).unwrap_or(1).saturating_mul(one);
    let size = (size(COLUMNS, PANEL.0), size(rows, PANEL.1));
    let area = SVGBackend::new(path, size).into_drawing_area();
    plot(&area, rows, answers).map_err(|error| anyhow!("{error}"))
}

fn plot(area: &Area<'_>, rows: usize, answers: &[(&Panel, Vec<Series>)]) -> Result<(), DrawError> {
    area.fill(&WHITE)?;
    for (area, (panel, series)) in area.split_evenly((rows, COLUMNS)).iter().zip(answers) {
        draw_panel(area, panel, series)?;
    }
    area.present()?;
    Ok(())
}

fn draw_panel(area: &Area<'_>, panel: &Panel, series: &[Series]) -> Result<(), DrawError> {
    let points = || series.iter().flat_map(|series| &series.points);
    let first = points()
        .map(|(time, _)| *time)
        .fold(f64::INFINITY, f64::min);
    let last = points().map(|(time, _)| *time).fold(first, f64::max);
    let most = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.1 } else { 1.0 };
    let seconds = if last > first { last - first } else { 1.0 };
    let title = match panel.unit() {
        "" | "short" | "none" => panel.title.clone(),
        unit => format!("{} ({unit})", panel.title),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(18)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..seconds, 0.0..most)?;
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(5)
        .y_label_formatter(&|value| short(*value))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (number, one) in series.iter().enumerate() {
        let color = COLORS.get(number % COLORS.len()).copied().unwrap_or(BLACK);
        let points = one
            .points
            .iter()
            .map(|(time, value)| (time - first, *value));
        let drawn = chart.draw_series(LineSeries::new(points, color.stroke_width(1)))?;
        if number < NAMED {
            drawn.label(one.name.clone()).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 12, y)], color.stroke_width(2))
            });
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 10))
        .background_style(WHITE.mix(0.7))
        .draw()?;
    Ok(())
}

/// A number with a unit of thousands, or thousandths.
fn short(number: f64) -> String {
    let units = [
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
        (1.0, ""),
        (1e-3, "m"),
        (1e-6, "u"),
    ];
    let found = units.iter().find(|(unit, _)| number.abs() >= *unit);
    found.map_or_else(
        || "0".to_owned(),
        |(unit, name)| {
            let digits = format!("{:.1}", number / unit);
            format!("{}{name}", digits.trim_end_matches(".0"))
        },
    )
}
