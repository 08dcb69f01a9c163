//! What to think of a machine and a place: pure.

use sapwood::RocksDBConfig;

use super::{
    Finding, Level,
    machine::{FileSystem, Machine},
    place::{Kind, Place},
};

/// Files that a process needs beside tables: logs, the manifest, what the program itself has open.
const OTHER_FILES: u64 = 64;

/// Below this nothing can be flushed any more.
const FREE_MIN_BYTES: u64 = 64 << 20;

/// Keyspaces with memtables of the full size, and how many memtables each may have.
const MEMTABLES: u64 = 4 * 2;

/// Old logs of RocksDB's own words that are worth a word.
const OLD_LOGS_BYTES: u64 = 256 << 20;

/// All findings, in the order in which they are told.
pub(super) fn all(place: &Place, machine: &Machine, config: &RocksDBConfig) -> Vec<Finding> {
    [
        Some(database(place)),
        writable(place, machine),
        lock(place),
        file_system(machine),
        disk(place, machine),
        open_files(place, machine, config),
        memory(machine, config),
        cores(machine, config),
        Some(leftovers(place)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn fine(check: &'static str, found: String) -> Finding {
    Finding {
        check,
        level: Level::Fine,
        found,
        advice: None,
    }
}

fn bad(check: &'static str, level: Level, found: String, advice: &str) -> Finding {
    Finding {
        check,
        level,
        found,
        advice: Some(advice.to_owned()),
    }
}

fn database(place: &Place) -> Finding {
    let path = place.path.display();
    if let Some(failure) = &place.failure {
        let found = format!("{path} cannot be looked at: {failure}");
        return bad(
            "database",
            Level::Error,
            found,
            "give this user the right to read it",
        );
    }
    let (size, tables) = (size(place.size_bytes), place.tables);
    match place.kind {
        Kind::Nothing => fine(
            "database",
            format!("nothing is at {path} yet; one can be made there"),
        ),
        Kind::Database => fine(
            "database",
            format!("{path}: {size} in files, {tables} of them tables"),
        ),
        Kind::Checkpoint => fine(
            "database",
            format!("{path} is a checkpoint, {size}: it can be read, and restored"),
        ),
        Kind::File => bad(
            "database",
            Level::Error,
            format!("{path} is a file"),
            "a database is a directory: name another path with --db",
        ),
        Kind::Other => bad(
            "database",
            Level::Error,
            format!("{path} is a directory of other things, or its file CURRENT is lost"),
            "name another path with --db; if it was a database, restore it from a checkpoint or a backup",
        ),
    }
}

fn writable(place: &Place, machine: &Machine) -> Option<Finding> {
    let ground = place.ground.display();
    Some(match machine.writable.as_ref()? {
        Ok(()) => fine("writable", format!("files can be made in {ground}")),
        Err(why) if place.kind == Kind::Checkpoint => fine(
            "writable",
            format!("nothing can be written to {ground} ({why}); a checkpoint is only read"),
        ),
        Err(why) => bad(
            "writable",
            Level::Error,
            format!("no file can be made in {ground}: {why}"),
            "run as the user whom it belongs to, or mount it writable",
        ),
    })
}

fn lock(place: &Place) -> Option<Finding> {
    if place.kind != Kind::Database {
        return None;
    }
    Some(match &place.holder {
        None => fine("lock", "nobody has it open".to_owned()),
        Some(holder) => {
            let program = holder.program.as_deref().unwrap_or("a program");
            bad(
                "lock",
                Level::Warning,
                format!("{program}, process {}, has it open", holder.pid),
                "ask through that program, or read a checkpoint that it takes; to open it here, end it there",
            )
        }
    })
}

fn file_system(machine: &Machine) -> Option<Finding> {
    let warn = |found: String, advice: &str| bad("file_system", Level::Warning, found, advice);
    let said = |found: String| fine("file_system", found);
    Some(match machine.file_system? {
        FileSystem::Tried(name) => said(name.to_owned()),
        FileSystem::Local(name) => said(format!(
            "{name}, on a disk of this machine; not one that was tried (ext4, XFS)"
        )),
        FileSystem::Other(number) => {
            said(format!("of a kind that is not known here (0x{number:X})"))
        }
        FileSystem::Network(name) => warn(
            format!("{name}, which is on another machine"),
            "locks and waits for the disk are what that makes of them: use a disk of this machine",
        ),
        FileSystem::Memory(name) => warn(
            format!("{name}, which is in memory"),
            "everything goes with the machine: use a disk for what has to stay",
        ),
        FileSystem::Overlay => warn(
            "overlay, the layer of a container".to_owned(),
            "everything goes with the container: use a volume",
        ),
        FileSystem::Fuse => warn(
            "FUSE: a program serves it".to_owned(),
            "locks and waits for the disk are what that program makes of them: use a disk of this machine, or be sure of it",
        ),
    })
}

fn disk(place: &Place, machine: &Machine) -> Option<Finding> {
    let free = machine.free_bytes?;
    let found = format!("{} free", size(free));
    Some(if free < FREE_MIN_BYTES {
        let advice =
            "make room: a full disk fails writes, and the store has to be opened again then";
        bad("disk", Level::Error, found, advice)
    } else if free < place.size_bytes {
        let found = format!(
            "{found}, less than the {} of the database",
            size(place.size_bytes)
        );
        let advice = "make room: a compaction of everything, a migration, a copy on this disk need as much again";
        bad("disk", Level::Warning, found, advice)
    } else {
        fine("disk", found)
    })
}

fn open_files(place: &Place, machine: &Machine, config: &RocksDBConfig) -> Option<Finding> {
    let limit = machine.open_files?;
    let configured = u64::try_from(config.max_open_files).ok();
    // -1 is for all there are, and there will be more.
    let wanted = configured.unwrap_or(place.tables.saturating_mul(2)) + OTHER_FILES;
    let needed = place.tables.min(configured.unwrap_or(u64::MAX)) + OTHER_FILES;
    let shown = match limit {
        u64::MAX => "no limit".to_owned(),
        limit => format!("a process may have {limit} files open"),
    };
    let raise = match machine.open_files_hard {
        Some(hard) if hard >= wanted => {
            format!("ulimit -n {wanted} before the program (LimitNOFILE= of systemd)")
        }
        _ => format!("as root: LimitNOFILE={wanted} of systemd, or /etc/security/limits.conf"),
    };
    let advice = format!(
        "raise it: {raise}; or set max_open_files to {} at most",
        limit.saturating_sub(OTHER_FILES)
    );
    Some(if limit < needed {
        let found = format!("{shown}, and the database has {} tables", place.tables);
        bad("open_files", Level::Error, found, &advice)
    } else if limit < wanted {
        let found = format!("{shown}, and max_open_files is {}", config.max_open_files);
        bad("open_files", Level::Warning, found, &advice)
    } else {
        fine("open_files", shown)
    })
}

fn memory(machine: &Machine, config: &RocksDBConfig) -> Option<Finding> {
    let (available, all) = (machine.available_bytes?, machine.memory_bytes?);
    let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let wanted = bytes(config.write_buffer_size)
        .saturating_mul(MEMTABLES)
        .saturating_add(bytes(config.block_cache_size))
        .saturating_add(bytes(config.recent_versions_size))
        .saturating_add(bytes(config.conflict_log_size));
    let found = format!(
        "caches and buffers may take {}; {} of {} are available",
        size(wanted),
        size(available),
        size(all)
    );
    let advice =
        "lower block_cache_size and write_buffer_size (docs/tuning.md), or give it more memory";
    Some(if wanted > all {
        bad("memory", Level::Error, found, advice)
    } else if wanted > available {
        bad("memory", Level::Warning, found, advice)
    } else {
        fine("memory", found)
    })
}

fn cores(machine: &Machine, config: &RocksDBConfig) -> Option<Finding> {
    let cores = machine.cores?;
    let jobs = config.max_background_jobs;
    let found = format!("{cores}, and {jobs} background jobs");
    let is_many = usize::try_from(jobs).is_ok_and(|jobs| jobs > cores.saturating_mul(2).max(2));
    Some(if is_many {
        let advice = "set max_background_jobs to about as many as cores: more take them from readers and writers";
        bad("cores", Level::Warning, found, advice)
    } else {
        fine("cores", found)
    })
}

fn leftovers(place: &Place) -> Finding {
    if !place.leftovers.is_empty() {
        let names = place
            .leftovers
            .iter()
            .map(|path| path.display().to_string());
        let found = names.collect::<Vec<_>>().join(", ");
        let advice = "they are of copies that were stopped (.sapwood-partial), of a power cut that was mended (.torn), or RocksDB's \
                      (.dbtmp): while nothing of the kind is under way they can be removed";
        return bad("leftovers", Level::Warning, found, advice);
    }
    if place.old_logs_bytes > OLD_LOGS_BYTES {
        let found = format!(
            "{} of LOG.old.*, which are RocksDB's own words",
            size(place.old_logs_bytes)
        );
        return bad(
            "leftovers",
            Level::Warning,
            found,
            "remove LOG.old.* when you have read what you want of them",
        );
    }
    fine("leftovers", "none".to_owned())
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes >> shift > 0);
    match unit {
        Some((shift, name)) => {
            let tenths = ((bytes >> (shift - 10)) * 10) >> 10;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}
