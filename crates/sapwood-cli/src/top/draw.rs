//! Figures on a screen.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Block, Paragraph, Row, Sparkline, Table},
};

use super::{
    View,
    figures::{Figures, bytes, count, seconds},
};

/// Pairs of a name and a value.
type Pairs = [(&'static str, String)];

pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let [head, first, second, third, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(9),
        Constraint::Length(13),
        Constraint::Min(13),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(
        Line::styled(format!("sapwood top  {}", view.title), bold),
        head,
    );
    let [commits, conflicts] =
        Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(first);
    draw_commits(frame, commits, view);
    draw_conflicts(frame, conflicts, &view.figures);
    let thirds = [Constraint::Fill(1); 3];
    let [latency, holds, kept] = Layout::horizontal(thirds).areas(second);
    draw_stages(frame, latency, &view.figures);
    draw_pairs(frame, holds, "Holds", &view.figures.holds);
    draw_pairs(frame, kept, "Kept", &view.figures.kept);
    let [levels, rocksdb, blocks] = Layout::horizontal(thirds).areas(third);
    draw_levels(frame, levels, &view.figures);
    draw_pairs(frame, rocksdb, "RocksDB", &view.figures.rocksdb);
    draw_pairs(frame, blocks, "Blocks", &view.figures.blocks);
    let alarm = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    let told = match (&view.failure, view.figures.stall) {
        (Some(failure), _) => Line::styled(failure.clone(), alarm),
        (None, Some(stall)) => Line::styled(stall, alarm),
        (None, None) => Line::raw("q ends it"),
    };
    frame.render_widget(told, foot);
}

fn draw_commits(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let figures = &view.figures;
    let title = format!(
        "Commits {}/s, keys {}/s, waits for the disk {}/s",
        count(figures.commits.round()),
        count(figures.writes.round()),
        count(figures.syncs.round())
    );
    let width = usize::from(area.width.saturating_sub(2));
    let skipped = view.commits.len().saturating_sub(width);
    let newest: Vec<_> = view.commits.iter().skip(skipped).copied().collect();
    let picture = Sparkline::default()
        .block(Block::bordered().title(title))
        .style(Style::new().fg(Color::Green))
        .data(newest);
    frame.render_widget(picture, area);
}

fn draw_conflicts(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let rows = figures.conflicts.iter();
    let rows = rows.map(|(kind, rate)| Row::new([(*kind).to_owned(), rounded(*rate)]));
    draw_table(frame, area, "Conflicts", ["kind", "/s"], rows.collect());
}

fn draw_stages(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let rows = figures.stages.iter().map(|stage| {
        let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), seconds);
        let (median, most) = stage.quantiles.unzip();
        let count = rounded(stage.count);
        Row::new([stage.name.to_owned(), count, time(median), time(most)])
    });
    let heads = ["stage", "/s", "p50", "p99"];
    draw_table(frame, area, "Latency of commits", heads, rows.collect());
}

fn draw_levels(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let rows = figures.levels.iter().enumerate();
    let rows = rows
        .map(|(level, (files, size))| Row::new([level.to_string(), count(*files), bytes(*size)]));
    let heads = ["level", "files", "size"];
    draw_table(frame, area, "Levels", heads, rows.collect());
}

fn draw_table<const COLUMNS: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    heads: [&'static str; COLUMNS],
    rows: Vec<Row<'_>>,
) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let table = Table::new(rows, [Constraint::Fill(1); COLUMNS])
        .header(Row::new(heads).style(bold))
        .block(Block::bordered().title(title));
    frame.render_widget(table, area);
}

fn draw_pairs(frame: &mut Frame<'_>, area: Rect, title: &str, pairs: &Pairs) {
    let lines: Vec<_> = pairs
        .iter()
        .map(|(name, value)| Line::raw(format!("{name:<17}{value}")))
        .collect();
    let text = Paragraph::new(lines).block(Block::bordered().title(title));
    frame.render_widget(text, area);
}

/// A rate: small ones with a digit behind the point.
fn rounded(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 {
        format!("{rate:.1}")
    } else {
        count(rate.round())
    }
}
