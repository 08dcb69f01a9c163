//! [`Endpoint`]: the metrics of an open database for Prometheus, over HTTP.

use std::{
    io::{self, Cursor},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sapwood::{Engine, EngineMetrics, metrics::SECONDS_BUCKETS};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::failure::{Failure, Result};

/// Durations that nobody has asked for yet are put into their buckets this often.
const UPKEEP: Duration = Duration::from_secs(5);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A thread that answers `GET /metrics`, until it is dropped.
pub(crate) struct Endpoint {
    server: Arc<Server>,
    /// Set before the server is unblocked, which looks to its thread as if nobody had asked for a while.
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Where it listens: the port that was found, where 0 was asked for.
    pub(crate) address: SocketAddr,
}

impl Endpoint {
    /// Listens at an address, for the metrics of an engine under the name of its store.
    pub(crate) fn start(address: SocketAddr, engine: &Engine, store: &str) -> Result<Self> {
        let failed = |error: &io::Error| {
            let what = format!("metrics cannot be served at {address}");
            Failure::io(what, error).unusable()
        };
        let listener = TcpListener::bind(address).map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let server = Server::from_listener(listener, None)
            .map_err(|error| failed(&io::Error::other(error)))?;
        let server = Arc::new(server);
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| Failure::new("io", format!("no recorder of metrics: {error}")))?;
        let metrics = engine.metrics(store)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn({
            let (server, is_over) = (Arc::clone(&server), Arc::clone(&is_over));
            move || serve(&server, &is_over, &recorder, &metrics)
        });
        Ok(Self {
            server,
            is_over,
            thread: Some(thread.map_err(|error| failed(&error))?),
            address,
        })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, there is nothing to be done about it.
            drop(thread.join());
        }
    }
}

fn serve(
    server: &Server,
    is_over: &AtomicBool,
    recorder: &PrometheusHandle,
    metrics: &EngineMetrics,
) {
    while !is_over.load(Ordering::SeqCst) {
        match server.recv_timeout(UPKEEP) {
            Ok(Some(request)) => {
                let response = answer(&request, recorder, metrics);
                // Whoever asked may have gone.
                drop(request.respond(response));
            }
            // Nobody has asked for a while, or it was told to end.
            Ok(None) => recorder.run_upkeep(),
            // It cannot listen any more.
            Err(_) => return,
        }
    }
}

fn answer(
    request: &Request,
    recorder: &PrometheusHandle,
    metrics: &EngineMetrics,
) -> Response<Cursor<Vec<u8>>> {
    let path = request.url().split('?').next();
    let (status, text) = if *request.method() != Method::Get {
        (405, "only GET is answered\n".to_owned())
    } else if path != Some("/metrics") {
        (404, "the metrics are at /metrics\n".to_owned())
    } else {
        match metrics.record() {
            Ok(()) => (200, recorder.render()),
            Err(error) => (503, format!("{error}\n")),
        }
    };
    let response = Response::from_string(text).with_status_code(status);
    match Header::from_bytes("Content-Type", TEXT) {
        Ok(header) => response.with_header(header),
        Err(()) => response,
    }
}
