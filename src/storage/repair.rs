//! [`RocksDBStorage::repair`]: a new database on disk of what can be read of another
//! ([`verify::repair`](super::verify::repair) says what that is).

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use super::{
    RepairReport, Storage,
    checkpoint::{
        check_outside,
        place::{self, Steps},
    },
    migrate::build_with,
    rocksdb::RocksDBStorage,
    store::Store,
    verify::repair::{DROPPED, Salvage},
};
use crate::{
    backend::Backend,
    config::RocksDBConfig,
    error::{Error, Result},
    timestamp::Timestamp,
};

/// What the list of what was dropped begins with.
const TITLE: &str = "sapwood repair 1";

impl RocksDBStorage {
    /// Makes a database of all rows of a damaged store that can be read, at the configuration's path, where nothing
    /// may be yet. Only what [`verify`](crate::Engine::verify) names `unreadable`, `row` or `key` is left out, and
    /// listed in the file `DROPPED` in the new directory: a line for each row, with its key and value in hex, and for
    /// each part that cannot be read, with the keys that it lies between (`-` for none). The source is only read (but
    /// that recent commits are merged first), so nothing is lost by trying. A checkpoint or a backup, where there is one,
    /// is better: it has everything.
    ///
    /// **What the rest means then.** Reads of a version that was dropped above the floor fail, as before, but for the
    /// newest ones: a key whose row of `current` was dropped reads as absent from then on, as if deleted; its past stays. Where records of commits were
    /// dropped, the floor is raised to the last of them. The report has what `verify` finds in the new database.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where the store's own state, or the record of a commit that is not merged
    /// yet, cannot be read: then only a checkpoint or a backup helps; otherwise as
    /// [`RocksDBStorage::migrate`].
    ///
    /// # Examples
    /// ```
    /// use sapwood::{Engine, RocksDBConfig, RocksDBStorage, Storage};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    /// let damaged = RocksDBStorage::new(RocksDBConfig::at(path("damaged")))?;
    /// damaged.set(b"key", b"value")?;
    /// let report = RocksDBStorage::repair(&damaged, RocksDBConfig::at(path("repaired")), |_, _| {})?;
    /// assert_eq!((report.rows_dropped, report.parts_dropped), (0, 0));
    /// assert!(report.left.is_clean());
    /// let repaired = Engine::open(path("repaired"))?;
    /// # let _ = repaired;
    /// # Ok::<(), sapwood::Error>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as RocksDBStorage::new")]
    pub fn repair(
        source: &impl Storage,
        config: RocksDBConfig,
        mut progress: impl FnMut(f64, &str),
    ) -> Result<RepairReport> {
        repair_in_steps(&source.store().0, &config, &mut |_| Ok(()), &mut progress)
    }
}

fn repair_in_steps(
    source: &Store,
    config: &RocksDBConfig,
    step: Steps<'_>,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<RepairReport> {
    let from = source.backend.path().map(Path::to_path_buf);
    if let Some(from) = &from {
        check_outside(from, Path::new(&config.path))?;
    }
    let from = from.map_or_else(|| "memory".to_owned(), |from| from.display().to_string());
    build_with(
        config,
        step,
        |backend| salvage(source, &from, backend, progress),
        |copy, salvage| {
            check(copy, &salvage)?;
            // What lacks something is no other store's past.
            let is_whole = salvage.rows_dropped == 0 && salvage.parts_dropped == 0;
            let common = if is_whole {
                salvage.visible
            } else {
                Timestamp::ZERO
            };
            copy.branch_off(common)?;
            let left = copy.verify(&mut |_, _| {})?;
            Ok(RepairReport {
                kept: salvage.kept,
                rows_dropped: salvage.rows_dropped,
                parts_dropped: salvage.parts_dropped,
                deletes_added: salvage.deletes_added,
                floor: salvage.floor,
                left,
            })
        },
    )
}

/// Copies what can be read, and lists what cannot beside the tables of the new database.
fn salvage(
    source: &Store,
    from: &str,
    target: &dyn Backend,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<Salvage> {
    let directory = target.path().unwrap_or(Path::new("."));
    let path = directory.join(DROPPED);
    let failed = |source| place::failed("written", &path, source);
    let mut list = BufWriter::new(File::create_new(&path).map_err(failed)?);
    writeln!(list, "{TITLE}\nfrom {from}").map_err(failed)?;
    let salvage = source.salvage(target, &mut list, progress)?;
    let (rows, parts) = (salvage.rows_dropped, salvage.parts_dropped);
    writeln!(list, "end {rows} rows, {parts} parts").map_err(failed)?;
    list.flush().map_err(failed)?;
    Ok(salvage)
}

/// Time does not go back in the copy, and it is of the same epoch.
fn check(copy: &Store, salvage: &Salvage) -> Result<()> {
    let found = (copy.clock.visible(), copy.floor(), copy.clock.epoch());
    let wanted = (salvage.visible, salvage.floor, salvage.epoch);
    if found == wanted {
        return Ok(());
    }
    Err(Error::corrupt(
        "the copy",
        format!("it stands at {found:?} (visible, floor, epoch), and should at {wanted:?}"),
    ))
}
