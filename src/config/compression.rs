//! How files are compressed, by keyspace.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

/// How the blocks of a keyspace's files are compressed. A change holds for files that are written from then on;
/// each block says how it was compressed, so older files stay readable.
///
/// # Examples
/// ```
/// use sapwood::Compression;
///
/// assert_eq!("zstd".parse::<Compression>()?, Compression::Zstd);
/// assert_eq!(Compression::default().to_string(), "lz4");
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all: for values that are compressed or encrypted already.
    None,
    /// Snappy: about as quick as LZ4, and as small.
    Snappy,
    /// LZ4: quick, both ways.
    #[default]
    Lz4,
    /// ZSTD: smallest; slower to write and to read. Files of `current` and `commits` have a dictionary of what their
    /// blocks have in common, made from the first MiB of each, which is in memory until then.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The stable, lower-case name, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|known| known.name() == text);
        found.ok_or_else(|| {
            Error::invalid(format!(
                "{text:?} is no compression; there are none, snappy, lz4 and zstd"
            ))
        })
    }
}

/// A [`Compression`] for each keyspace. By default LZ4 for all of them: `DESIGN.md`, section 13, has the
/// measurements.
///
/// # Examples
/// ```
/// use sapwood::{Compression, Compressions, RocksDBConfig};
///
/// let mut config = RocksDBConfig::at("/var/lib/node/state");
/// config.compression.history = Compression::Zstd; // the past is large and seldom read
/// assert_eq!(config.compression.current, Compression::Lz4);
/// assert_eq!(Compressions::all(Compression::Zstd).meta, Compression::Zstd);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compressions {
    /// Of the newest version of each live key.
    ///
    /// Unit: a choice. Default: [`Compression::Lz4`].
    pub current: Compression,
    /// Of the versions that have ended.
    ///
    /// Unit: a choice. Default: [`Compression::Lz4`].
    pub history: Compression,
    /// Of the last delete of each key.
    ///
    /// Unit: a choice. Default: [`Compression::Lz4`].
    pub deleted: Compression,
    /// Of what each commit did.
    ///
    /// Unit: a choice. Default: [`Compression::Lz4`].
    pub commits: Compression,
    /// Of the store's own state.
    ///
    /// Unit: a choice. Default: [`Compression::Lz4`].
    pub meta: Compression,
}

impl Compressions {
    /// The same for all keyspaces.
    pub fn all(compression: Compression) -> Self {
        Self {
            current: compression,
            history: compression,
            deleted: compression,
            commits: compression,
            meta: compression,
        }
    }
}
