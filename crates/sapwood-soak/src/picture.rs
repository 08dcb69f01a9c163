//! The samples as a picture: how things were over the hours.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::{
    counts::Count,
    sample::{Kind, Sample},
};

const SIZE: (u32, u32) = (1000, 900);
const COLORS: [RGBColor; 3] = [
    RGBColor(40, 80, 190),
    RGBColor(196, 123, 60),
    RGBColor(86, 125, 70),
];
const MIB: f64 = 1_048_576.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type DrawError = Box<dyn std::error::Error>;
/// What a line shows: its name, and its value in a sample, where it has one.
type Line = (&'static str, fn(&Sample) -> Option<f64>);

#[expect(clippy::cast_precision_loss, reason = "for a picture")]
fn number(number: u64) -> f64 {
    number as f64
}

fn open(sample: &Sample, value: u64) -> Option<f64> {
    (sample.kind == Kind::Open).then(|| number(value))
}

fn closed(sample: &Sample, value: u64) -> Option<f64> {
    (sample.kind != Kind::Open).then(|| number(value))
}

const PANELS: &[(&str, &[Line])] = &[
    (
        "Resident memory, MiB",
        &[
            ("open", |sample| {
                open(sample, sample.resident_bytes).map(|bytes| bytes / MIB)
            }),
            ("closed", |sample| {
                closed(sample, sample.resident_bytes).map(|bytes| bytes / MIB)
            }),
        ],
    ),
    (
        "File handles",
        &[
            ("open", |sample| open(sample, sample.handles)),
            ("closed", |sample| closed(sample, sample.handles)),
        ],
    ),
    (
        "Threads",
        &[
            ("open", |sample| open(sample, sample.threads)),
            ("closed", |sample| closed(sample, sample.threads)),
        ],
    ),
    (
        "Disk, MiB",
        &[
            ("directory", |sample| {
                open(sample, sample.directory_bytes).map(|bytes| bytes / MIB)
            }),
            ("store", |sample| {
                open(sample, sample.store_bytes).map(|bytes| bytes / MIB)
            }),
            ("store, compacted", |sample| {
                (sample.kind == Kind::Compacted).then(|| number(sample.store_bytes) / MIB)
            }),
        ],
    ),
    (
        "What the store should hold, MiB",
        &[
            ("live", |sample| Some(number(sample.live_bytes) / MIB)),
            ("history", |sample| Some(number(sample.history_bytes) / MIB)),
        ],
    ),
    (
        "Done, thousands",
        &[
            ("commits", |sample| {
                Some(number(sample.count(Count::Commits)) / 1e3)
            }),
            ("reads", |sample| {
                Some(number(sample.count(Count::Reads)) / 1e3)
            }),
        ],
    ),
];

pub(crate) fn draw(path: &Path, samples: &[Sample]) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    plot(&area, samples).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn plot(area: &Area<'_>, samples: &[Sample]) -> Result<(), DrawError> {
    area.fill(&WHITE)?;
    for (area, (title, lines)) in area.split_evenly((3, 2)).iter().zip(PANELS) {
        panel(area, title, lines, samples)?;
    }
    area.present()?;
    Ok(())
}

fn panel(
    area: &Area<'_>,
    title: &str,
    lines: &[Line],
    samples: &[Sample],
) -> Result<(), DrawError> {
    let points: Vec<(&str, Vec<(f64, f64)>)> = lines
        .iter()
        .map(|(name, value)| {
            let points = samples.iter();
            let points = points.filter_map(|sample| Some((sample.hours, value(sample)?)));
            (*name, points.collect())
        })
        .collect();
    let hours = samples.last().map_or(0.0, |sample| sample.hours).max(0.001);
    let all = points.iter().flat_map(|(_, points)| points);
    let most = all.map(|(_, value)| *value).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..hours, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(5)
        .x_desc("hours run")
        .light_line_style(TRANSPARENT)
        .draw()?;
    for ((name, points), color) in points.into_iter().zip(COLORS) {
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(1)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.7))
        .draw()?;
    Ok(())
}
