//! Which random blocks a test takes: those of `SEED` or `SEEDS`, else as many as it says.

use std::{env, ops::Range};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The seeds of a test.
pub(crate) fn seeds(default: u64) -> Range<u64> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(default),
    }
}

/// The random choices of a seed, each purpose its own.
pub(crate) fn random(seed: u64, purpose: &str) -> ChaCha8Rng {
    let mixed = purpose.bytes().fold(seed, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    ChaCha8Rng::seed_from_u64(mixed)
}

/// Names the seed and what is made of it where the test fails.
pub(crate) struct Seed(pub(crate) u64, pub(crate) &'static str);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SEED={} fails: {}", self.0, self.1);
        }
    }
}
