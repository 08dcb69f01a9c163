//! [`Prometheus`]: a server of its own on loopback, in a directory that goes with it.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{dashboard::Query, process::Process};

/// How often it is asked whether it is ready.
const TRIES: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Prometheus {
    process: Process,
    address: SocketAddr,
    _directory: TempDir,
}

/// What a query has found: its name, and its values over time, in seconds since 1970.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    metric: BTreeMap<String, String>,
    /// Times, and numbers as texts.
    values: Vec<(f64, String)>,
}

/// An address on loopback that nobody listens at.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

impl Prometheus {
    /// Starts it, and waits until it is ready. It collects from `target` each second.
    pub(crate) fn start(program: &Path, target: SocketAddr) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let configuration = directory.path().join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: sapwood\n    \
             static_configs:\n      - targets: [\"{target}\"]\n"
        );
        fs::write(&configuration, text)?;
        let address = free_address()?;
        let arguments = [
            format!("--config.file={}", configuration.display()),
            format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ),
            format!("--web.listen-address={address}"),
        ];
        let process = Process::start(program, &arguments, directory.path())?;
        let mut prometheus = Self {
            process,
            address,
            _directory: directory,
        };
        for _ in 0..TRIES {
            prometheus.check()?;
            let ready = ureq::get(format!("http://{address}/-/ready")).call();
            if ready.is_ok() {
                return Ok(prometheus);
            }
            thread::sleep(PAUSE);
        }
        bail!(
            "prometheus does not become ready: {}",
            prometheus.process.log()
        )
    }

    /// Fails where it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.process.check()
    }

    /// Asks a query over the last seconds. Series without a number are left out.
    pub(crate) fn ask(&self, query: &Query, seconds: u64) -> Result<Vec<Series>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let url = format!("http://{}/api/v1/query_range", self.address);
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.build().into();
        let mut response = agent
            .get(url)
            .query("query", query.filled_in()?)
            .query("start", (now - seconds).to_string())
            .query("end", now.to_string())
            .query("step", "1")
            .call()?;
        let text = response.body_mut().read_to_string()?;
        ensure!(response.status().is_success(), "{text}");
        let Answer { data } = serde_json::from_str(&text).context("no answer of a range")?;
        let series = data.result.into_iter().map(|found| Series {
            name: name(&query.legend, &found.metric),
            points: numbers(found.values),
        });
        Ok(series.filter(|series| !series.points.is_empty()).collect())
    }
}

fn numbers(values: Vec<(f64, String)>) -> Vec<(f64, f64)> {
    let values = values.into_iter();
    values
        .filter_map(|(time, value)| Some((time, value.parse().ok()?)))
        .filter(|(_, value): &(f64, f64)| value.is_finite())
        .collect()
}

/// The legend with the values of its labels.
fn name(legend: &str, labels: &BTreeMap<String, String>) -> String {
    labels
        .iter()
        .fold(legend.to_owned(), |name, (label, value)| {
            name.replace(&format!("{{{{{label}}}}}"), value)
        })
}
