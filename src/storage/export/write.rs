//! How an export comes to be: put together beside its place, synced, and moved there.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    Export,
    frames::{Header, Writer, millis},
};
use crate::{
    error::{Error, Result},
    metrics::Timed,
    storage::{FeedOptions, Position, store::Store},
    sync::Arc,
    timestamp::Timestamp,
    trace,
};

/// What the name of an export ends with until it is whole.
const PARTIAL: &str = ".sapwood-partial";

impl Store {
    /// Writes the changes of the commits in `(after, until]` to a new file.
    pub(crate) fn export(
        self: &Arc<Self>,
        after: Timestamp,
        until: Timestamp,
        path: &Path,
    ) -> Result<Export> {
        let _timing = self.meter.time(Timed::Export);
        let span = trace::export(after, until, path).entered();
        let export = self.export_beside(after, until, path)?;
        span.record("commits", export.commits);
        Ok(export)
    }

    fn export_beside(
        self: &Arc<Self>,
        after: Timestamp,
        until: Timestamp,
        path: &Path,
    ) -> Result<Export> {
        self.check_open()?;
        let visible = self.clock.visible();
        if after > until {
            return Err(Error::invalid(format!(
                "an export goes from the older timestamp to the newer; {after} is after {until}"
            )));
        }
        if until > visible {
            return Err(Error::not_yet(until, visible));
        }
        let partial = beside(path)?;
        check_new(path)?;
        let written = self.export_to(after, until, &partial).and_then(|written| {
            check_new(path)?;
            fs::rename(&partial, path)
                .map_err(|source| failed("moved to its place", &partial, source))?;
            sync_above(path)?;
            Ok(written)
        });
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        let (header, commits, changes) = written?;
        Ok(Export {
            path: path.to_path_buf(),
            after,
            until,
            epoch: header.epoch,
            created: header.created(),
            branch: header.branch_name(),
            commits,
            changes,
        })
    }

    fn export_to(
        self: &Arc<Self>,
        after: Timestamp,
        until: Timestamp,
        partial: &Path,
    ) -> Result<(Header, u64, u64)> {
        let start = Position::new(after, self.clock.epoch());
        if !self.backend.is_read_only() {
            // What is exported does not come to be another commit after a power cut.
            self.backend.sync()?;
        }
        // Holds all of it, however long it takes.
        let mut changes = self.read_from(start, FeedOptions::default())?.until(until);
        let header = self.header(start, until)?;
        let unwritable = |source| failed("written", partial, source);
        // What a crash has left here is nobody's.
        let file = File::create(partial).map_err(unwritable)?;
        let mut writer = Writer::new(file, &header).map_err(unwritable)?;
        while let Some(record) = changes.poll()? {
            writer.commit(&record).map_err(unwritable)?;
        }
        let (commits, changes, file) = writer.finish().map_err(unwritable)?;
        file.sync_all()
            .map_err(|source| failed("synced", partial, source))?;
        if self.clock.epoch() != header.epoch {
            return Err(Error::too_old(
                "the store was rolled back while it was exported; export it again",
            ));
        }
        Ok((header, commits, changes))
    }

    fn header(&self, start: Position, until: Timestamp) -> Result<Header> {
        // No rollback comes between.
        let _retention = self.retention.lock();
        self.check_position(start.timestamp, start.epoch)?;
        let lineage = self.lineage()?;
        let (after, floor) = (start.timestamp, self.floor());
        // Records at or below the floor may be gone, some of them and not others.
        let base = match self.last_recorded(after)? {
            Some(last) if last > floor || last == after => last,
            _ if floor == Timestamp::ZERO => Timestamp::ZERO,
            _ => after,
        };
        let branch = lineage.branch_at(base).ok_or_else(|| {
            Error::invalid(format!("it is not known which history {base} belongs to"))
        })?;
        Ok(Header {
            after,
            until,
            base,
            epoch: self.clock.epoch(),
            created_ms: millis(SystemTime::now()),
            branch,
            branches: lineage.between(base, until),
        })
    }
}

fn beside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        Error::invalid(format!(
            "{:?} does not end with the name of a file",
            path.display().to_string()
        ))
    })?;
    let mut name = name.to_owned();
    name.push(PARTIAL);
    Ok(path.with_file_name(name))
}

fn check_new(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(Error::invalid(format!(
            "there is something at {} already; name a new path",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed("looked for", path, source)),
    }
}

/// Makes the name of a file survive the machine.
fn sync_above(path: &Path) -> Result<()> {
    let above = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Elsewhere directories cannot be opened.
    if cfg!(not(unix)) {
        return Ok(());
    }
    let synced = File::open(above).and_then(|directory| directory.sync_all());
    synced.map_err(|source| failed("synced", above, source))
}

fn failed(what: &str, path: &Path, source: io::Error) -> Error {
    let path = path.display();
    Error::io(format!("{path} cannot be {what}: {source}"), source)
}
