//! Options that are changed while the database is open.
//!
//! RocksDB changes the options of one column family in one step, but not those of several. So where one of them is
//! refused, those before it are set back to what they were: what they are now is remembered here, since RocksDB does
//! not say. Options of the database as a whole are not in reach of safe code.

use super::{Database, convert, layout, open};
use crate::{
    backend::Keyspace,
    config::{Compression, Compressions, OnlineOptions, RocksDBConfig},
    error::{Error, ErrorKind, Result},
};

/// The options of one keyspace by RocksDB's names, in an order that does not change.
type Pairs = Vec<(&'static str, String)>;

/// The options as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Online {
    write_buffer_size: usize,
    target_file_size: u64,
    compression: Compressions,
    automatic_compaction: bool,
}

impl Online {
    /// Those that a database is opened with.
    pub(super) fn new(config: &RocksDBConfig) -> Self {
        Self {
            write_buffer_size: config.write_buffer_size,
            target_file_size: config.target_file_size,
            compression: if config.enable_compression {
                config.compression
            } else {
                Compressions::all(Compression::None)
            },
            automatic_compaction: true,
        }
    }

    pub(super) fn target_file_size(&self) -> u64 {
        self.target_file_size
    }

    fn with(self, options: &OnlineOptions) -> Self {
        let OnlineOptions {
            write_buffer_size,
            target_file_size,
            compression,
            automatic_compaction,
        } = *options;
        Self {
            write_buffer_size: write_buffer_size.unwrap_or(self.write_buffer_size),
            target_file_size: target_file_size.unwrap_or(self.target_file_size),
            compression: compression.unwrap_or(self.compression),
            automatic_compaction: automatic_compaction.unwrap_or(self.automatic_compaction),
        }
    }

    fn pairs(&self, keyspace: Keyspace) -> Pairs {
        let write_buffer_size = layout::write_buffer_size(keyspace, self.write_buffer_size);
        let compression = layout::compression(keyspace, self.compression);
        let compression_options =
            layout::compression_options(keyspace, compression, self.target_file_size);
        let compression = match compression {
            Compression::None => "kNoCompression",
            Compression::Snappy => "kSnappyCompression",
            Compression::Lz4 => "kLZ4Compression",
            Compression::Zstd => "kZSTD",
        };
        vec![
            ("write_buffer_size", write_buffer_size.to_string()),
            ("target_file_size_base", self.target_file_size.to_string()),
            ("compression", compression.to_owned()),
            ("compression_opts", compression_options),
            (
                "disable_auto_compactions",
                (!self.automatic_compaction).to_string(),
            ),
        ]
    }
}

/// Changes all that is asked for, or nothing.
pub(super) fn set(database: &Database, online: &mut Online, options: &OnlineOptions) -> Result<()> {
    let new = online.with(options);
    open::check_sizes(new.write_buffer_size, new.target_file_size)?;
    let old = *online;
    change(database, |keyspace| {
        (old.pairs(keyspace), new.pairs(keyspace))
    })?;
    *online = new;
    Ok(())
}

/// Takes each keyspace from its old options to its new ones; where one of them is refused, all go back.
fn change(database: &Database, of: impl Fn(Keyspace) -> (Pairs, Pairs)) -> Result<()> {
    let mut changed = Vec::new();
    for keyspace in Keyspace::ALL {
        let (old, new) = of(keyspace);
        let back: Pairs = old
            .iter()
            .filter(|pair| !new.contains(pair))
            .cloned()
            .collect();
        let to: Pairs = new.into_iter().filter(|pair| !old.contains(pair)).collect();
        if to.is_empty() {
            continue;
        }
        // A refusal may have come after it took effect: when the options could not be written down.
        changed.push((keyspace, back));
        if let Err(error) = apply(database, keyspace, &to) {
            return Err(match restore(database, &changed) {
                Ok(()) => refused(&error, "nothing was changed"),
                Err(again) => refused(
                    &error,
                    &format!("some were changed, and could not be set back: {again}"),
                ),
            });
        }
    }
    Ok(())
}

fn restore(database: &Database, changed: &[(Keyspace, Pairs)]) -> Result<(), rocksdb::Error> {
    let mut restored = Ok(());
    for (keyspace, back) in changed {
        restored = restored.and(apply(database, *keyspace, back));
    }
    restored
}

fn apply(
    database: &Database,
    keyspace: Keyspace,
    pairs: &[(&'static str, String)],
) -> Result<(), rocksdb::Error> {
    if pairs.is_empty() {
        return Ok(());
    }
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    database
        .db()
        .set_options_cf(database.handle(keyspace), &pairs)
}

fn refused(error: &rocksdb::Error, what: &str) -> Error {
    let error = convert(error);
    let kind = match error.kind() {
        ErrorKind::Io => ErrorKind::Invalid,
        kind => kind.clone(),
    };
    Error::new(kind, format!("the options were refused, {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::backend::{Backend, rocksdb::RocksDBBackend};

    fn opened(path: &Path) -> RocksDBBackend {
        RocksDBBackend::open(&RocksDBConfig::at(path.to_str().unwrap())).unwrap()
    }

    /// The options of a keyspace, as RocksDB wrote them down last.
    fn written(path: &Path, keyspace: Keyspace) -> String {
        let entries = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_owned();
        let newest = entries
            .filter(|path| name(path).to_str().unwrap().starts_with("OPTIONS-"))
            .max_by_key(name);
        let text = fs::read_to_string(newest.unwrap()).unwrap();
        let head = format!("[CFOptions \"{}\"]", keyspace.name());
        let (_, section) = text.split_once(&head).unwrap();
        section.split("\n[").next().unwrap().to_owned()
    }

    #[test]
    fn options_are_changed_in_every_keyspace() {
        let directory = tempfile::tempdir().unwrap();
        let backend = opened(directory.path());
        let compression = Compressions {
            history: Compression::Zstd,
            commits: Compression::Zstd,
            ..Compressions::default()
        };
        let options = OnlineOptions::default()
            .write_buffer_size(32 << 20)
            .target_file_size(1 << 20)
            .compression(compression)
            .automatic_compaction(false);
        backend.set_options(&options).unwrap();
        for keyspace in Keyspace::ALL {
            let text = written(directory.path(), keyspace);
            let buffer = layout::write_buffer_size(keyspace, 32 << 20);
            let compression = match keyspace {
                Keyspace::History | Keyspace::Commits => "kZSTD",
                _ => "kLZ4Compression",
            };
            let dictionary = if keyspace == Keyspace::Commits {
                16_384
            } else {
                0
            };
            for pair in [
                format!("write_buffer_size={buffer}\n"),
                format!(";max_dict_bytes={dictionary};"),
                "target_file_size_base=1048576\n".to_owned(),
                format!(" compression={compression}\n"),
                "disable_auto_compactions=true\n".to_owned(),
            ] {
                assert!(text.contains(&pair), "{pair} in {keyspace:?}: {text}");
            }
        }
        assert_eq!(backend.online.lock().target_file_size(), 1 << 20);
    }

    /// Without the way back, the keyspaces before the refused one would keep the new size.
    #[test]
    fn options_that_are_refused_change_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let backend = opened(directory.path());
        let old = *backend.online.lock();
        let options = OnlineOptions::default().write_buffer_size(1 << 20);
        let new = old.with(&options);
        // A value that does not parse, an option that is unknown, and a compression that is not compiled in.
        for wrong in [
            ("target_file_size_base", "many"),
            ("no_such_option", "1"),
            ("compression", "kBZip2Compression"),
        ] {
            let refused = change(&backend.database, |keyspace| {
                let mut pairs = new.pairs(keyspace);
                if keyspace == Keyspace::Commits {
                    pairs.push((wrong.0, wrong.1.to_owned()));
                }
                (old.pairs(keyspace), pairs)
            });
            let error = match refused {
                Ok(()) => panic!("RocksDB takes {wrong:?}"),
                Err(error) => error,
            };
            let expected = match wrong.0 {
                "compression" => ErrorKind::Unsupported,
                _ => ErrorKind::Invalid,
            };
            assert_eq!(*error.kind(), expected, "{wrong:?}: {error}");
            assert!(error.to_string().contains("nothing was changed"), "{error}");
            for keyspace in Keyspace::ALL {
                let size = layout::write_buffer_size(keyspace, 128 << 20);
                let text = written(directory.path(), keyspace);
                let pair = format!("write_buffer_size={size}\n");
                assert!(text.contains(&pair), "{keyspace:?}, {wrong:?}: {text}");
            }
        }
    }

    #[test]
    fn a_compression_that_the_build_lacks_is_a_clear_error() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.set_compression_type(rocksdb::DBCompressionType::Bz2);
        let refused = rocksdb::DB::open(&options, directory.path()).unwrap_err();
        let error = convert(&refused);
        assert_eq!(error.kind(), &ErrorKind::Unsupported);
        assert!(
            error.to_string().contains("lacks that compression"),
            "{error}"
        );
    }
}
