//! Two looks at an endpoint, and the screen that they make.

#![expect(clippy::float_cmp, reason = "whole numbers, which are exact")]

use std::time::{Duration, Instant};

use ratatui::{Terminal, backend::TestBackend};

use super::{View, draw, figures::Figures, lines};
use crate::scrape::{Reading, Scrape};

/// A look at readings that are written as `name value` or `name label=value ... value`.
fn look(at: Instant, readings: &[&str]) -> Scrape {
    let reading = |line: &&str| {
        let mut words: Vec<_> = line.split(' ').collect();
        let value = words.pop().unwrap().parse().unwrap();
        let mut words = words.into_iter();
        let name = words.next().unwrap().to_owned();
        let label = |word: &str| {
            let (label, value) = word.split_once('=').unwrap();
            (label.to_owned(), value.to_owned())
        };
        let labels = words.map(label).collect();
        Reading {
            name,
            labels,
            value,
        }
    };
    let readings = readings.iter().map(reading).collect();
    Scrape { at, readings }
}

fn screen(view: &View) -> String {
    let mut terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
    terminal.draw(|frame| draw::draw(frame, view)).unwrap();
    lines(terminal.backend().buffer()).join("\n")
}

/// What two looks that lie two seconds apart say.
fn between(before: &[&str], now: &[&str]) -> Figures {
    let first = Instant::now();
    let later = first + Duration::from_secs(2);
    Figures::between(&look(first, before), &look(later, now))
}

const BEFORE: &[&str] = &[
    "sapwood_commits_total 1000",
    "sapwood_conflicts_total kind=read 4",
    "sapwood_commit_seconds_bucket stage=write le=0.001 100",
    "sapwood_commit_seconds_bucket stage=write le=0.01 100",
    "sapwood_commit_seconds_bucket stage=write le=+Inf 100",
    "sapwood_commit_seconds_count stage=write 100",
];

const NOW: &[&str] = &[
    "sapwood_commits_total 5000",
    "sapwood_writes_total 9000",
    "sapwood_conflicts_total kind=read 10",
    "sapwood_commit_seconds_bucket stage=write le=0.001 150",
    "sapwood_commit_seconds_bucket stage=write le=0.01 200",
    "sapwood_commit_seconds_bucket stage=write le=+Inf 200",
    "sapwood_commit_seconds_count stage=write 200",
    "sapwood_visible_timestamp 5000",
    "sapwood_floor_timestamp 1200",
    "sapwood_open_snapshots 3",
    "sapwood_oldest_snapshot_age_seconds 90",
    "sapwood_oldest_snapshot_lag 2500",
    "sapwood_retention_debt_bytes 3145728",
    "sapwood_rocksdb_level_files keyspace=current level=0 2",
    "sapwood_rocksdb_level_files keyspace=history level=0 1",
    "sapwood_rocksdb_level_bytes keyspace=current level=0 2048",
    "sapwood_rocksdb_level_files keyspace=history level=1 0",
    "sapwood_rocksdb_level_files keyspace=history level=2 7",
    "sapwood_block_transactions_total path=parallel 200",
    "sapwood_block_incarnations_total 250",
    "sapwood_block_microseconds_total 1000",
    "sapwood_block_run_microseconds_total 1800",
];

#[test]
fn rates_are_of_the_time_between_two_looks() {
    let figures = between(BEFORE, NOW);
    assert_eq!((figures.commits, figures.writes), (2000.0, 4500.0));
    let read = figures.conflicts.iter().find(|(kind, _)| *kind == "read");
    assert_eq!(read, Some(&("read", 3.0)));
    let write = figures
        .stages
        .iter()
        .find(|stage| stage.name == "write")
        .unwrap();
    assert_eq!(write.count, 50.0);
    // Of the 100 between the looks, half took up to a millisecond, the others up to ten.
    let (median, most) = write.quantiles.unwrap();
    assert!(
        (median - 0.001).abs() < 1e-9 && (most - 0.00982).abs() < 1e-9,
        "{median} {most}"
    );
    assert!(
        figures
            .stages
            .iter()
            .all(|stage| stage.name == "write" || stage.quantiles.is_none())
    );
    assert_eq!(figures.levels, [(3.0, 2048.0), (0.0, 0.0), (7.0, 0.0)]);
}

#[test]
fn a_process_that_begins_anew_counts_from_0() {
    let figures = between(NOW, BEFORE);
    assert_eq!(figures.commits, 500.0);
    let write = figures
        .stages
        .iter()
        .find(|stage| stage.name == "write")
        .unwrap();
    assert_eq!(write.count, 50.0);
}

#[test]
fn the_first_look_has_no_rates() {
    let look = look(Instant::now(), NOW);
    let figures = Figures::between(&look, &look);
    assert_eq!(figures.commits, 0.0);
    assert!(figures.stages.iter().all(|stage| stage.quantiles.is_none()));
}

#[test]
fn the_screen_shows_what_the_figures_say() {
    let mut view = View::new(
        "ledger at http://localhost".to_owned(),
        between(BEFORE, NOW),
    );
    let shown = screen(&view);
    let joined = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "sapwood top ledger at http://localhost",
        "Commits 2.0 k/s, keys 4.5 k/s",
        "read 3.0",
        "write 50 1.0 ms 9.8 ms",
        "visible 5.0 k",
        "floor 1.2 k",
        "snapshots 3",
        "oldest, age 90.0 s",
        "oldest, behind 2.5 k",
        "debt 3.0 MiB",
        "0 3 2.0 KiB",
        "2 7 0 B",
        "runs for each 1.25",
        "speed-up 1.80",
        "q ends it",
    ] {
        let is_there = joined.contains(words);
        assert!(is_there, "no {words:?} in\n{shown}");
    }
    view.failure = Some("it does not answer".to_owned());
    assert!(screen(&view).contains("it does not answer"));
    let stopped = [NOW, &["sapwood_rocksdb_write_stopped 1"]].concat();
    view.show(between(BEFORE, &stopped));
    assert!(screen(&view).contains("RocksDB lets no write through"));
    let waiting = [NOW, &["sapwood_writers_wait 1"]].concat();
    view.show(between(BEFORE, &waiting));
    assert!(screen(&view).contains("writers wait for the retention debt"));
}

/// A screen too small for all of it is no reason to fail.
#[test]
fn a_small_screen_shows_a_part() {
    let view = View::new("ledger".to_owned(), between(BEFORE, NOW));
    for (width, height) in [(1, 1), (10, 3), (40, 12), (300, 100)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw::draw(frame, &view)).unwrap();
    }
}
