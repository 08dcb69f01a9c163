//! Which lives a test goes through: those of `SEED` or `SEEDS`, else as many as it says.

use std::{env, ops::Range};

pub(crate) fn seeds(default: u64) -> Range<u64> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(default),
    }
}

/// Names the seed where the test fails.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SEED={} fails", self.0);
        }
    }
}
