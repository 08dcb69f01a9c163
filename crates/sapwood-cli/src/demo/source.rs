//! [`Source`]: the repository that the demo works on.

use std::{collections::BTreeSet, path::Path};

use fastrand::Rng;
use sapwood::Timestamp;

use super::generate;
use crate::{
    failure::{Failure, Result},
    import::git::process::Git,
};

/// A shorter history shows little: one is made instead.
const COMMITS_MIN: usize = 200;

/// A repository and its commits.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) git: Git,
    /// A sentence on what it is.
    pub(super) about: String,
    /// The ids of its first-parent commits, oldest first; never empty.
    commits: Vec<String>,
}

impl Source {
    /// The repository asked for, or the checkout that this runs in; where its history is short or
    /// there is none, one that is made in `scratch`.
    pub(super) fn choose(asked: Option<&Path>, scratch: &Path) -> Result<Self> {
        let found = match asked {
            // A repository that was named and cannot be read is an error.
            Some(path) => Some(Self::read(Git::open(path)?)?),
            None => Git::open(Path::new(".")).and_then(Self::read).ok(),
        };
        let why = match found {
            Some(source) if source.commits.len() >= COMMITS_MIN => return Ok(source),
            Some(source) => format!("only {} commits here", source.commits.len()),
            None => "no git history here".to_owned(),
        };
        let repository = scratch.join("repository");
        generate::repository(&repository)?;
        let mut source = Self::read(Git::open(&repository)?)?;
        source.about = format!(
            "Sapwood demo: {why}, so a repository of {} commits was made with git",
            source.commits.len()
        );
        Ok(source)
    }

    fn read(git: Git) -> Result<Self> {
        let tip = git.commit("HEAD")?;
        let commits = git.text(&["rev-list", "--first-parent", "--reverse", &tip])?;
        let commits: Vec<_> = commits.lines().map(str::to_owned).collect();
        if commits.is_empty() {
            return Err(Failure::new("not_found", "the repository has no commits"));
        }
        let about = format!(
            "Sapwood demo: the {} first-parent commits of {}",
            commits.len(),
            git.directory().display()
        );
        Ok(Self {
            git,
            about,
            commits,
        })
    }

    /// How many commits there are: the newest timestamp.
    pub(super) fn len(&self) -> u64 {
        self.commits.len() as u64
    }

    /// The id of the newest commit.
    pub(super) fn tip(&self) -> &str {
        self.commits.last().map_or("HEAD", String::as_str)
    }

    /// The id of the commit at a timestamp.
    pub(super) fn commit(&self, at: Timestamp) -> Result<&str> {
        let index = usize::try_from(at.get())
            .ok()
            .and_then(|ordinal| ordinal.checked_sub(1));
        index
            .and_then(|index| self.commits.get(index))
            .map(String::as_str)
            .ok_or_else(|| Failure::new("corrupt", format!("git has no commit {at}")))
    }

    /// So many timestamps from `low` to the newest, in order, both ends among them.
    pub(super) fn pick(&self, count: usize, low: u64, random: &mut Rng) -> Vec<Timestamp> {
        let mut picked = BTreeSet::from([low, self.len()]);
        let wanted = count.saturating_sub(picked.len());
        let between = low.saturating_add(1)..self.len();
        picked.extend(random.choose_multiple(between, wanted));
        picked.into_iter().map(Timestamp::new).collect()
    }
}
