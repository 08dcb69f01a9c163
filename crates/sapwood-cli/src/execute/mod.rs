//! Commands to answers, on an open database.
//!
//! The one implementation of each command, behind the shell and behind the command line.

mod read;
mod retain;
mod transact;

use sapwood::CommitOptions;

use crate::{
    answer::Answer,
    failure::{Failure, Result},
    language::Command,
    progress,
    session::Session,
};

impl Session {
    /// Does what a command says.
    pub(crate) fn execute(&mut self, command: Command) -> Result<Answer> {
        match command {
            Command::Commit { writes, at } => {
                let options = match at {
                    Some(at) => CommitOptions::default().at(at),
                    None => CommitOptions::default(),
                };
                let commit = self.engine.commit(writes, options)?;
                Ok(Answer::Committed(commit.timestamp))
            }
            Command::Get { key, at } => self.get(&key, at),
            Command::Scan { scan, at } => self.scan(scan, at),
            Command::History(history) => self.history(&history),
            Command::Diff { old, new } => self.diff(old, new),
            Command::Begin(begin) => self.begin(begin),
            Command::Within { transaction, step } => self.within(&transaction, step),
            Command::Pin { name, at, ttl } => self.pin(&name, at, ttl),
            Command::Unpin { name } => {
                self.engine.unpin(&name)?;
                Ok(Answer::Pins(self.engine.pins()?))
            }
            Command::Pins => Ok(Answer::Pins(self.engine.pins()?)),
            Command::Prune { before } => self.prune(before),
            Command::RollbackTo { target } => self.rollback_to(target),
            Command::Checkpoint { directory } => {
                let storage = self.storage.as_ref().ok_or_else(|| {
                    Failure::invalid(
                        "a database in memory has no files to copy; open one with --db",
                    )
                })?;
                Ok(Answer::Checkpoint(
                    storage.create_checkpoint(directory)?.timestamp,
                ))
            }
            Command::Verify => self.verify(),
            Command::Flush => {
                self.engine.flush()?;
                Ok(Answer::Done)
            }
            Command::Compact { range, compression } => self.compact(range, compression),
            Command::Status => {
                let _spinner = progress::spinner("counting");
                Ok(Answer::Status(self.engine.status()?))
            }
            Command::Stats { explain } => self.stats(explain),
        }
    }
}
