//! [`Entries`]: what the directories hold, what of that the disk has, and what may be left after a power cut.
//!
//! An entry is on the disk when its directory was waited for, and only then: waiting for the file does not do (on ext4
//! it mostly would; POSIX does not promise it). What nobody waited for is there or not, each step for itself or up to
//! some step; a renaming is one step, between two directories too.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
};

use fastrand::Rng;

/// The root directory.
pub(crate) const ROOT: u64 = 1;

/// Names and nodes of each directory.
pub(crate) type Tree = BTreeMap<u64, BTreeMap<OsString, u64>>;

/// A name in a directory.
pub(crate) type Place = (u64, OsString);

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(Place, u64),
    Take(Place, u64),
    Move { from: Place, to: Place, node: u64 },
}

/// The entries of all directories.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    now: Tree,
    disk: Tree,
    /// In order.
    pending: Vec<Step>,
}

impl Entries {
    /// An empty root.
    pub(crate) fn new() -> Self {
        let tree = Tree::from([(ROOT, BTreeMap::new())]);
        Self {
            now: tree.clone(),
            disk: tree,
            pending: Vec::new(),
        }
    }

    /// Makes an empty directory, which has no name yet.
    pub(crate) fn add_directory(&mut self, node: u64) {
        self.now.insert(node, BTreeMap::new());
        self.disk.insert(node, BTreeMap::new());
    }

    /// The entries of a directory. `None` where it is none.
    pub(crate) fn of(&self, directory: u64) -> Option<&BTreeMap<OsString, u64>> {
        self.now.get(&directory)
    }

    pub(crate) fn get(&self, directory: u64, name: &OsStr) -> Option<u64> {
        self.of(directory)?.get(name).copied()
    }

    pub(crate) fn take_step(&mut self, step: Step) {
        step.apply(&mut self.now);
        self.pending.push(step);
    }

    /// The disk gets the entries of a directory, and what renamings between it and others need.
    pub(crate) fn sync(&mut self, directory: u64) {
        let mut needed = BTreeSet::from([directory]);
        let mut is_needed: Vec<_> = (self.pending.iter().rev())
            .map(|step| {
                let touched = step.directories();
                let is_needed = touched.iter().any(|one| needed.contains(one));
                if is_needed {
                    needed.extend(touched);
                }
                is_needed
            })
            .collect();
        let disk = &mut self.disk;
        self.pending.retain(|step| {
            let goes = is_needed.pop().unwrap_or(false);
            if goes {
                step.apply(disk);
            }
            !goes
        });
    }

    /// What the disk may hold after a power cut.
    pub(crate) fn left(&self, random: &mut Rng) -> Tree {
        let mut tree = self.disk.clone();
        let count = self.pending.len();
        let (share, end) = match random.u32(..5) {
            0 => (0.0, 0),
            1 => (0.0, count),
            2 => (0.0, random.usize(..=count)),
            _ => (random.f64(), 0),
        };
        for (index, step) in self.pending.iter().enumerate() {
            if index < end || random.f64() < share {
                step.apply(&mut tree);
            }
        }
        tree
    }

    /// Every node that has a name now, or may have one after a power cut.
    pub(crate) fn named(&self) -> BTreeSet<u64> {
        let entries = self.now.values().chain(self.disk.values());
        let named = entries.flat_map(BTreeMap::values).copied();
        named.chain(self.pending.iter().map(Step::node)).collect()
    }

    /// How many names a node has.
    pub(crate) fn count(&self, node: u64) -> usize {
        let entries = self.now.values().flat_map(BTreeMap::values);
        entries.filter(|named| **named == node).count()
    }

    /// Whether a node has a name that holds this.
    pub(crate) fn is_named(&self, node: u64, part: &str) -> bool {
        let mut entries = self.now.values().flatten();
        entries.any(|(name, named)| *named == node && name.to_string_lossy().contains(part))
    }

    /// Forgets directories that have no name and never will.
    pub(crate) fn forget(&mut self, node: u64) {
        self.now.remove(&node);
        self.disk.remove(&node);
    }
}

impl Step {
    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Put((directory, name), node) => {
                (tree.entry(*directory).or_default()).insert(name.clone(), *node);
            }
            Self::Take(place, node) => remove(tree, place, *node),
            Self::Move { from, to, node } => {
                remove(tree, from, *node);
                let (directory, name) = to;
                (tree.entry(*directory).or_default()).insert(name.clone(), *node);
            }
        }
    }

    fn node(&self) -> u64 {
        match self {
            Self::Put(_, node) | Self::Take(_, node) | Self::Move { node, .. } => *node,
        }
    }

    fn directories(&self) -> Vec<u64> {
        match self {
            Self::Put((directory, _), _) | Self::Take((directory, _), _) => vec![*directory],
            Self::Move { from, to, .. } => vec![from.0, to.0],
        }
    }
}

/// Removes an entry, where it is still the same.
fn remove(tree: &mut Tree, (directory, name): &Place, node: u64) {
    if let Some(entries) = tree.get_mut(directory)
        && entries.get(name) == Some(&node)
    {
        entries.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(directory: u64, name: &str) -> Place {
        (directory, name.into())
    }

    /// Everything that may be left of the root.
    fn all(entries: &Entries) -> BTreeSet<Vec<(String, u64)>> {
        let mut random = Rng::with_seed(1);
        let left = (0..1000).map(|_| {
            let tree = entries.left(&mut random);
            let root = tree[&ROOT].iter();
            root.map(|(name, node)| (name.to_string_lossy().into_owned(), *node))
                .collect()
        });
        left.collect()
    }

    fn names(names: &[(&str, u64)]) -> Vec<(String, u64)> {
        let names = names.iter().map(|(name, node)| ((*name).to_owned(), *node));
        names.collect()
    }

    #[test]
    fn an_entry_is_there_once_its_directory_was_waited_for() {
        let mut entries = Entries::new();
        entries.take_step(Step::Put(place(ROOT, "a"), 2));
        assert_eq!(
            all(&entries),
            BTreeSet::from([names(&[]), names(&[("a", 2)])])
        );
        entries.sync(ROOT);
        assert_eq!(all(&entries), BTreeSet::from([names(&[("a", 2)])]));
    }

    #[test]
    fn a_renaming_is_there_wholly_or_not_at_all() {
        let mut entries = Entries::new();
        entries.take_step(Step::Put(place(ROOT, "CURRENT"), 2));
        entries.take_step(Step::Put(place(ROOT, "temporary"), 3));
        entries.sync(ROOT);
        entries.take_step(Step::Move {
            from: place(ROOT, "temporary"),
            to: place(ROOT, "CURRENT"),
            node: 3,
        });
        let expected = [
            names(&[("CURRENT", 2), ("temporary", 3)]),
            names(&[("CURRENT", 3)]),
        ];
        assert_eq!(all(&entries), expected.into());
    }

    #[test]
    fn a_renaming_between_directories_takes_along_what_came_before_it() {
        let mut entries = Entries::new();
        entries.add_directory(9);
        entries.take_step(Step::Put(place(ROOT, "to"), 2));
        entries.take_step(Step::Put(place(9, "from"), 3));
        entries.take_step(Step::Move {
            from: place(9, "from"),
            to: place(ROOT, "to"),
            node: 3,
        });
        entries.take_step(Step::Put(place(ROOT, "later"), 4));
        entries.sync(9);
        let expected = [names(&[("to", 3)]), names(&[("later", 4), ("to", 3)])];
        assert_eq!(all(&entries), expected.into());
    }
}
