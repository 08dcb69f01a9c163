//! The load of the rows of transactions, and the check that nothing of it was lost.
//!
//! [`KEYS`] counters; each transaction reads two different ones, drawn uniformly, adds one to each
//! and writes both back. A round is the same transactions for both sides, cut into equal parts, one
//! for each thread; a transaction that meets another is tried again at once, until it commits. So
//! what a round has done is its number of commits, and what every counter must be at the end is
//! known whatever the order was.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Result;

use crate::{
    convert::{count, length},
    data::{Data, Writes},
    harness::{Bench, Sample, on_threads},
    rows::VALUE_BYTES,
    stores::{Counters, Pair, Part},
    zipf,
};

/// Counters of a store.
const KEYS: u32 = 100_000;

/// What is done, and by how many threads.
pub(super) struct Load {
    data: Data,
    threads: usize,
    /// Transactions of a round.
    pub(super) transactions: u64,
}

impl Load {
    /// A load whose rounds have as many transactions as the threads can share evenly.
    pub(super) fn new(threads: usize, transactions: u64) -> Self {
        let each = transactions.div_ceil(count(threads));
        Self {
            data: Data::new(KEYS, VALUE_BYTES),
            threads,
            transactions: each * count(threads),
        }
    }

    /// Every counter at 0.
    pub(super) fn start(&self) -> Writes {
        let mut rows = self.data.writes(0..KEYS, 0);
        for (_, value) in &mut rows {
            set(value, 0);
        }
        rows
    }

    /// Keys and values, as the stores take them.
    pub(super) fn rows<'a>(
        &'a self,
        writes: &'a Writes,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.data.rows(writes)
    }

    /// Commits the transactions of a round, and adds to `conflicts` how many tries failed.
    pub(super) fn round(
        &self,
        store: &impl Counters,
        round: u32,
        conflicts: &AtomicU64,
    ) -> Result<Sample> {
        let parts = self.parts(round);
        let (sample, failed) = on_threads(&parts, |part| store.increment(part))?;
        conflicts.fetch_add(failed.iter().sum(), Ordering::Relaxed);
        Ok(Sample {
            done: self.transactions,
            ..sample
        })
    }

    /// Whether every counter is what all rounds have made of it, and the rest of its row as it was.
    pub(super) fn holds(&self, bench: &Bench, store: &impl Counters) -> Result<bool> {
        let mut expected = vec![0; self.data.keys.len()];
        for round in 0..bench.size.rounds {
            for id in self.draws(round).into_iter().flatten() {
                if let Some(counter) = expected.get_mut(id as usize) {
                    *counter += 1;
                }
            }
        }
        let commits = self.transactions * u64::from(bench.size.rounds);
        let mut sum = 0;
        for ((id, key), counter) in (0..).zip(&self.data.keys).zip(expected) {
            let mut value = self.data.value(id, 0);
            set(&mut value, counter);
            if store.value(key)? != Some(value) {
                return Ok(false);
            }
            sum += counter;
        }
        Ok(sum == 2 * commits)
    }

    /// What the threads do in a round.
    fn parts(&self, round: u32) -> Vec<Part> {
        let pairs: Vec<Pair> = self
            .draws(round)
            .into_iter()
            .filter_map(|ids| Some([self.key(ids[0])?, self.key(ids[1])?]))
            .collect();
        let each = pairs.len().div_ceil(self.threads).max(1);
        pairs.chunks(each).map(Arc::from).collect()
    }

    fn key(&self, id: u32) -> Option<crate::data::Key> {
        self.data.keys.get(id as usize).copied()
    }

    /// The ids of a round: two different ones for each transaction.
    fn draws(&self, round: u32) -> Vec<[u32; 2]> {
        let ids = zipf::uniform(
            KEYS,
            length(self.transactions * 2),
            1_000 + u64::from(round),
        );
        ids.as_chunks()
            .0
            .iter()
            .map(|[a, b]| [*a, if a == b { (b + 1) % KEYS } else { *b }])
            .collect()
    }
}

fn set(value: &mut [u8], counter: u64) {
    if let Some(front) = value.first_chunk_mut() {
        *front = counter.to_le_bytes();
    }
}
