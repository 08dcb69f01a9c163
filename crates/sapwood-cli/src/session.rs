//! [`Session`]: an open database, and what may be opened.

use std::path::{Path, PathBuf};

use sapwood::{Checkpoint, Engine, MemoryStorage, RocksDBConfig, RocksDBStorage};

use crate::{
    failure::{Failure, Result},
    transactions::Transactions,
};

/// Where the database is, unless `--db` says otherwise.
pub(crate) const DEFAULT_PATH: &str = "./sapwood.db";

/// An open database.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) engine: Engine,
    /// The storage below, where there are files to copy.
    pub(crate) storage: Option<RocksDBStorage>,
    /// The transactions that lines of the shell have begun and not ended.
    pub(crate) transactions: Transactions,
}

impl Session {
    /// A database in memory.
    pub(crate) fn memory() -> Self {
        Self {
            engine: Engine::new(&MemoryStorage::new()),
            storage: None,
            transactions: Transactions::default(),
        }
    }

    /// Opens a database, or creates it. A checkpoint is refused, lest it be one no more.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Self::create_as(path, |config| config)
    }

    fn create_as(
        path: &Path,
        configure: impl FnOnce(RocksDBConfig) -> RocksDBConfig,
    ) -> Result<Self> {
        if Checkpoint::read(path).is_ok() {
            let path = path.display();
            return Err(Failure::new(
                "read_only",
                format!(
                    "{path} is a checkpoint: it can be read, and made a database of elsewhere (sapwood restore {path} \
                     --db NEW)"
                ),
            )
            .unusable());
        }
        Self::over(path, |config| RocksDBStorage::new(configure(config)))
    }

    /// The same, with RocksDB's own counts for the metrics.
    pub(crate) fn create_measured(path: &Path) -> Result<Self> {
        Self::create_as(path, |config| RocksDBConfig {
            enable_statistics: true,
            ..config
        })
    }

    /// Opens a checkpoint to read.
    pub(crate) fn checkpoint(path: &Path) -> Result<Self> {
        Self::over(path, RocksDBStorage::open_read_only)
    }

    /// Opens a database to read that another process has open, as it is now.
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        Self::over(path, RocksDBStorage::open_beside)
    }

    fn over(
        path: &Path,
        open: impl FnOnce(RocksDBConfig) -> sapwood::Result<RocksDBStorage>,
    ) -> Result<Self> {
        let text = path.to_str().ok_or_else(|| {
            Failure::invalid(format!("the path {} is not UTF-8", path.display())).unusable()
        })?;
        let storage =
            open(RocksDBConfig::at(text)).map_err(|error| Failure::from(error).unusable())?;
        Ok(Self {
            engine: Engine::new(&storage),
            storage: Some(storage),
            transactions: Transactions::default(),
        })
    }

    /// Opens a database that is there; never creates anything.
    pub(crate) fn existing(path: &Path) -> Result<Self> {
        if Self::is_there(path) {
            return Self::create(path);
        }
        let what = if path.join("LOCK").exists() {
            "it has no file CURRENT, which says where it begins; restore it from a checkpoint or a backup"
        } else {
            "name one with --db, or make one with an import or set"
        };
        let message = format!("there is no database at {}; {what}", path.display());
        Err(Failure::new("not_found", message).unusable())
    }

    /// Whether there is something to open. A file is refused by the engine, in its own words.
    pub(crate) fn is_there(path: &Path) -> bool {
        path.is_file() || path.join("CURRENT").exists()
    }

    /// Rolls back what is open, and makes every commit survive the machine.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.transactions = Transactions::default();
        Ok(self.engine.close()?)
    }
}

/// The path given, or the default one.
pub(crate) fn path_or_default(db: Option<PathBuf>) -> PathBuf {
    db.unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
}
