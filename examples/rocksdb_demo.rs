//! A tour of versioned storage on disk: write, read the past, prune, copy.
//!
//! ```text
//! cargo run --example rocksdb_demo                  in a temporary directory
//! cargo run --example rocksdb_demo -- ./demo-data   keeps what it wrote, in a new directory
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{env, error::Error, path::Path};

use sapwood::{PinOptions, RocksDBConfig, RocksDBStorage, Storage, Timestamp};

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(directory) = env::args_os().nth(1) {
        return tour(directory.as_ref());
    }
    // Removed when it goes out of scope, whatever the tour returns.
    let directory = tempfile::tempdir()?;
    tour(directory.path())
}

fn tour(directory: &Path) -> Result<(), Box<dyn Error>> {
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();

    println!("# Open");
    let storage = RocksDBStorage::new(RocksDBConfig {
        path: path("state"),
        max_open_files: 10000,
        write_buffer_size: 256 * 1024 * 1024,
        block_cache_size: 1024 * 1024 * 1024,
        enable_compression: true,
        max_background_jobs: 8,
        ..Default::default()
    })?;
    println!("{} at timestamp {}", path("state"), storage.visible());

    println!("\n# Write: every write is a commit, and has a timestamp of its own");
    let opened = storage.set(b"account/alice", b"100")?;
    println!("set alice to 100          -> {opened}");
    // One commit for all: seen together or not at all. None deletes.
    let paid = storage.write_batch(vec![
        (b"account/alice".to_vec(), Some(b"70".to_vec())),
        (b"account/bob".to_vec(), Some(b"30".to_vec())),
        (b"account/carol".to_vec(), None),
    ])?;
    println!("alice pays bob 30         -> {paid}");
    let left = storage.delete(b"account/alice")?;
    println!("alice leaves              -> {left}");

    println!("\n# Read: the newest state");
    println!("alice: {}", show(storage.get(b"account/alice")?));
    println!("bob:   {}", show(storage.get(b"account/bob")?));

    println!("\n# Travel: every state, by its timestamp");
    for at in (0..=left.get()).map(Timestamp::new) {
        let rows = storage.scan_at(b"account/", at)?;
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(key, value)| format!("{} = {}", text(&key), text(&value)))
            .collect();
        println!("at {at}: [{}]", rows.join(", "));
    }

    println!("\n# History: the versions of one key, newest first");
    for version in storage.history(b"account/alice", Timestamp::ZERO, Timestamp::MAX)? {
        let version = version?;
        let end = version.end.map_or("now".to_owned(), |end| end.to_string());
        println!("from {} to {end}: {}", version.start, text(&version.value));
    }

    println!("\n# Prune: the past goes, but what a pin holds stays");
    for block in 0..1_000 {
        storage.set(b"height", block.to_string().as_bytes())?;
    }
    storage.pin("before the payment", opened, PinOptions::default())?;
    let report = storage.prune_before(storage.visible())?;
    println!(
        "{} of {} old versions dropped; the floor is {}",
        report.rows_dropped,
        report.rows_before,
        report.floor.get()
    );
    println!(
        "alice at {opened}: {}",
        show(storage.get_at(b"account/alice", opened)?)
    );
    // Between the pin and the floor nothing can be read, and the error says so.
    match storage.get_at(b"account/alice", paid) {
        Ok(value) => println!("alice at {paid}: {}", show(value)),
        Err(error) => println!("alice at {paid}: {error}"),
    }

    println!("\n# Checkpoint: a copy that opens as a store of its own");
    let checkpoint = path("snapshots/checkpoint_001");
    storage.create_checkpoint(&checkpoint)?;
    storage.set(b"account/bob", b"0")?;
    let copy = RocksDBStorage::new(RocksDBConfig::at(checkpoint))?;
    println!("bob here:        {}", show(storage.get(b"account/bob")?));
    println!("bob in the copy: {}", show(copy.get(b"account/bob")?));
    Ok(())
}

fn show(value: Option<Vec<u8>>) -> String {
    value.map_or_else(|| "(none)".to_owned(), |value| text(&value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
