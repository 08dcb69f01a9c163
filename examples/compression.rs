//! What each compression costs and saves, on real histories: sizes by keyspace, and times beside those of LZ4.
//!
//! ```text
//! cargo run --release --example compression -- ../shared/data/git-histories 7
//! ```
//!
//! The histories are those of `sapwood import changes`: a key is a path, a value an object id in hex. Each round
//! makes a database of all of them anew for every choice, in turn, and measures importing, compacting, scanning the newest
//! state, and reading keys at random past timestamps from files that the block cache does not hold all of. Times are
//! those of the processor, on all threads (of the clock, where there is no `/proc`), since other work on the machine
//! does not change them much. Printed are medians of so many rounds, one where no number is given.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use liblzma::read::XzDecoder;
use sapwood::{
    Batch, CommitOptions, Compression, Compressions, Engine, ReadView, RocksDBConfig, Timestamp,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often all histories are imported, under other keys each time.
const COPIES: u8 = 4;
const SCANS: usize = 40;
const PAST_READS: u64 = 50_000;
const KEYSPACES: [&str; 3] = ["current", "history", "commits"];

/// What was measured of one choice in one round.
#[derive(Clone, Debug, Default)]
struct Figures {
    sizes: [u64; KEYSPACES.len()],
    times: [Duration; 4],
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| {
        let data = env::var("SAPWOOD_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
        format!("{data}/git-histories")
    });
    let count: usize = arguments.next().map_or(Ok(1), |count| count.parse())?;
    let Ok(histories) = histories(Path::new(&directory)) else {
        println!("there are no histories at {directory}; name their directory");
        return Ok(());
    };
    let history = Compressions {
        history: Compression::Zstd,
        ..Compressions::default()
    };
    let commits = Compressions {
        commits: Compression::Zstd,
        ..Compressions::default()
    };
    let choices = Compression::ALL
        .map(|compression| (compression.name(), Compressions::all(compression)))
        .into_iter()
        .chain([("zstd for history", history), ("zstd for commits", commits)])
        .collect::<Vec<_>>();
    let mut rounds = vec![Vec::new(); choices.len()];
    for _ in 0..count.max(1) {
        for ((_, compression), figures) in choices.iter().zip(&mut rounds) {
            figures.push(measure(&histories, *compression)?);
        }
    }
    let beside = median(&rounds[2]);
    println!("| | current | history | commits | import | compact | latest scan | past gets |");
    println!("|---|---|---|---|---|---|---|---|");
    for ((name, _), figures) in choices.iter().zip(&rounds) {
        let figures = median(figures);
        let sizes = figures.sizes.map(|size| format!("{} KiB", size >> 10));
        let times = figures.times.iter().zip(beside.times);
        let times = times
            .map(|(time, lz4)| format!("{:.2}", time.as_secs_f64() / lz4.as_secs_f64().max(1e-9)));
        let times: Vec<_> = times.collect();
        println!("| {name} | {} | {} |", sizes.join(" | "), times.join(" | "));
    }
    println!("\ntimes of lz4: {:?}", beside.times);
    Ok(())
}

/// The files of changes, by name.
fn histories(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".changes.xz") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn measure(histories: &[PathBuf], compression: Compressions) -> Result<Figures> {
    let directory = tempfile::tempdir()?;
    let config = RocksDBConfig {
        write_buffer_size: 1 << 20,
        target_file_size: 1 << 20,
        block_cache_size: 1 << 20,
        recent_versions_size: 1 << 20,
        compression,
        ..RocksDBConfig::at(directory.path().to_string_lossy())
    };
    let engine = Engine::open_with(config)?;
    let start = used();
    let mut keys = Vec::new();
    for copy in 0..COPIES {
        for path in histories {
            import(&engine, copy, path, &mut keys)?;
        }
    }
    engine.flush()?;
    let import = used().saturating_sub(start);
    let start = used();
    engine.compact()?;
    let compact = used().saturating_sub(start);
    let start = used();
    let mut rows = 0;
    for _ in 0..SCANS {
        rows = engine.range(..).flatten().count();
    }
    let scan = used().saturating_sub(start);
    let (start, mut state, mut found) = (used(), 1u64, 0);
    for _ in 0..PAST_READS {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let random = usize::try_from(state >> 33)?;
        let at = Timestamp::new(1 + (state >> 20) % engine.visible().get());
        let key = &keys[random % keys.len()];
        found += usize::from(engine.at(at)?.get(key)?.is_some());
    }
    let past = used().saturating_sub(start);
    assert!(rows > 0 && found > 0, "nothing was read");
    let mut figures = Figures {
        times: [import, compact, scan, past],
        ..Figures::default()
    };
    for size in engine.sizes()? {
        for (keyspace, slot) in KEYSPACES.iter().zip(&mut figures.sizes) {
            if size.keyspace == *keyspace {
                *slot = size.size_bytes;
            }
        }
    }
    Ok(figures)
}

/// One commit for each of a history's, behind those of the histories before.
fn import(engine: &Engine, copy: u8, path: &Path, keys: &mut Vec<Vec<u8>>) -> Result<()> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut batch = Batch::new();
    for line in BufReader::new(XzDecoder::new(File::open(path)?)).split(b'\n') {
        let line = line?;
        if line.starts_with(b"C ") {
            if !batch.is_empty() {
                engine.commit(std::mem::take(&mut batch), CommitOptions::default())?;
            }
            continue;
        }
        let fields: Vec<_> = line.split(|byte| *byte == b'\t').collect();
        let key = |path: &[u8]| [&[b'0' + copy], name.as_bytes(), b"/", path].concat();
        match fields[..] {
            [b"P", path, id] => {
                batch.set(key(path), id);
                keys.push(key(path));
            }
            [b"D", path] => {
                batch.delete(key(path));
            }
            _ => return Err(format!("a line of {name}").into()),
        }
    }
    engine.commit(batch, CommitOptions::default())?;
    Ok(())
}

/// The time that the process has used so far.
fn used() -> Duration {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let ticks = || -> Option<u64> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // Behind the name: the state, ten more fields, then user and system time in hundredths of a second.
        let fields = text.rsplit_once(") ")?.1.split(' ').skip(11).take(2);
        fields.map(|field| field.parse::<u64>().ok()).sum()
    };
    match ticks() {
        Some(ticks) => Duration::from_millis(10 * ticks),
        None => BEGUN.get_or_init(Instant::now).elapsed(),
    }
}

fn median(rounds: &[Figures]) -> Figures {
    fn of<T: Copy + Ord>(values: impl Iterator<Item = T>) -> Option<T> {
        let mut values: Vec<T> = values.collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    }
    let mut median = Figures::default();
    for (slot, size) in median.sizes.iter_mut().enumerate() {
        *size = of(rounds.iter().map(|round| round.sizes[slot])).unwrap_or_default();
    }
    for (slot, time) in median.times.iter_mut().enumerate() {
        *time = of(rounds.iter().map(|round| round.times[slot])).unwrap_or_default();
    }
    median
}
