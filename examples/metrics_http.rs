//! The metrics of a store at work, over HTTP for Prometheus.
//!
//! ```text
//! cargo run --release --example metrics_http                      looks once at its own endpoint, and ends
//! cargo run --release --example metrics_http -- 127.0.0.1:9464    serves until it is ended
//! sapwood top --url http://127.0.0.1:9464/metrics                 in another terminal
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{
    env,
    error::Error,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sapwood::{
    Batch, BlockExecutor, BlockExecutorConfig, CommitOptions, Durability, Engine, EngineMetrics,
    ErrorKind, ExecutionStatus, FeedOptions, Isolation, PinOptions, ReadView, Result,
    RetentionPolicy, RocksDBConfig, Timestamp, metrics::SECONDS_BUCKETS,
};
use tiny_http::{Response, Server};

const ACCOUNTS: u64 = 2_000;
/// Commits that are kept.
const KEPT: u64 = 5_000;
/// Durations that nobody has asked for yet are put into their buckets this often.
const UPKEEP: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    // First the recorder, then the store.
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().to_string_lossy().into_owned();
    let engine = Engine::open_with(RocksDBConfig {
        // RocksDB's own counts.
        enable_statistics: true,
        write_buffer_size: 8 << 20,
        ..RocksDBConfig::at(path)
    })?;
    let metrics = engine.metrics("ledger")?;

    let asked: Option<SocketAddr> = env::args().nth(1).map(|text| text.parse()).transpose()?;
    let listener = TcpListener::bind(asked.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()))?;
    let address = listener.local_addr()?;
    let server = Server::from_listener(listener, None).map_err(|error| error.to_string())?;
    println!("http://{address}/metrics");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        scope.spawn(|| serve(&server, &is_over, &recorder, &metrics));
        if asked.is_some() {
            // It ends where something fails.
            let worked = work(&engine, &is_over);
            is_over.store(true, Ordering::Relaxed);
            server.unblock();
            return Ok(worked?);
        }
        let worker = scope.spawn(|| work(&engine, &is_over));
        while engine.visible() < Timestamp::new(1_000) && !worker.is_finished() {
            thread::yield_now();
        }
        let looked = look(address);
        is_over.store(true, Ordering::Relaxed);
        server.unblock();
        for line in looked?
            .lines()
            .filter(|line| line.starts_with("sapwood_commit"))
        {
            println!("{line}");
        }
        worker.join().map_err(|_| "the worker panicked")??;
        Ok(())
    })
}

/// Answers every request with the metrics, as they are at that moment.
fn serve(
    server: &Server,
    is_over: &AtomicBool,
    recorder: &PrometheusHandle,
    metrics: &EngineMetrics,
) {
    while !is_over.load(Ordering::Relaxed) {
        match server.recv_timeout(UPKEEP) {
            Ok(Some(request)) => {
                let response = match metrics.record() {
                    Ok(()) => Response::from_string(recorder.render()),
                    Err(error) => Response::from_string(error.to_string()).with_status_code(503),
                };
                // Whoever asked may have gone.
                drop(request.respond(response));
            }
            // Nobody has asked for a while, or the server was unblocked.
            Ok(None) => recorder.run_upkeep(),
            Err(_) => return,
        }
    }
}

/// Asks the endpoint, as Prometheus does.
fn look(address: SocketAddr) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Something of everything: transfers that meet, blocks, readers of the past, a feed, pins, and retention.
fn work(engine: &Engine, is_over: &AtomicBool) -> Result<()> {
    engine.set_retention(RetentionPolicy::default().commits(KEPT))?;
    engine.create_feed("follower", engine.position()?, FeedOptions::default())?;
    thread::scope(|scope| {
        let threads = [
            scope.spawn(|| transfers(engine, is_over, 1)),
            scope.spawn(|| transfers(engine, is_over, 2)),
            scope.spawn(|| blocks(engine, is_over)),
            scope.spawn(|| readers(engine, is_over)),
        ];
        threads.into_iter().try_for_each(|thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Numbers that look drawn, and are the same every time.
fn drawn(number: u64) -> u64 {
    let mix = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    mix(mix(number) + 1) >> 8
}

fn account(number: u64) -> String {
    format!("account/{:06}", number % ACCOUNTS)
}

/// Transfers, some of which go to a few accounts only; and now and then a value that is compared first.
fn transfers(engine: &Engine, is_over: &AtomicBool, seed: u64) -> Result<()> {
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let word = drawn(number * 2 + seed);
        let crowd = if word.is_multiple_of(8) { 4 } else { ACCOUNTS };
        let (from, to) = (account(word % crowd), account((word >> 20) % crowd));
        let mut tx = engine.begin(Isolation::Serializable)?;
        let mut done = || -> Result<()> {
            tx.get(&from)?;
            if word.is_multiple_of(16) {
                let near = account(0).into_bytes()..account(9).into_bytes();
                tx.range(near).try_for_each(|row| row.map(|_| ()))?;
            }
            tx.set(&to, format!("{word:>200}"))
        };
        done()?;
        if let Err(error) = tx.commit()
            && !error.is_retryable()
        {
            return Err(error);
        }
        if number % 50 == 0 {
            let mut batch = Batch::new();
            batch.set(format!("audit/{word}"), from);
            let synced = CommitOptions::default().durability(Durability::Sync);
            engine.commit(batch, synced)?;
            // Nobody has this value: it is refused.
            let refused = engine.compare_and_set(&to, Some(b"none"), None);
            if let Err(error) = refused
                && !matches!(error.kind(), ErrorKind::Conflict { .. })
            {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Blocks whose transactions add to accounts, few or many.
fn blocks(engine: &Engine, is_over: &AtomicBool) -> Result<()> {
    let mut config = BlockExecutorConfig::default();
    config.workers = config.workers.max(4);
    config.adaptive = false;
    let executor = BlockExecutor::new(config)?;
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let crowd = if number % 4 == 0 { 8 } else { ACCOUNTS };
        let words: Vec<_> = (0..200).map(|at| drawn(number * 1_000 + at)).collect();
        // Others commit as well, so the height is only a wish.
        let height = Timestamp::new(engine.visible().get() + 100);
        let block = engine.execute_block(&executor, height, words, move |ctx, word| {
            let key = format!("block/{}", word % crowd);
            let seen = ctx.get(&key)?.map_or(0, |value| value.len() as u64);
            if crowd < ACCOUNTS {
                // Others come between.
                thread::yield_now();
            }
            let fee = (0..2_000).fold(seen, |fee, at| drawn(fee + at));
            ctx.set(&key, format!("{fee:>100}"))?;
            Ok(ExecutionStatus::Success(()))
        });
        match block.map_err(sapwood::BlockError::into_error) {
            Err(error) if !matches!(error.kind(), ErrorKind::Invalid) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Reads of the past, under snapshots that are held for a while; a pin that moves; a feed that is behind.
fn readers(engine: &Engine, is_over: &AtomicBool) -> Result<()> {
    while !is_over.load(Ordering::Relaxed) {
        let snapshot = engine.snapshot()?;
        let at = snapshot.timestamp();
        let position = engine.position()?;
        if engine.pins()?.iter().any(|pin| pin.name == "marked") {
            engine.unpin("marked")?;
        }
        engine.pin("marked", at, PinOptions::default())?;
        while engine.visible().get() < at.get() + KEPT / 10 && !is_over.load(Ordering::Relaxed) {
            for number in 0..100 {
                snapshot.get(account(number * 17))?;
                engine.get(account(number * 13))?;
            }
        }
        engine.acknowledge("follower", position)?;
        let status = engine.retention_status()?;
        if status.floor < status.wanted {
            engine.apply_retention()?;
        }
    }
    Ok(())
}
