//! The first-parent history of a git repository, as git itself tells it.
//!
//! One `git log --raw -z` process is read as it writes. A merge is compared with its first parent,
//! the first commit with nothing; renames are a deletion and a creation. A change of mode alone is a
//! write of the same value.

pub(crate) mod process;
mod raw;

use std::{
    io::BufReader,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use process::Git;
use raw::RawLog;

use super::{
    Open,
    sink::{Commit, Sink},
};
use crate::{
    answer::Imported,
    failure::{Failure, Result},
    progress,
};

/// Imports the history of a commit.
pub(crate) fn import(repository: &Path, revision: &str, open: Open<'_>) -> Result<Imported> {
    let git = Git::open(repository)?;
    let tip = git.commit(revision)?;
    let count = git.count(&tip)?;
    let engine = open()?;
    let mut log = git.spawn(&[
        "log",
        "--first-parent",
        "--diff-merges=first-parent",
        "--reverse",
        "--root",
        "--raw",
        "-r",
        "-z",
        "--no-abbrev",
        "--no-renames",
        "--no-relative",
        "--no-color",
        "--no-notes",
        "--no-show-signature",
        "--no-mailmap",
        "--no-decorate",
        "--no-ext-diff",
        "--no-textconv",
        "--ignore-submodules=none",
        "--format=tformat:C %H %ct",
        &tip,
        "--",
    ])?;
    let bar = progress::items("importing", count);
    let mut sink = Sink::new(&engine);
    let mut commits = RawLog::new(BufReader::new(log.output()?));
    // A commit is held back until another follows, or git has ended well: then it is whole.
    let mut held = None;
    let mut ordinal = 0;
    while let Some(commit) = commits
        .next_commit()
        .map_err(|failure| sink.stopped(failure))?
    {
        ordinal += 1;
        let next = Commit {
            timestamp: ordinal,
            time: UNIX_EPOCH.checked_add(Duration::from_secs(commit.seconds)),
            writes: commit.writes,
        };
        take(&mut sink, held.replace(next))?;
        bar.inc(1);
    }
    drop(commits);
    log.finish().map_err(|failure| sink.stopped(failure))?;
    take(&mut sink, held)?;
    if ordinal != count {
        return Err(sink.stopped(Failure::new(
            "corrupt",
            format!("git told of {ordinal} commits, and counts {count}"),
        )));
    }
    bar.finish_and_clear();
    sink.finish()
}

fn take(sink: &mut Sink<'_>, commit: Option<Commit>) -> Result<()> {
    commit.map_or(Ok(()), |commit| {
        sink.take(commit).map_err(|failure| sink.stopped(failure))
    })
}
