//! [`Workload`]: the operations of the rounds, and what each of them must see.
//!
//! Operations are made before the clock runs, on a model of the store: which version each key has. They
//! are drawn with a seed for each round, so that all engines and all runs have the same.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    data::{Data, Key, stamp},
    rows::VALUE_BYTES,
    stores::Seen,
    zipf,
};

const THETA: f64 = 0.99;
/// Rows of a scan, at most.
const MOST_ROWS: usize = 100;

/// Of a hundred operations, how many are what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    pub(super) reads: u32,
    pub(super) updates: u32,
    pub(super) inserts: u32,
    pub(super) scans: u32,
    pub(super) modifications: u32,
    /// Whether the keys that came last are those that are drawn the most often.
    pub(super) latest: bool,
}

impl Mix {
    pub(super) const NOTHING: Self = Self {
        reads: 0,
        updates: 0,
        inserts: 0,
        scans: 0,
        modifications: 0,
        latest: false,
    };

    /// So many operations, mixed in these shares.
    fn kinds(&self, operations: u32, rng: &mut ChaCha8Rng) -> Vec<Kind> {
        let shares = [
            (Kind::Update, self.updates),
            (Kind::Insert, self.inserts),
            (Kind::Scan, self.scans),
            (Kind::Modify, self.modifications),
        ];
        let mut kinds = Vec::new();
        for (kind, share) in shares {
            let number = share_of(operations, share) as usize;
            kinds.extend(std::iter::repeat_n(kind, number));
        }
        // What is left are reads, or scans where there are no reads.
        let rest = if self.reads > 0 {
            Kind::Read
        } else {
            Kind::Scan
        };
        kinds.resize(operations as usize, rest);
        kinds.shuffle(rng);
        kinds
    }
}

fn share_of(operations: u32, percent: u32) -> u32 {
    operations / 100 * percent + operations % 100 * percent / 100
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Read,
    Update,
    Insert,
    Scan,
    Modify,
}

/// An operation on a key, or from a key on.
pub(super) struct Operation {
    pub(super) key: Key,
    pub(super) action: Action,
}

pub(super) enum Action {
    Read { sees: u64 },
    Write { value: Vec<u8> },
    Modify { sees: u64, value: Vec<u8> },
    Scan { rows: usize, sees: Seen },
}

/// The model of the store, and what is done to it.
pub(super) struct Workload {
    mix: Mix,
    operations: u32,
    data: Data,
    /// The keys that the store begins with.
    keys: u32,
    /// The version of each key that is there; the next one that is inserted is the next of the data.
    versions: Vec<u32>,
    /// The same keys in order.
    order: BTreeMap<Key, u32>,
}

impl Workload {
    /// The store as it is before the first of so many rounds.
    pub(super) fn new(mix: Mix, keys: u32, operations: u32, rounds: u32) -> Self {
        let inserted = share_of(operations, mix.inserts) * rounds;
        let data = Data::new(keys + inserted, VALUE_BYTES);
        let first = data.keys.iter().copied().zip(0..keys);
        Self {
            mix,
            operations,
            keys,
            versions: vec![0; keys as usize],
            order: first.collect(),
            data,
        }
    }

    /// The rows that the store holds now, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Key, Vec<u8>)> {
        self.order
            .iter()
            .map(|(key, id)| (key, self.data.value(*id, self.version(*id))))
    }

    /// The operations of the next round.
    pub(super) fn round(&mut self, round: u32) -> Vec<Operation> {
        let seed = 2_000 + u64::from(round);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kinds = self.mix.kinds(self.operations, &mut rng);
        let ranks = zipf::zipf(self.keys, THETA, kinds.len(), seed);
        kinds
            .into_iter()
            .zip(ranks)
            .map(|(kind, rank)| self.operation(kind, rank, &mut rng))
            .collect()
    }

    fn operation(&mut self, kind: Kind, rank: u32, rng: &mut ChaCha8Rng) -> Operation {
        let live = u32::try_from(self.versions.len()).unwrap_or(u32::MAX);
        let drawn = if self.mix.latest {
            live - 1 - rank
        } else {
            rank
        };
        let id = if matches!(kind, Kind::Insert) {
            live
        } else {
            drawn
        };
        let key = self.data.keys.get(id as usize).copied().unwrap_or_default();
        let sees = stamp(id, self.version(id));
        let action = match kind {
            Kind::Read => Action::Read { sees },
            Kind::Update => Action::Write {
                value: self.next_value(id),
            },
            Kind::Insert => {
                self.versions.push(0);
                self.order.insert(key, id);
                Action::Write {
                    value: self.data.value(id, 0),
                }
            }
            Kind::Modify => Action::Modify {
                sees,
                value: self.next_value(id),
            },
            Kind::Scan => {
                let rows = rng.random_range(1..=MOST_ROWS);
                let mut sees = Seen::default();
                for (_, id) in self.order.range(key..).take(rows) {
                    sees.rows += 1;
                    sees.stamps = sees.stamps.wrapping_add(stamp(*id, self.version(*id)));
                }
                Action::Scan { rows, sees }
            }
        };
        Operation { key, action }
    }

    fn version(&self, id: u32) -> u32 {
        self.versions.get(id as usize).copied().unwrap_or_default()
    }

    /// Gives a key its next version.
    fn next_value(&mut self, id: u32) -> Vec<u8> {
        if let Some(version) = self.versions.get_mut(id as usize) {
            *version += 1;
        }
        self.data.value(id, self.version(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_exactly_its_shares() {
        let mix = Mix {
            scans: 95,
            inserts: 5,
            ..Mix::NOTHING
        };
        let mut workload = Workload::new(mix, 100, 2_000, 1);
        let operations = workload.round(0);
        let scans = operations
            .iter()
            .filter(|operation| matches!(operation.action, Action::Scan { .. }));
        assert_eq!((operations.len(), scans.count()), (2_000, 1_900));
        assert_eq!(workload.rows().count(), 200);
    }

    #[test]
    fn of_the_latest_the_last_is_drawn_the_most_often() {
        let mix = Mix {
            reads: 100,
            latest: true,
            ..Mix::NOTHING
        };
        let mut workload = Workload::new(mix, 1_000, 10_000, 1);
        let last = *workload.data.keys.last().unwrap();
        let operations = workload.round(0);
        let of_last = operations.iter().filter(|operation| operation.key == last);
        // 1 / H(1000, 0.99) = 0.13 of them.
        assert!((1_100..1_500).contains(&of_last.count()));
    }
}
