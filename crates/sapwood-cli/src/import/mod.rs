//! Imports: a history from elsewhere, one commit of ours for each of its own.
//!
//! Each source only reads and parses; [`sink`] owns what is committed, skipped and refused.
//! A commit is made when it has been read wholly, so that an import that stops leaves whole commits.

mod changes;
mod ethereum;
pub(crate) mod git;
mod sink;

use sapwood::Engine;

use crate::{answer::Imported, args::ImportSource, failure::Result};

/// Opens the database, once the source is known to be there: what cannot be imported makes none.
pub(crate) type Open<'a> = &'a mut dyn FnMut() -> Result<Engine>;

/// Imports from a source.
pub(crate) fn run(source: &ImportSource, open: Open<'_>) -> Result<Imported> {
    match source {
        ImportSource::Git { repository, rev } => git::import(repository, rev, open),
        ImportSource::Changes { file } => changes::import(file, open),
        ImportSource::EthereumState { directory } => ethereum::import(directory, open),
    }
}
