//! Lives of chains: one in the order in which chains mostly live, and random ones.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{Keep, Mode};

use crate::{
    chain::{Chain, KEPT, config},
    ledger::Txn,
    place::{InMemory, Place},
    seeds::{Seed, seeds},
};

const MODES: [Mode; 3] = [Mode::Serial, Mode::Parallel, Mode::Verify];

fn txns(random: &mut ChaCha8Rng, most: usize) -> Vec<Txn> {
    let count = random.random_range(0..=most);
    (0..count).map(|_| Txn::random(random)).collect()
}

/// Runs a life on each storage and in each mode: the blocks of all are the same.
fn everywhere(seed: u64, live: impl Fn(&dyn Place, Mode) -> Vec<[u8; 32]>) {
    let _named = Seed(seed);
    let mut lives = Vec::new();
    for (number, mode) in MODES.into_iter().enumerate() {
        lives.push((live(&InMemory::new(number), mode), "in memory", mode));
        #[cfg(feature = "rocksdb-storage")]
        {
            let place = crate::place::OnDisk::new(number);
            lives.push((live(&place, mode), "on disk", mode));
        }
    }
    let (first, others) = lives.split_first().unwrap();
    for (digests, place, mode) in others {
        assert_eq!(digests, &first.0, "{place}, {mode:?}");
    }
}

#[test]
fn blocks_restart_pruning_rollback_other_blocks_restart() {
    for seed in seeds(1) {
        everywhere(seed, |place, mode| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut chain = Chain::new(place, config(mode, Keep::Last(KEPT)));
            for _ in 0..10 {
                chain.blocks(vec![(1, txns(&mut random, 60))]);
            }
            chain.check();
            chain = chain.restart();
            chain.check();
            let ten = (0..10).map(|_| (1, txns(&mut random, 60))).collect();
            chain.blocks(ten);
            chain.prune();
            assert_eq!(chain.runtime.engine().floor().get(), 20 - KEPT + 1);
            chain.check();
            chain.roll_back(13);
            chain.check();
            for _ in 0..4 {
                chain.blocks(vec![(1, txns(&mut random, 60))]);
            }
            chain.check();
            chain = chain.restart();
            chain.check();
            chain.blocks(vec![(1, txns(&mut random, 60)), (1, txns(&mut random, 60))]);
            chain.check();
            chain.digests
        });
    }
}

#[test]
fn any_life_is_that_of_the_reference() {
    for seed in seeds(2) {
        everywhere(seed, |place, mode| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let keep = if random.random_ratio(1, 4) {
                Keep::All
            } else {
                Keep::Last(KEPT)
            };
            let mut chain = Chain::new(place, config(mode, keep));
            for _ in 0..40 {
                match random.random_range(0..12) {
                    0..4 => {
                        let step = random.random_range(1..4);
                        chain.blocks(vec![(step, txns(&mut random, 40))]);
                    }
                    4..7 => {
                        let count = random.random_range(2..5);
                        let mut next = || (random.random_range(1..3), txns(&mut random, 20));
                        let blocks = (0..count).map(|_| next()).collect();
                        chain.blocks(blocks);
                    }
                    7..10 => {
                        // As far as is kept for certain: when blocks prune may differ.
                        let height = chain.reference.height;
                        let lowest = chain.floor.max(height.saturating_sub(8)).min(height);
                        chain.roll_back(random.random_range(lowest..=height));
                    }
                    10 => chain.prune(),
                    _ => chain = chain.restart(),
                }
                chain.check();
            }
            chain = chain.restart();
            chain.check();
            chain.digests
        });
    }
}
