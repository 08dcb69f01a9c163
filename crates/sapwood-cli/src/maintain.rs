//! New databases of others: migrating and repairing.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use sapwood::{Checkpoint, Compressions, Engine, RocksDBConfig, RocksDBStorage};

use crate::{
    answer::Answer,
    args::{MigrateAction, NewOptions, RepairArgs},
    failure::{Failure, Result},
    progress,
    session::{Session, path_or_default},
};

/// Makes a database of another, or of a plain RocksDB, at `--db`.
pub(crate) fn migrate(action: &MigrateAction, db: Option<PathBuf>) -> Result<Answer> {
    let to = path_or_default(db);
    let bar = progress::part("migrating");
    let new = match action {
        MigrateAction::Sapwood { from, options } => {
            let config = config(&to, options)?;
            let source = source(from)?;
            RocksDBStorage::migrate(&source, config, told(&bar))?
        }
        MigrateAction::Rocksdb {
            from,
            column_family,
            options,
        } => {
            let config = config(&to, options)?;
            RocksDBStorage::migrate_rocksdb(from, column_family, config, told(&bar))?
        }
    };
    bar.finish_and_clear();
    let engine = Engine::new(&new);
    let answer = Answer::Status(engine.status()?);
    engine.close()?;
    Ok(answer)
}

/// Makes a database of what can be read of a damaged one.
pub(crate) fn repair(args: &RepairArgs, db: Option<PathBuf>) -> Result<Answer> {
    let config = config(&args.new, &args.options)?;
    let source = source(&path_or_default(db))?;
    let bar = progress::part("repairing");
    let report = RocksDBStorage::repair(&source, config, told(&bar))?;
    bar.finish_and_clear();
    Ok(Answer::Repaired(report))
}

/// Opens what is only read.
fn source(path: &Path) -> Result<RocksDBStorage> {
    let session = if Checkpoint::read(path).is_ok() {
        // So that it stays one.
        Session::checkpoint(path)?
    } else {
        Session::existing(path)?
    };
    let storage = session.storage;
    storage.ok_or_else(|| Failure::invalid("a database in memory cannot be named"))
}

fn config(path: &Path, options: &NewOptions) -> Result<RocksDBConfig> {
    let text = path.to_str().ok_or_else(|| {
        Failure::invalid(format!("the path {} is not UTF-8", path.display())).unusable()
    })?;
    let mut config = RocksDBConfig::at(text);
    if let Some(compression) = options.compression {
        config.compression = Compressions::all(compression);
    }
    Ok(config)
}

fn told(bar: &ProgressBar) -> impl FnMut(f64, &str) + '_ {
    |part, what| progress::set_part(bar, part, what)
}
