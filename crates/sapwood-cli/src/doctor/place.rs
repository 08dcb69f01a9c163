//! What lies where a database is, or is to be.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sapwood::Checkpoint;

use super::machine;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing yet, or an empty directory.
    Nothing,
    Database,
    Checkpoint,
    /// A file.
    File,
    /// A directory of other things.
    Other,
}

/// Who has the lock of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: i32,
    /// The name of its program, where the system tells.
    pub(super) program: Option<String>,
}

/// What was seen of a path.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    /// The directory itself or, where there is none yet, the nearest above it that there is.
    pub(super) ground: PathBuf,
    /// The bytes of its files.
    pub(super) size_bytes: u64,
    /// How many tables it has.
    pub(super) tables: u64,
    /// Who has it open.
    pub(super) holder: Option<Holder>,
    /// What copies, repairs and power cuts have left.
    pub(super) leftovers: Vec<PathBuf>,
    /// RocksDB's old logs of its own words, in bytes.
    pub(super) old_logs_bytes: u64,
    /// Why it could not be looked at.
    pub(super) failure: Option<String>,
}

/// Looks at a path.
pub(super) fn look(path: &Path) -> Place {
    let mut place = Place {
        path: path.to_owned(),
        kind: Kind::Nothing,
        ground: ground(path),
        size_bytes: 0,
        tables: 0,
        holder: None,
        leftovers: beside(path),
        old_logs_bytes: 0,
        failure: None,
    };
    if path.is_file() {
        place.kind = Kind::File;
        return place;
    }
    let mut is_empty = true;
    let walked = entries(path, &mut |name, size| {
        is_empty = false;
        place.size_bytes += size;
        let ending = Path::new(name)
            .extension()
            .and_then(|ending| ending.to_str());
        match ending {
            Some("sst") => place.tables += 1,
            Some("torn" | "dbtmp") => place.leftovers.push(path.join(name)),
            _ if name.starts_with("LOG.old.") => place.old_logs_bytes += size,
            _ => {}
        }
    });
    match walked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return place,
        Err(error) => place.failure = Some(error.to_string()),
    }
    place.kind = if path.join("CURRENT").exists() {
        match Checkpoint::read(path) {
            Ok(_) => Kind::Checkpoint,
            Err(_) => Kind::Database,
        }
    } else if is_empty {
        Kind::Nothing
    } else {
        Kind::Other
    };
    place.holder = machine::holder(&path.join("LOCK"));
    place.leftovers.sort();
    place
}

/// Tells the name and the size of each file of a directory.
fn entries(path: &Path, tell: &mut dyn FnMut(&str, u64)) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // Where a file goes meanwhile, it takes no room.
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        tell(&entry.file_name().to_string_lossy(), size);
    }
    Ok(())
}

/// The path, or the nearest above it that there is.
fn ground(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|above| above.is_dir());
    let there = there.filter(|there| !there.as_os_str().is_empty());
    there.unwrap_or(Path::new(".")).to_owned()
}

/// What copies that were stopped have left beside a path.
fn beside(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name() else {
        return Vec::new();
    };
    let endings = [".sapwood-partial", ".sapwood-partial.tmp"];
    let names = endings.iter().map(|ending| {
        let mut name = name.to_owned();
        name.push(ending);
        path.with_file_name(name)
    });
    names.filter(|path| path.exists()).collect()
}
