//! What the store should hold: all versions of each key from the floor on, by the commits that were acknowledged.
//!
//! Commits are told in any order and taken in by timestamp. Timestamps have no gaps here, so one that is missing is
//! noticed. What a transaction has read is compared where it is taken in: with the state just before it, where it
//! was serializable, with that of its snapshot else.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, Range},
    sync::Arc,
};

use anyhow::{Result, ensure};

use crate::content::{Content, Digest};

/// A row that was written; `None` deletes.
pub(crate) type Write = (Vec<u8>, Option<Content>);

/// A part of a commit: a transaction, or one of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// Keys that were read, and what was found.
    pub(crate) reads: Vec<Write>,
    /// Ranges that were read, and what was found.
    pub(crate) ranges: Vec<(Range<Vec<u8>>, Digest)>,
    /// A range all of whose keys were deleted, before the writes.
    pub(crate) cleared: Option<Range<Vec<u8>>>,
    pub(crate) writes: Vec<Write>,
}

/// A commit as it was acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    pub(crate) steps: Vec<Step>,
    /// Where it has read at a snapshot, and may have missed what came later: the timestamp.
    pub(crate) read_at: Option<u64>,
}

impl Commit {
    pub(crate) fn of(step: Step) -> Self {
        Self {
            steps: vec![step],
            read_at: None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Version {
    start: u64,
    content: Option<Content>,
}

/// What a commit changed, as feeds give it.
pub(crate) type Changed = Vec<(Arc<[u8]>, Option<Content>)>;

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// All commits up to here are taken in.
    applied: u64,
    /// States below are forgotten.
    floor: u64,
    /// The floor that it began with: versions that began before count as begun there.
    begun: u64,
    /// How often the store was rolled back.
    epoch: u64,
    pending: BTreeMap<u64, Commit>,
    keys: BTreeMap<Arc<[u8]>, Vec<Version>>,
    log: BTreeMap<u64, Changed>,
}

/// How much the store should hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) live_rows: u64,
    pub(crate) live_bytes: u64,
    pub(crate) history_rows: u64,
    pub(crate) history_bytes: u64,
}

fn at(versions: &[Version], timestamp: u64) -> Option<Content> {
    let behind = versions.partition_point(|version| version.start <= timestamp);
    versions.get(behind.checked_sub(1)?)?.content
}

impl Model {
    /// The state at the floor of a store, to which later commits are added.
    pub(crate) fn new(floor: u64, epoch: u64) -> Self {
        Self {
            applied: floor,
            floor,
            begun: floor,
            epoch,
            ..Self::default()
        }
    }

    /// A row of the state that it begins with.
    pub(crate) fn begin_with(&mut self, key: &[u8], content: Content) {
        let version = Version {
            start: self.floor,
            content: Some(content),
        };
        self.keys.insert(key.into(), vec![version]);
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether commits are missing below one that was told.
    pub(crate) fn missing(&self) -> Option<u64> {
        (!self.pending.is_empty()).then_some(self.applied + 1)
    }

    /// Takes in a commit, once all before it are there.
    pub(crate) fn tell(&mut self, at: u64, commit: Commit) -> Result<()> {
        ensure!(
            at > self.applied && !self.pending.contains_key(&at),
            "two commits were acknowledged at {at}"
        );
        self.pending.insert(at, commit);
        while let Some(commit) = self.pending.remove(&(self.applied + 1)) {
            self.apply(self.applied + 1, commit)?;
        }
        Ok(())
    }

    fn apply(&mut self, at: u64, commit: Commit) -> Result<()> {
        let mut changed = BTreeMap::new();
        for step in commit.steps {
            self.check_reads(at, commit.read_at, &step)?;
            if let Some(range) = step.cleared {
                let cleared: Vec<_> = self.rows(&range, at).map(|(key, _)| key.clone()).collect();
                for key in cleared {
                    self.write(at, &key, None, &mut changed);
                }
            }
            for (key, content) in step.writes {
                let key = Arc::from(key);
                self.write(at, &key, content, &mut changed);
            }
        }
        // A key that is deleted and was not there is not told as changed.
        let changed = changed
            .into_iter()
            .filter(|(_, (was_there, content))| *was_there || content.is_some())
            .map(|(key, (_, content))| (key, content));
        self.log.insert(at, changed.collect());
        self.applied = at;
        Ok(())
    }

    fn check_reads(&self, at: u64, read_at: Option<u64>, step: &Step) -> Result<()> {
        // The versions of this commit itself count: those of the steps before this one.
        let state = read_at.unwrap_or(at);
        if state < self.floor {
            return Ok(());
        }
        for (key, found) in &step.reads {
            let expected = self.get(key, state);
            ensure!(
                expected == *found,
                "the commit {at} has read {} as {found:?}, and at {state} it was {expected:?}",
                key.escape_ascii()
            );
        }
        for (range, found) in &step.ranges {
            let mut expected = Digest::default();
            for (key, content) in self.rows(range, state) {
                expected.add(key, content);
            }
            ensure!(
                expected == *found,
                "the commit {at} has read another state from {} to {} than that at {state}",
                range.start.escape_ascii(),
                range.end.escape_ascii()
            );
        }
        Ok(())
    }

    fn write(
        &mut self,
        at: u64,
        key: &Arc<[u8]>,
        content: Option<Content>,
        changed: &mut BTreeMap<Arc<[u8]>, (bool, Option<Content>)>,
    ) {
        let versions = self.keys.entry(key.clone()).or_default();
        let is_again = versions.last().is_some_and(|version| version.start == at);
        if is_again {
            versions.pop();
        }
        let was_there = versions
            .last()
            .is_some_and(|version| version.content.is_some());
        if was_there || content.is_some() {
            versions.push(Version { start: at, content });
        }
        if versions.is_empty() {
            self.keys.remove(key);
        }
        changed.insert(key.clone(), (was_there, content));
    }

    pub(crate) fn get(&self, key: &[u8], timestamp: u64) -> Option<Content> {
        at(self.keys.get(key)?, timestamp)
    }

    fn rows(
        &self,
        range: &Range<Vec<u8>>,
        timestamp: u64,
    ) -> impl Iterator<Item = (&Arc<[u8]>, Content)> {
        let bounds = (
            Bound::Included(range.start.as_slice()),
            Bound::Excluded(range.end.as_slice()),
        );
        self.keys
            .range::<[u8], _>(bounds)
            .filter_map(move |(key, versions)| Some((key, at(versions, timestamp)?)))
    }

    /// All rows at a timestamp, in key order.
    pub(crate) fn state(&self, timestamp: u64) -> Vec<(Arc<[u8]>, Content)> {
        let rows = self.keys.iter();
        rows.filter_map(|(key, versions)| Some((key.clone(), at(versions, timestamp)?)))
            .collect()
    }

    /// The first rows at a timestamp from a key on.
    pub(crate) fn rows_from(
        &self,
        first: &[u8],
        timestamp: u64,
        most: usize,
    ) -> Vec<(&[u8], Content)> {
        self.keys
            .range::<[u8], _>((Bound::Included(first), Bound::Unbounded))
            .filter_map(|(key, versions)| Some((key.as_ref(), at(versions, timestamp)?)))
            .take(most)
            .collect()
    }

    /// The keys that differ between two states, with their values in both.
    pub(crate) fn difference(
        &self,
        old: u64,
        new: u64,
    ) -> BTreeSet<(Vec<u8>, Option<Content>, Option<Content>)> {
        let both = self.keys.iter().map(|(key, versions)| {
            let (old, new) = (at(versions, old), at(versions, new));
            (key, old, new)
        });
        both.filter(|(_, old, new)| old != new)
            .map(|(key, old, new)| (key.to_vec(), old, new))
            .collect()
    }

    /// The versions of a key that are alive at some time from one timestamp to another, newest first: start, end
    /// where it is not above `last`, content.
    pub(crate) fn history(
        &self,
        key: &[u8],
        first: u64,
        last: u64,
    ) -> Vec<(u64, Option<u64>, Content)> {
        let versions = self.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        let mut found = Vec::new();
        let mut end = None;
        for version in versions.iter().rev() {
            if version.start <= last && end.is_none_or(|end| end > first) {
                found.extend(version.content.map(|content| (version.start, end, content)));
            }
            end = (version.start <= last).then_some(version.start);
        }
        found
    }

    /// What a commit changed, where it is not below the floor.
    pub(crate) fn changed(&self, at: u64) -> Option<&Changed> {
        self.log.get(&at)
    }

    /// Forgets the states below a timestamp.
    pub(crate) fn prune(&mut self, floor: u64) {
        let floor = floor.min(self.applied);
        if floor <= self.floor {
            return;
        }
        self.floor = floor;
        self.log = self.log.split_off(&(floor + 1));
        self.keys.retain(|_, versions| {
            let behind = versions.partition_point(|version| version.start <= floor);
            let base = behind.saturating_sub(1);
            let base_is_delete = versions
                .get(base)
                .is_some_and(|version| version.start <= floor && version.content.is_none());
            versions.drain(..base + usize::from(base_is_delete));
            if versions.capacity() > 16 && versions.capacity() > 4 * versions.len() {
                versions.shrink_to_fit();
            }
            !versions.is_empty()
        });
    }

    /// Forgets the commits above a timestamp; begins an epoch.
    pub(crate) fn roll_back(&mut self, target: u64) {
        self.applied = self.applied.min(target);
        self.epoch += 1;
        self.log.split_off(&(target + 1));
        self.keys.retain(|_, versions| {
            versions.truncate(versions.partition_point(|version| version.start <= target));
            !versions.is_empty()
        });
    }

    pub(crate) fn amount(&self) -> Amount {
        let mut amount = Amount::default();
        for (key, versions) in &self.keys {
            for (index, version) in versions.iter().enumerate() {
                let Some(content) = version.content else {
                    continue;
                };
                let bytes = key.len() as u64 + u64::from(content.length);
                if index + 1 == versions.len() {
                    amount.live_rows += 1;
                    amount.live_bytes += bytes;
                } else {
                    amount.history_rows += 1;
                    amount.history_bytes += bytes;
                }
            }
        }
        amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: &str, value: Option<&str>) -> Write {
        let content = value.map(|value| Content::of(value.as_bytes()));
        (key.as_bytes().to_vec(), content)
    }

    fn writes(rows: &[(&str, Option<&str>)]) -> Commit {
        Commit::of(Step {
            writes: rows.iter().map(|(key, value)| write(key, *value)).collect(),
            ..Step::default()
        })
    }

    #[test]
    fn commits_are_taken_in_by_timestamp() {
        let mut model = Model::new(0, 0);
        model.tell(2, writes(&[("a", Some("2"))])).unwrap();
        assert_eq!((model.applied(), model.missing()), (0, Some(1)));
        model.tell(1, writes(&[("a", Some("1"))])).unwrap();
        assert_eq!((model.applied(), model.missing()), (2, None));
        assert_eq!(model.get(b"a", 1), Some(Content::of(b"1")));
        assert_eq!(model.get(b"a", 2), Some(Content::of(b"2")));
        assert!(model.tell(2, writes(&[])).is_err());
    }

    #[test]
    fn a_read_that_missed_a_commit_is_noticed() {
        let stale = || Step {
            reads: vec![write("a", Some("1"))],
            ..Step::default()
        };
        let mut model = Model::new(0, 0);
        model.tell(1, writes(&[("a", Some("1"))])).unwrap();
        model.tell(2, writes(&[("a", Some("2"))])).unwrap();
        let snapshot = Commit {
            read_at: Some(1),
            ..Commit::of(stale())
        };
        model.tell(3, snapshot).unwrap();
        assert!(model.tell(4, Commit::of(stale())).is_err());
    }

    #[test]
    fn a_range_that_missed_a_commit_is_noticed() {
        let mut found = Digest::default();
        found.add(b"a", Content::of(b"1"));
        let reader = |found| {
            Commit::of(Step {
                ranges: vec![(b"a".to_vec()..b"c".to_vec(), found)],
                ..Step::default()
            })
        };
        let mut model = Model::new(0, 0);
        model.tell(1, writes(&[("a", Some("1"))])).unwrap();
        model.tell(2, reader(found)).unwrap();
        model.tell(3, writes(&[("b", Some("1"))])).unwrap();
        assert!(model.tell(4, reader(found)).is_err());
    }

    #[test]
    fn steps_of_a_block_see_each_other() {
        let mut model = Model::new(0, 0);
        let second = Step {
            reads: vec![write("a", Some("1"))],
            writes: vec![write("a", Some("2"))],
            ..Step::default()
        };
        let mut block = writes(&[("a", Some("1"))]);
        block.steps.push(second);
        model.tell(1, block).unwrap();
        assert_eq!(model.get(b"a", 1), Some(Content::of(b"2")));
        assert_eq!(model.changed(1).unwrap().len(), 1);
    }

    #[test]
    fn what_is_pruned_or_rolled_back_is_forgotten_and_nothing_else() {
        let mut model = Model::new(0, 0);
        for at in 1..=6 {
            let value = at.to_string();
            let odd = (at % 2 == 1).then_some(value.as_str());
            model
                .tell(at, writes(&[("k", Some(&value)), ("o", odd)]))
                .unwrap();
        }
        let states: Vec<_> = (0..=6).map(|at| model.state(at)).collect();
        model.prune(3);
        model.roll_back(5);
        for at in 3..=5 {
            assert_eq!(model.state(at), states[usize::try_from(at).unwrap()]);
        }
        let (four, five) = (Content::of(b"4"), Content::of(b"5"));
        assert_eq!(
            model.history(b"k", 4, 5),
            [(5, None, five), (4, Some(5), four)]
        );
        assert_eq!(model.history(b"o", 4, 5), [(5, None, five)]);
        assert_eq!(model.history(b"k", 4, 4), [(4, None, four)]);
        assert_eq!((model.epoch(), model.applied()), (1, 5));
        assert!(model.changed(3).is_none() && model.changed(6).is_none());
        assert_eq!(model.amount().live_rows, 2);
        assert_eq!(model.amount().history_rows, 3);
    }

    #[test]
    fn a_cleared_range_is_told_key_by_key() {
        let mut model = Model::new(0, 0);
        model
            .tell(1, writes(&[("a", Some("1")), ("b", Some("1"))]))
            .unwrap();
        let cleared = Step {
            cleared: Some(b"a".to_vec()..b"z".to_vec()),
            ..Step::default()
        };
        model.tell(2, Commit::of(cleared)).unwrap();
        assert!(model.state(2).is_empty());
        assert_eq!(model.changed(2).unwrap().len(), 2);
        model.tell(3, writes(&[("a", None)])).unwrap();
        assert!(model.changed(3).unwrap().is_empty());
    }
}
