//! Draws of ids: all alike, or by Zipf's law.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::convert::float;

/// `count` ids below `keys`, each as likely as the others.
pub(crate) fn uniform(keys: u32, count: usize, seed: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(0..keys)).collect()
}

/// `count` ids below `keys`, where id `i` is drawn as `1 / (i + 1)^theta`. Keys are hashed, so the
/// frequent ones lie anywhere among the others.
pub(crate) fn zipf(keys: u32, theta: f64, count: usize, seed: u64) -> Vec<u32> {
    let mut sum = 0.0;
    let cumulated: Vec<f64> = (0..keys)
        .map(|id| {
            sum += (float(u64::from(id)) + 1.0).powf(-theta);
            sum
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = |_| {
        let at = rng.random_range(0.0..sum);
        let id = cumulated.partition_point(|up_to| *up_to <= at);
        u32::try_from(id).map_or(0, |id| id.min(keys - 1))
    };
    (0..count).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_prefers_the_first() {
        let ids = zipf(1_000, 0.99, 100_000, 1);
        let share = |id| ids.iter().filter(|drawn| **drawn == id).count();
        // 1 / H(1000, 0.99) = 0.13 for the first, half of it for the second.
        assert!((11_000..15_000).contains(&share(0)), "{}", share(0));
        assert!((5_000..8_000).contains(&share(1)), "{}", share(1));
    }
}
