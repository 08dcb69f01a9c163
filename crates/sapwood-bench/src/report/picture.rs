//! The ratios as bars, with the floor and the goal of each row.
//!
//! The scale is logarithmic: half as fast and twice as fast are equally far from 1.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::harness::Figure;

const WIDTH: u32 = 900;
const ROW_HEIGHT: u32 = 34;
const MARGIN: u32 = 90;

const BAR: RGBColor = RGBColor(86, 125, 70);
const BAR_BELOW: RGBColor = RGBColor(196, 123, 60);
const SPREAD: RGBColor = RGBColor(40, 40, 40);
const FLOOR: RGBColor = RGBColor(190, 40, 40);
const GOAL: RGBColor = RGBColor(40, 80, 190);

pub(super) fn draw(path: &Path, figures: &[&Figure]) -> Result<()> {
    let rows = i32::try_from(figures.len())?;
    let height = u32::try_from(rows)? * ROW_HEIGHT + MARGIN;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    plot(&area, figures, rows).map_err(|error| anyhow!("{}: {error}", path.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type DrawError = Box<dyn std::error::Error>;

fn plot(area: &Area<'_>, figures: &[&Figure], rows: i32) -> Result<(), DrawError> {
    area.fill(&WHITE)?;
    let shown = figures
        .iter()
        .flat_map(|f| [f.low, f.high, f.floor, f.goal]);
    let (low, high) = shown
        .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
        .fold((0.5, 2.0), |(low, high): (f64, f64), ratio| {
            (low.min(ratio), high.max(ratio))
        });
    let (low, high) = (low / 1.2, high * 1.2);
    let mut chart = ChartBuilder::on(area)
        .caption(
            "Sapwood over its peer: red the floor, blue the goal, black the spread",
            ("sans-serif", 15),
        )
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(130)
        .build_cartesian_2d((low..high).log_scale(), (0..rows).into_segmented())?;
    let id = |row: &SegmentValue<i32>| match row {
        SegmentValue::CenterOf(row) => usize::try_from(rows - 1 - row)
            .ok()
            .and_then(|index| figures.get(index))
            .map_or_else(String::new, |figure| figure.id.to_owned()),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(figures.len())
        .y_label_formatter(&id)
        .x_label_formatter(&|ratio| format!("{ratio:.2}"))
        .draw()?;
    for (row, figure) in (0..rows).rev().zip(figures) {
        let (bottom, top) = (SegmentValue::Exact(row), SegmentValue::Exact(row + 1));
        let middle = SegmentValue::CenterOf(row);
        let color = if figure.ratio >= figure.floor {
            BAR
        } else {
            BAR_BELOW
        };
        let mut bar = Rectangle::new(
            [(low, bottom.clone()), (figure.ratio, top.clone())],
            color.filled(),
        );
        bar.set_margin(6, 6, 0, 0);
        chart.draw_series([bar])?;
        let spread = [(figure.low, middle.clone()), (figure.high, middle)];
        chart.draw_series([PathElement::new(spread, SPREAD)])?;
        let floor = figure.has_floor().then_some((figure.floor, FLOOR));
        for (mark, color) in floor.into_iter().chain([(figure.goal, GOAL)]) {
            let line = [(mark, bottom.clone()), (mark, top.clone())];
            chart.draw_series([PathElement::new(line, color.stroke_width(2))])?;
        }
    }
    area.present()?;
    Ok(())
}
