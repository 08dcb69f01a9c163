//! Git as the judge: past states against `git ls-tree`.

use std::collections::BTreeMap;

use sapwood::{ReadView, Timestamp};

use super::Stage;
use crate::{
    failure::{Failure, Result},
    language::text::printable,
    progress,
};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// Compares these states with git's; the first difference is a failure.
pub(super) fn check(stage: &Stage, states: &[Timestamp]) -> Result<()> {
    let bar = progress::items("checking", states.len() as u64);
    let mut paths = 0;
    for at in states {
        paths += check_one(stage, *at)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let (Some(first), Some(last)) = (states.first(), states.last()) else {
        return Ok(());
    };
    stage.say(&format!(
        "ok: {} states from {first} to {last}, {paths} paths, all as git has them",
        states.len()
    ))
}

/// Compares one state with git's. Returns how many paths it has.
fn check_one(stage: &Stage, at: Timestamp) -> Result<usize> {
    let commit = stage.source.commit(at)?;
    let tree = stage
        .source
        .git
        .bytes(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
    let wanted = parse(&tree).ok_or_else(|| {
        Failure::new(
            "corrupt",
            "git ls-tree told something that is not understood",
        )
    })?;
    let rows = stage.session.engine.at(at)?.range(..);
    let found: State = rows
        .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect::<sapwood::Result<_>>()?;
    match difference(&found, &wanted) {
        None => Ok(found.len()),
        Some(difference) => Err(Failure::new(
            "corrupt",
            format!("FAIL: the state at {at} is not that of commit {commit}: {difference}"),
        )),
    }
}

/// The first path that is not the same in both.
fn difference(found: &State, wanted: &State) -> Option<String> {
    let differs = |path: &&Vec<u8>| found.get(*path) != wanted.get(*path);
    let path = wanted.keys().chain(found.keys()).find(differs)?;
    let show = |state: &State| {
        let id = state.get(path);
        id.map_or("nothing".to_owned(), |id| printable(id))
    };
    Some(format!(
        "{} is {} here and {} there",
        printable(path),
        show(found),
        show(wanted)
    ))
}

/// The entries of `git ls-tree -r -z`: `mode type id`, a tab, the path.
fn parse(tree: &[u8]) -> Option<State> {
    let mut state = State::new();
    for entry in tree
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty())
    {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let id = entry.get(..tab)?.rsplit(|byte| *byte == b' ').next()?;
        state.insert(entry.get(tab + 1..)?.to_vec(), id.to_vec());
    }
    Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_found() {
        let listed = b"100644 blob id1\ta b\x00160000 commit id2\tm\t\0";
        let state = parse(listed).unwrap();
        assert_eq!(state.get(&b"m\t"[..]).unwrap(), b"id2");
        assert_eq!(difference(&state, &state), None);
        let mut changed = state.clone();
        changed.insert(b"m\t".to_vec(), b"id3".to_vec());
        let text = "m\\t is id3 here and id2 there";
        assert_eq!(difference(&changed, &state).unwrap(), text);
        changed = state.clone();
        changed.remove(&b"a b"[..]);
        assert_eq!(
            difference(&changed, &state).unwrap(),
            "a b is nothing here and id1 there"
        );
        assert_eq!(
            difference(&state, &changed).unwrap(),
            "a b is id1 here and nothing there"
        );
        assert!(parse(b"no tab\0").is_none());
    }
}
