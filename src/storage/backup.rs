//! [`Backups`]: incremental backups in a directory, any of which can be restored.
//!
//! ```text
//! DIRECTORY/files/       what RocksDB's backup engine keeps: each table once, however many backups hold it
//! DIRECTORY/BACKUP-7     the manifest of backup 7: its timestamp and epoch
//! DIRECTORY/LOCK         locked by the process that makes or purges backups
//! ```
//!
//! A backup is taken of a [checkpoint](super::checkpoint) that lies in the database's directory meanwhile. So commits
//! wait for the linking of files, not for the copying, and the backup is the state at one timestamp. Its manifest comes
//! last: a crash leaves files that no backup is listed for, which go when a later one is purged. A purge takes
//! manifests away first, for the same reason.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    RocksDBStorage,
    checkpoint::{self, manifest::Manifest, place},
    store::Store,
};
use crate::{
    backend::rocksdb::backup::{BackupFacts, BackupFiles},
    config::RocksDBConfig,
    engine::Engine,
    error::{Error, ErrorKind, Result},
    metrics::Timed,
    sync::{Mutex, MutexGuard},
    timestamp::Timestamp,
    trace,
};

const FILES: &str = "files";
const MANIFEST_PREFIX: &str = "BACKUP-";
const LOCK: &str = "LOCK";
/// The name of the checkpoint that is backed up, in the directory of its database.
const COPY: &str = "backup.sapwood-partial";

/// Held while this process makes or purges backups: its threads wait for each other.
static AT_WORK: Mutex<()> = Mutex::new(());

/// Held while backups are made or purged: others are refused until then.
struct AtWork {
    _lock: File,
    _in_process: MutexGuard<'static, ()>,
}

/// Incremental backups of an engine: a table that is in several of them is kept once.
///
/// A backup holds the state at one timestamp, with its history and pins. At one time only one process makes or
/// purges backups in a directory, and a directory should be of one engine.
///
/// # Examples
/// ```
/// use sapwood::{Backups, Engine, ReadView};
///
/// # let directory = tempfile::tempdir().unwrap();
/// let path = |name: &str| directory.path().join(name);
/// let engine = Engine::open(path("state"))?;
/// let backups = Backups::open(path("backups"));
/// engine.set(b"key", b"one")?;
/// let first = backups.create(&engine)?;
/// engine.set(b"key", b"two")?;
/// let second = backups.create(&engine)?;
/// assert_eq!(backups.list()?, [first.clone(), second.clone()]);
///
/// backups.verify(first.id)?;
/// let restored = backups.restore(first.id, path("restored"))?;
/// assert_eq!(restored.visible(), first.timestamp);
/// assert_eq!(restored.get(b"key")?.as_deref(), Some(&b"one"[..]));
/// assert_eq!(backups.purge(1)?, [first]);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Backups {
    directory: PathBuf,
}

/// A backup in a directory of [`Backups`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// Its number. Later ones have higher numbers.
    pub id: u32,
    /// The newest timestamp that can be read in it.
    pub timestamp: Timestamp,
    /// How often the store had been rolled back.
    pub epoch: u64,
    /// When it was made.
    pub created: SystemTime,
    /// Whether all of its files are there. [`Backups::verify`] says which is not, and whether they are right.
    pub is_whole: bool,
    /// The bytes of its files, those that others hold too included; 0 where one is missing.
    pub size_bytes: u64,
    /// How many files it has; 0 where one is missing.
    pub files: u32,
}

impl Backups {
    /// The backups in a directory. It is made when the first is.
    pub fn open(directory: impl AsRef<Path>) -> Self {
        Self {
            directory: directory.as_ref().to_path_buf(),
        }
    }

    /// Backs up the state at the visible timestamp. Only tables that no backup has are copied. Commits wait while
    /// files are linked, as for a checkpoint, and not while they are copied. It is durable when this returns.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) where the directory holds other things, and for an engine in memory,
    /// which has no files; [`ReadOnly`](crate::ErrorKind::ReadOnly) for one that was opened to read;
    /// [`Locked`](crate::ErrorKind::Locked) while another process makes or purges backups there;
    /// [`Io`](crate::ErrorKind::Io). Then no backup was made.
    pub fn create(&self, engine: &Engine) -> Result<Backup> {
        let _timing = engine.store().meter.time(Timed::Backup);
        let span = trace::backup(&self.directory).entered();
        let backup = self.copy_of(engine.store())?;
        span.record("id", backup.id);
        span.record("timestamp", backup.timestamp.get());
        Ok(backup)
    }

    fn copy_of(&self, store: &Store) -> Result<Backup> {
        store.check_open()?;
        store.check_has_files("backup")?;
        self.check_ours()?;
        let made = fs::create_dir_all(self.directory.join(FILES));
        made.map_err(|source| place::failed("made", &self.directory, source))?;
        let _at_work = self.at_work()?;
        let mut files = self.files()?;
        let copy = store.backend.path().unwrap_or(Path::new("")).join(COPY);
        let created = remove_copy(&copy)
            .and_then(|()| store.copy_to(&copy))
            .and_then(|state| Ok((state, files.create(&copy)?)));
        let removed = remove_copy(&copy);
        let ((timestamp, epoch, branch), id) = created?;
        let manifest = Manifest::new(timestamp, epoch, Vec::new()).on(&branch);
        self.put_manifest(id, &manifest)?;
        removed?;
        let facts = files.list().into_iter().find(|facts| facts.id == id);
        Ok(backup(id, &manifest, facts))
    }

    /// The backups, oldest first.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no such directory,
    /// [`Invalid`](crate::ErrorKind::Invalid) where it holds other things,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where what says what a backup is cannot be read,
    /// [`Io`](crate::ErrorKind::Io).
    pub fn list(&self) -> Result<Vec<Backup>> {
        let manifests = self.manifests()?;
        let facts = self.files()?.list();
        let facts: BTreeMap<_, _> = facts.into_iter().map(|facts| (facts.id, facts)).collect();
        let listed = manifests
            .iter()
            .map(|(id, manifest)| backup(*id, manifest, facts.get(id).copied()));
        Ok(listed.collect())
    }

    /// Reads every file of a backup, and compares it with its checksum.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is none of that number,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where a file is missing or damaged, which is named;
    /// [`Io`](crate::ErrorKind::Io).
    pub fn verify(&self, id: u32) -> Result<()> {
        self.manifest(id)?;
        self.files()?.verify(id)
    }

    /// Makes a database of a backup, in a new directory, and opens it. Timestamps go on above those of the backup,
    /// in its epoch. What fails or crashes leaves nothing that could be taken for a database.
    ///
    /// # Errors
    /// As [`Backups::verify`]; [`Invalid`](crate::ErrorKind::Invalid) where the path exists, or lies in the backups.
    pub fn restore(&self, id: u32, path: impl AsRef<Path>) -> Result<Engine> {
        let path = path.as_ref();
        let text = path
            .to_str()
            .ok_or_else(|| Error::invalid(format!("the path {} is not UTF-8", path.display())))?;
        self.restore_with(id, RocksDBConfig::at(text))
    }

    /// The same, at the path of a configuration, and with its options.
    ///
    /// # Errors
    /// As [`Backups::restore`].
    pub fn restore_with(&self, id: u32, config: RocksDBConfig) -> Result<Engine> {
        let to = Path::new(&config.path);
        let _span = trace::restore(&self.directory, to).entered();
        let manifest = self.manifest(id)?;
        checkpoint::check_outside(&self.directory, to)?;
        place::build(to, &mut |_| Ok(()), |partial, _| {
            self.files()?.restore(id, partial)?;
            RocksDBStorage::check_copy(partial, &config, &manifest)?;
            checkpoint::mark(partial)
        })?;
        Engine::open_with(config)
    }

    /// Removes all backups that are older than the newest `keep`, those to which files are missing not counted.
    /// Returns what was removed.
    ///
    /// # Errors
    /// As [`Backups::list`]; [`Invalid`](crate::ErrorKind::Invalid) for 0; [`Locked`](crate::ErrorKind::Locked) while
    /// another process makes or purges backups there.
    pub fn purge(&self, keep: usize) -> Result<Vec<Backup>> {
        if keep == 0 {
            return Err(Error::invalid(
                "at least one backup is kept; to have none, remove the directory",
            ));
        }
        self.manifests()?;
        let _at_work = self.at_work()?;
        let mut backups = self.list()?;
        let mut whole = backups.iter().rev().filter(|backup| backup.is_whole);
        let Some(oldest) = whole.nth(keep - 1).map(|backup| backup.id) else {
            return Ok(Vec::new());
        };
        backups.retain(|backup| backup.id < oldest);
        for backup in &backups {
            let manifest = self.manifest_path(backup.id);
            fs::remove_file(&manifest)
                .map_err(|source| place::failed("removed", &manifest, source))?;
        }
        place::sync(&self.directory)?;
        let mut files = self.files()?;
        // What has no manifest counts for RocksDB.
        let kept = files
            .list()
            .iter()
            .filter(|facts| facts.id >= oldest)
            .count();
        files.purge(kept)?;
        Ok(backups)
    }

    /// Keeps others from making and purging backups.
    fn at_work(&self) -> Result<AtWork> {
        let in_process = AT_WORK.lock();
        let path = self.directory.join(LOCK);
        let opened = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let lock = opened.map_err(|source| place::failed("opened", &path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(AtWork {
                _lock: lock,
                _in_process: in_process,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Locked,
                format!(
                    "another process makes or purges backups in {}; try again when it is done",
                    self.directory.display()
                ),
            )),
            Err(TryLockError::Error(source)) => Err(place::failed("locked", &path, source)),
        }
    }

    fn files(&self) -> Result<BackupFiles> {
        BackupFiles::open(&self.directory.join(FILES))
    }

    fn manifest_path(&self, id: u32) -> PathBuf {
        self.directory.join(format!("{MANIFEST_PREFIX}{id}"))
    }

    /// Refuses a directory that holds other things.
    fn check_ours(&self) -> Result<()> {
        let directory = &self.directory;
        match fs::read_dir(directory).map(|mut entries| entries.next().is_none()) {
            Ok(is_empty) if is_empty || directory.join(FILES).is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotADirectory => {
                Err(place::failed("read", directory, error))
            }
            _ => Err(Error::invalid(format!(
                "{} holds other things; backups need a directory of their own",
                directory.display()
            ))),
        }
    }

    fn manifests(&self) -> Result<BTreeMap<u32, Manifest>> {
        self.check_ours()?;
        if !self.directory.join(FILES).is_dir() {
            return Err(Error::not_found(format!(
                "there are no backups at {}",
                self.directory.display()
            )));
        }
        let mut manifests = BTreeMap::new();
        for path in place::list(&self.directory)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let id = name.and_then(|name| name.strip_prefix(MANIFEST_PREFIX));
            if let Some(id) = id.and_then(|id| id.parse().ok()) {
                manifests.insert(id, self.manifest(id)?);
            }
        }
        Ok(manifests)
    }

    fn manifest(&self, id: u32) -> Result<Manifest> {
        self.check_ours()?;
        let path = self.manifest_path(id);
        let text = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::not_found(format!(
                "there is no backup {id} at {}; list shows those that there are",
                self.directory.display()
            )),
            _ => place::failed("read", &path, source),
        })?;
        Manifest::parse(&text, &title(id)).map_err(|refusal| checkpoint::refuse(&path, &refusal))
    }

    fn put_manifest(&self, id: u32, manifest: &Manifest) -> Result<()> {
        let path = self.manifest_path(id);
        let partial = path.with_extension("partial");
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(place::failed("removed", &partial, error));
            }
            _ => {}
        }
        place::write(&partial, &manifest.to_text(&title(id)))?;
        let moved = fs::rename(&partial, &path);
        moved.map_err(|source| place::failed("moved to its place", &partial, source))?;
        place::sync(&self.directory)
    }
}

fn title(id: u32) -> String {
    format!("sapwood backup {id}")
}

fn remove_copy(copy: &Path) -> Result<()> {
    place::remove(copy)?;
    place::remove(&copy.with_extension("sapwood-partial.tmp"))
}

fn backup(id: u32, manifest: &Manifest, facts: Option<BackupFacts>) -> Backup {
    Backup {
        id,
        timestamp: manifest.timestamp,
        epoch: manifest.epoch,
        created: manifest.created(),
        is_whole: facts.is_some(),
        size_bytes: facts.map_or(0, |facts| facts.size_bytes),
        files: facts.map_or(0, |facts| facts.files),
    }
}
