//! `doctor`: whether a machine and a place are fit for a database.
//!
//! | module | owns |
//! |---|---|
//! | `machine` | what the system says of itself; the one part that asks it |
//! | `place` | what lies where the database is, or is to be |
//! | `checks` | what to think of both: pure |
//!
//! **Invariant:** it changes nothing. A database that nobody has open is opened, as by any command that reads.

mod checks;
#[cfg(test)]
mod checks_tests;
mod machine;
mod place;

use std::path::{Path, PathBuf};

use sapwood::{Checkpoint, RocksDBConfig};

use crate::session::{Session, path_or_default};

/// How grave something is. The process ends with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Fine = 0,
    /// It may go wrong, or be slow.
    Warning = 1,
    /// It does not work.
    Error = 2,
}

impl Level {
    /// The stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The stable name of what was looked at.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    /// What is so.
    pub(crate) found: String,
    /// What to do; nothing, where it is fine.
    pub(crate) advice: Option<String>,
}

/// Looks at everything.
pub(crate) fn run(config: &RocksDBConfig, db: Option<PathBuf>) -> Vec<Finding> {
    let path = path_or_default(db);
    let place = place::look(&path);
    let machine = machine::look(&place.ground);
    let mut findings = checks::all(&place, &machine, config);
    findings.extend(open(&path, &place));
    findings
}

/// The gravest of some findings.
pub(crate) fn worst(findings: &[Finding]) -> Level {
    let levels = findings.iter().map(|finding| finding.level);
    levels.max().unwrap_or(Level::Fine)
}

/// Whether the database opens: its format, its state.
fn open(path: &Path, place: &place::Place) -> Option<Finding> {
    if place.kind != place::Kind::Database && place.kind != place::Kind::Checkpoint {
        return None;
    }
    let finding = |level, found, advice| Finding {
        check: "format",
        level,
        found,
        advice,
    };
    if place.holder.is_some() {
        let found = "not looked at, since another process has the database open".to_owned();
        return Some(finding(Level::Fine, found, None));
    }
    let opened = if Checkpoint::read(path).is_ok() {
        Session::checkpoint(path)
    } else {
        Session::existing(path)
    };
    Some(match opened {
        Ok(session) => {
            let (visible, floor) = (session.engine.visible(), session.engine.floor());
            let found = format!("it opens: the newest timestamp is {visible}, the floor {floor}");
            finding(Level::Fine, found, None)
        }
        Err(failure) if failure.kind == "locked" => {
            let advice = "ask through the program that has it open, or end it there";
            finding(Level::Warning, failure.message, Some(advice.to_owned()))
        }
        Err(failure) => {
            let advice = match failure.kind {
                "unsupported" => "open it with the build that made it, or one as new",
                "corrupt" => {
                    "restore a checkpoint or a backup; where there is none, sapwood repair saves what can be read"
                }
                _ => "docs/troubleshooting.md has each kind of error, and what to do",
            };
            let found = format!("{} ({})", failure.message, failure.kind);
            finding(Level::Error, found, Some(advice.to_owned()))
        }
    })
}
