//! Which random histories a test takes.

use std::{env, ops::Range};

/// Names the seed at hand where its test fails.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SEED={} fails", self.0);
        }
    }
}

/// Those of `SEED` or `SEEDS`, else as many as said.
pub(crate) fn seeds(default: u64) -> Range<u64> {
    let number = |name| env::var(name).ok()?.parse().ok();
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(default),
    }
}
