//! The Grafana dashboard, tried: a store works and serves its metrics, a real Prometheus collects them, every query of
//! the dashboard is asked of it, and the panels are drawn from the answers.
//!
//! | module | owns |
//! |---|---|
//! | `dashboard` | the panels and queries of the dashboard's file |
//! | `process` | programs that are ended with this one |
//! | `prometheus` | starting it, and asking it |
//! | `picture` | panels drawn from answers |
//!
//! It fails where a query is refused or has no answer, and where a metric of the table is in no panel.

mod dashboard;
mod picture;
mod process;
mod prometheus;

use std::{
    collections::BTreeSet,
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dashboard::Dashboard;
use process::Process;
use prometheus::Prometheus;
use sapwood::metrics::METRICS;

/// Asks every query of the dashboard of a Prometheus that collects from a store at work.
#[derive(Debug, Parser)]
struct Args {
    /// The program prometheus.
    #[arg(long, default_value = "prometheus")]
    prometheus: PathBuf,
    /// A program that takes an address to serve its metrics at, and works: the example `metrics_http`.
    #[arg(long)]
    load: PathBuf,
    /// The dashboard.
    #[arg(long, default_value = "docs/grafana/sapwood.json")]
    dashboard: PathBuf,
    /// Where its panels are drawn.
    #[arg(long, default_value = "docs/grafana/sapwood.svg")]
    picture: PathBuf,
    /// For how long the store works.
    #[arg(long, default_value_t = 90)]
    seconds: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let dashboard = Dashboard::read(&args.dashboard)?;
    check_complete(&dashboard)?;
    let load = prometheus::free_address()?;
    let directory = tempfile::tempdir()?;
    let mut worker = Process::start(&args.load, &[load.to_string()], directory.path())?;
    let mut prometheus = Prometheus::start(&args.prometheus, load)?;
    say(&format!("collecting for {} s", args.seconds));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(args.seconds) {
        worker.check()?;
        prometheus.check()?;
        std::thread::sleep(Duration::from_millis(500));
    }
    let mut answers = Vec::new();
    let mut wrong = Vec::new();
    for panel in &dashboard.panels {
        let mut lines = Vec::new();
        for query in &panel.queries {
            match prometheus.ask(query, args.seconds) {
                Ok(series) if !series.is_empty() => lines.extend(series),
                Ok(_) => wrong.push(format!("{}: no answer: {}", panel.title, query.text)),
                Err(error) => wrong.push(format!("{}: {error:#}: {}", panel.title, query.text)),
            }
        }
        answers.push((panel, lines));
    }
    picture::draw(&args.picture, &answers)
        .with_context(|| format!("{} cannot be drawn", args.picture.display()))?;
    let queries: usize = dashboard
        .panels
        .iter()
        .map(|panel| panel.queries.len())
        .sum();
    say(&format!(
        "{queries} queries in {} panels, {} wrong; drawn in {}",
        dashboard.panels.len(),
        wrong.len(),
        args.picture.display()
    ));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Whether every metric is looked at somewhere, and nothing else is.
fn check_complete(dashboard: &Dashboard) -> Result<()> {
    let queries = dashboard.panels.iter().flat_map(|panel| &panel.queries);
    let words = queries.flat_map(|query| {
        query
            .text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
    });
    let asked: BTreeSet<&str> = words
        .filter(|word| word.starts_with("sapwood_"))
        .map(|word| {
            let parts = ["_bucket", "_sum", "_count"].iter();
            let stem = parts.filter_map(|part| word.strip_suffix(part));
            let mut stem = stem.filter(|stem| METRICS.iter().any(|metric| metric.name == *stem));
            stem.next().unwrap_or(word)
        })
        .collect();
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let missing: Vec<_> = known.difference(&asked).collect();
    ensure!(missing.is_empty(), "in no panel: {missing:?}");
    let unknown: Vec<_> = asked.difference(&known).collect();
    ensure!(unknown.is_empty(), "no metrics: {unknown:?}");
    Ok(())
}

/// A line for whoever waits.
fn say(line: &str) {
    // Where nobody listens it is not said.
    let _ = writeln!(std::io::stderr().lock(), "dashboard: {line}");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Also where no Prometheus is at hand.
    #[test]
    fn the_dashboard_looks_at_every_metric() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let dashboard = Dashboard::read(&root.join("docs/grafana/sapwood.json")).unwrap();
        check_complete(&dashboard).unwrap();
        assert!(dashboard.panels.len() > 10);
    }
}
