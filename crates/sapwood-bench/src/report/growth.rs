//! What operations cost when there is more of something: a line for each operation, and a table beside it.
//!
//! The picture has each cost as times that of the first point; the table has microseconds. The points are equally far
//! apart, whatever they stand for.

use std::path::Path;

use anyhow::{Result, anyhow};
use comfy_table::{CellAlignment, Table};
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 420);
const COLORS: [RGBColor; 5] = [
    RGBColor(86, 125, 70),
    RGBColor(40, 80, 190),
    RGBColor(196, 123, 60),
    RGBColor(150, 60, 140),
    RGBColor(40, 40, 40),
];

/// What grows, and what operations cost at each point of it.
#[derive(Debug)]
pub(crate) struct Growth {
    pub(crate) title: String,
    /// What there is more of.
    pub(crate) of: &'static str,
    pub(crate) points: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

/// An operation: nanoseconds at each point.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) costs: Vec<f64>,
}

/// The costs in microseconds.
pub(crate) fn table(growth: &Growth) -> String {
    let mut table = Table::new();
    let points = growth.points.iter().cloned();
    table.set_header([format!("us, by {}", growth.of)].into_iter().chain(points));
    for line in &growth.lines {
        let costs = line.costs.iter().map(|cost| format!("{:.3}", cost / 1e3));
        table.add_row([line.name.to_owned()].into_iter().chain(costs));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}:\n{table}", growth.title)
}

/// Draws the costs.
pub(crate) fn draw(path: &Path, growth: &Growth) -> Result<()> {
    plot(path, growth).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// The costs as times that of the first point.
fn relative(line: &Line) -> Vec<f64> {
    let first = line.costs.first().copied().unwrap_or(1.0);
    line.costs.iter().map(|cost| cost / first).collect()
}

fn plot(path: &Path, growth: &Growth) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let all = growth.lines.iter().flat_map(relative);
    let most = all.filter(|cost| cost.is_finite()).fold(1.5, f64::max);
    // Both ends belong to a range of segments.
    let last = i32::try_from(growth.points.len())? - 1;
    let mut chart = ChartBuilder::on(&area)
        .caption(&growth.title, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((0..last).into_segmented(), 0.0..most * 1.1)?;
    let label = |point: &SegmentValue<i32>| match point {
        SegmentValue::CenterOf(point) => usize::try_from(*point)
            .ok()
            .and_then(|point| growth.points.get(point).cloned())
            .unwrap_or_default(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(growth.points.len())
        .x_label_formatter(&label)
        .x_desc(growth.of)
        .y_desc("times the first")
        .y_label_formatter(&|times| format!("{times:.1}"))
        .draw()?;
    for (line, color) in growth.lines.iter().zip(COLORS.iter().copied().cycle()) {
        let points = (0..)
            .map(SegmentValue::CenterOf)
            .zip(relative(line))
            .collect::<Vec<_>>();
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        let marks = points.into_iter();
        chart.draw_series(marks.map(|point| Circle::new(point, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
