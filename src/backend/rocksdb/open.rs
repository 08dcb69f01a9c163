//! Opening: refuse what is not ours before anything is written to it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::Path,
};

use rocksdb::{DB, InfoLogger, LogLevel, Options};

use super::{
    Database, convert,
    filter::Filters,
    layout::{self, Logs},
    manifest,
    statistics::Statistics,
    synced,
};
use crate::{
    backend::Keyspace,
    config::RocksDBConfig,
    error::{Error, ErrorKind, Result},
    sync::Arc,
};

/// RocksDB ends the process where the address space for its cache cannot be had.
const BLOCK_CACHE_MAX_BYTES: usize = 1 << 40;

pub(super) fn open(
    config: &RocksDBConfig,
    filters: &Arc<Filters>,
) -> Result<(Database, Statistics)> {
    check(config)?;
    let path = Path::new(&config.path);
    if path.exists() && !path.is_dir() {
        return Err(Error::invalid(format!(
            "{} is a file; a database is a directory",
            path.display()
        )));
    }
    make(path)?;
    let (db, statistics) = match open_files(config, filters) {
        Err(error) if is_damaged(&error) && manifest::cut_torn_end(path)? => {
            open_files(config, filters)
        }
        opened => opened,
    }?;
    Ok((with_handles(db, path)?, statistics))
}

fn open_files(config: &RocksDBConfig, filters: &Arc<Filters>) -> Result<(DB, Statistics)> {
    let path = Path::new(&config.path);
    if path.join("CURRENT").exists() {
        match check_ours(path) {
            // Whether that is so is said by whoever holds its lock.
            Err(error) if is_damaged(&error) && synced::is_there(path) => {}
            checked => checked?,
        }
        if !has_logs(path)? {
            // Opening makes one.
            drop(open_as(config, filters, Logs::Loose)?);
        }
    } else {
        check_free(path)?;
    }
    open_as(config, filters, Logs::Linked)
}

fn open_as(config: &RocksDBConfig, filters: &Arc<Filters>, logs: Logs) -> Result<(DB, Statistics)> {
    let path = Path::new(&config.path);
    let mut options = layout::database(config, logs)?;
    let statistics = Statistics::new(config, &mut options);
    let families = layout::column_families(config, filters)?;
    let db = DB::open_cf_descriptors(&options, path, families).map_err(|e| convert(&e))?;
    Ok((db, statistics))
}

fn is_damaged(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt { .. })
}

/// Makes the directory, and lets it survive the machine: RocksDB waits for what lies in it, and for nothing above.
fn make(path: &Path) -> Result<()> {
    let failed = |what: &str, path: &Path, source: io::Error| {
        let path = path.display();
        Error::io(
            format!("the directory {path} cannot be {what}: {source}"),
            source,
        )
    };
    let is_missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
    let missing = path.ancestors().take_while(is_missing).count();
    fs::create_dir_all(path).map_err(|source| failed("made", path, source))?;
    // Elsewhere directories cannot be opened.
    if cfg!(not(unix)) {
        return Ok(());
    }
    // At least one: who made the directory may have ended before it came so far.
    for above in path.ancestors().skip(1).take(missing.max(1)) {
        let above = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        match File::open(above).and_then(|directory| directory.sync_all()) {
            // Somebody else made it, and does not let others look.
            Err(error) if missing == 0 && error.kind() == io::ErrorKind::PermissionDenied => {}
            done => done.map_err(|source| failed("synced", above, source))?,
        }
    }
    Ok(())
}

/// Opens a database of ours to read: nothing in its directory is changed, and nothing is added to it.
pub(super) fn open_read_only(config: &RocksDBConfig, filters: &Arc<Filters>) -> Result<Database> {
    check(config)?;
    let path = Path::new(&config.path);
    if !path.join("CURRENT").exists() {
        return Err(Error::not_found(format!(
            "there is no database at {}",
            path.display()
        )));
    }
    check_ours(path)?;
    let logs = if has_logs(path)? {
        Logs::Linked
    } else {
        Logs::Loose
    };
    let mut options = layout::database(config, logs)?;
    options.create_if_missing(false);
    options.create_missing_column_families(false);
    // All files at once: so it can be read to its end whatever another process does to the directory.
    options.set_max_open_files(-1);
    // Its log would be a new file in the directory.
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
    let families = layout::column_families(config, filters)?;
    let db = DB::open_cf_descriptors_read_only(&options, path, families, false)
        .map_err(|e| convert(&e))?;
    with_handles(db, path)
}

fn with_handles(db: DB, path: &Path) -> Result<Database> {
    Database::try_new(db, |db| {
        let handle = |keyspace: Keyspace| {
            db.cf_handle(keyspace.name())
                .ok_or_else(|| Error::unsupported(format!("{} lacks a keyspace", path.display())))
        };
        let [current, history, deleted, commits, meta] = Keyspace::ALL.map(handle);
        Ok([current?, history?, deleted?, commits?, meta?])
    })
}

fn check(config: &RocksDBConfig) -> Result<()> {
    if config.path.is_empty() {
        return Err(Error::invalid("the path of the database is empty"));
    }
    if config.max_background_jobs < 1 {
        return Err(Error::invalid("max_background_jobs must be at least 1"));
    }
    if config.max_open_files < -1 || config.max_open_files == 0 {
        return Err(Error::invalid(
            "max_open_files must be -1 (all) or at least 1",
        ));
    }
    if config.block_cache_size == 0 || config.block_cache_size > BLOCK_CACHE_MAX_BYTES {
        return Err(Error::invalid(format!(
            "block_cache_size must be from 1 to {BLOCK_CACHE_MAX_BYTES} bytes"
        )));
    }
    check_sizes(config.write_buffer_size, config.target_file_size)
}

pub(super) fn check_sizes(write_buffer_size: usize, target_file_size: u64) -> Result<()> {
    if write_buffer_size == 0 || target_file_size == 0 {
        return Err(Error::invalid(
            "write_buffer_size and target_file_size must not be 0",
        ));
    }
    Ok(())
}

/// A database is ours if it has our keyspaces; or some of them and no data, where its making was
/// cut short.
fn check_ours(path: &Path) -> Result<()> {
    let foreign = || {
        Error::unsupported(format!(
            "{} is a RocksDB database that is not Sapwood's; choose another path",
            path.display()
        ))
    };
    let found = DB::list_cf(&Options::default(), path).map_err(|e| convert(&e))?;
    let found: BTreeSet<_> = found
        .iter()
        .map(String::as_str)
        .filter(|n| *n != "default")
        .collect();
    let ours: BTreeSet<_> = Keyspace::ALL.map(Keyspace::name).into();
    if found == ours {
        return Ok(());
    }
    if !found.is_subset(&ours) {
        return Err(foreign());
    }
    let options = Options::default();
    let names: Vec<_> = found.into_iter().chain(["default"]).collect();
    let db = DB::open_cf_for_read_only(&options, path, names, false).map_err(|e| convert(&e))?;
    if db.latest_sequence_number() == 0 {
        Ok(())
    } else {
        Err(foreign())
    }
}

fn has_logs(path: &Path) -> Result<bool> {
    for entry in fs::read_dir(path).map_err(|source| unreadable(path, source))? {
        let entry = entry.map_err(|source| unreadable(path, source))?;
        if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == "log")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::io(
        format!("the directory {} cannot be read: {source}", path.display()),
        source,
    )
}

/// A directory without a database may be taken if it is empty, or holds what is left of the making
/// of one that was cut short.
fn check_free(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path).map_err(|source| unreadable(path, source))? {
        let entry = entry.map_err(|source| unreadable(path, source))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Not tables and logs: they hold data, and RocksDB would take those for its own to delete.
        let is_rocksdb = matches!(name.as_ref(), "LOCK" | "LOG" | "IDENTITY")
            || ["MANIFEST-", "OPTIONS-", "LOG.old."]
                .iter()
                .any(|start| name.starts_with(start))
            || name.ends_with(".dbtmp");
        if !is_rocksdb {
            return Err(Error::invalid(format!(
                "the directory {} holds other things ({name}); a database needs one of its own",
                path.display()
            )));
        }
    }
    Ok(())
}
