//! Reading a RocksDB that is not ours: all rows of one of its column families, in order.
//!
//! It is opened to read, with no log of its own, so no file in its directory changes.

use std::path::Path;

use rocksdb::{DB, InfoLogger, LogLevel, Options, ReadOptions};

use super::convert;
use crate::{
    backend::Keyspace,
    error::{Error, ErrorKind, Result},
};

/// Called with the part of the rows that was passed, about, and a row.
pub(crate) type Each<'e> = &'e mut dyn FnMut(f64, &[u8], &[u8]) -> Result<()>;

pub(crate) fn walk(path: &Path, column_family: &str, each: Each<'_>) -> Result<()> {
    if !path.join("CURRENT").exists() {
        return Err(Error::not_found(format!(
            "there is no RocksDB database at {}",
            path.display()
        )));
    }
    let mut options = Options::default();
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
    let names = DB::list_cf(&options, path).map_err(|e| convert(&e))?;
    if Keyspace::ALL
        .iter()
        .all(|keyspace| names.iter().any(|name| name == keyspace.name()))
    {
        return Err(Error::invalid(format!(
            "{} is a database of Sapwood's; open it, and migrate what was opened",
            path.display()
        )));
    }
    if !names.iter().any(|name| name == column_family) {
        return Err(Error::not_found(format!(
            "{} has no column family {column_family:?}; it has {}",
            path.display(),
            names.join(", ")
        )));
    }
    let opened = DB::open_cf_for_read_only(&options, path, &names, false);
    let db = opened.map_err(|e| foreign(&e, path))?;
    let handle = db
        .cf_handle(column_family)
        .ok_or_else(|| Error::not_found(format!("there is no column family {column_family:?}")))?;
    let keys = db.property_int_value_cf(handle, "rocksdb.estimate-num-keys");
    let keys = keys.ok().flatten().unwrap_or(0).max(1);
    let mut reading = ReadOptions::default();
    reading.set_total_order_seek(true);
    reading.fill_cache(false);
    let mut rows = db.raw_iterator_cf_opt(handle, reading);
    rows.seek_to_first();
    let mut passed = 0u64;
    while let Some((key, value)) = rows.item() {
        #[expect(clippy::cast_precision_loss, reason = "a part of the way, for people")]
        let part = (passed as f64 / keys as f64).min(1.0);
        each(part, key, value)?;
        passed += 1;
        rows.next();
    }
    rows.status().map_err(|e| foreign(&e, path))
}

/// An error that may come from what only the database's own program knows.
fn foreign(error: &rocksdb::Error, path: &Path) -> Error {
    let error = convert(error);
    match error.kind() {
        ErrorKind::Io if error.to_string().contains("Invalid argument") => Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} needs options that only its own program knows (a comparator, a merge operator): {error}",
                path.display()
            ),
        ),
        _ => error,
    }
}
