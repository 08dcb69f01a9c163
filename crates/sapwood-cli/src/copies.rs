//! Restoring checkpoints, and backups.

use std::path::{Path, PathBuf};

use sapwood::{Backups, Engine};

use crate::{
    answer::Answer,
    args::BackupAction,
    failure::{Failure, Result},
    progress,
    session::{Session, path_or_default},
};

/// Makes a database of a checkpoint.
pub(crate) fn restore(from: &Path, db: Option<PathBuf>) -> Result<Answer> {
    let _spinner = progress::spinner("restoring");
    restored(&Engine::restore(from, path_or_default(db))?)
}

/// Does what is asked for with backups.
pub(crate) fn backup(action: BackupAction, db: Option<PathBuf>) -> Result<Answer> {
    match action {
        BackupAction::Create { directory } => {
            let session = Session::existing(&path_or_default(db))?;
            let _spinner = progress::spinner("backing up");
            Ok(Answer::BackedUp(
                Backups::open(directory).create(&session.engine)?,
            ))
        }
        BackupAction::List { directory } => Ok(Answer::Backups(Backups::open(directory).list()?)),
        BackupAction::Verify { directory, id } => verify(&Backups::open(directory), id),
        BackupAction::Purge { directory, keep } => {
            Ok(Answer::Purged(Backups::open(directory).purge(keep)?))
        }
        BackupAction::Restore { directory, id } => {
            let backups = Backups::open(directory);
            let newest = || -> Result<u32> {
                let newest = backups.list()?.pop();
                let newest =
                    newest.ok_or_else(|| Failure::new("not_found", "there is no backup"))?;
                Ok(newest.id)
            };
            let id = id.map_or_else(newest, Ok)?;
            let _spinner = progress::spinner("restoring");
            restored(&backups.restore(id, path_or_default(db))?)
        }
    }
}

fn verify(backups: &Backups, id: Option<u32>) -> Result<Answer> {
    let mut all = backups.list()?;
    if let Some(id) = id {
        all.retain(|backup| backup.id == id);
        if all.is_empty() {
            // Says that there is none.
            backups.verify(id)?;
        }
    }
    let _spinner = progress::spinner("reading");
    let mut damaged = Vec::new();
    for backup in &all {
        if let Err(error) = backups.verify(backup.id) {
            damaged.push((backup.id, Failure::from(error)));
        }
    }
    let Some((_, first)) = damaged.first() else {
        return Ok(Answer::BackupsVerified(all));
    };
    let told = |(id, failure): &(u32, Failure)| format!("backup {id}: {}", failure.message);
    let told: Vec<_> = damaged.iter().map(told).collect();
    Err(first.clone().explain(|_| {
        format!(
            "{} of {} backups cannot be restored; {}",
            damaged.len(),
            all.len(),
            told.join("; ")
        )
    }))
}

fn restored(engine: &Engine) -> Result<Answer> {
    let answer = Answer::Restored {
        timestamp: engine.visible(),
        epoch: engine.epoch(),
    };
    engine.close()?;
    Ok(answer)
}
