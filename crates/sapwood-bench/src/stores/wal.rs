//! What RocksDB itself counts about its log, as it tells it in its text of statistics. These counts
//! are always on. It keeps them with the column family called "default", and tells zeros for the
//! others.

use anyhow::{Context, Result};

/// The property whose text has the counts.
pub(super) const PROPERTY: &str = "rocksdb.dbstats";

/// Counts since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Batches written to the log: commits.
    pub(crate) writes: Count,
    /// Times that the log was synced for the sake of a commit.
    pub(crate) syncs: Count,
}

/// A count as RocksDB rounds it: down, to whole thousands from ten thousand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) at_least: u64,
    pub(crate) at_most: u64,
}

impl Count {
    /// What was counted since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            at_least: self.at_least.saturating_sub(earlier.at_most),
            at_most: self.at_most.saturating_sub(earlier.at_least),
        }
    }

    fn add(&mut self, other: Self) {
        self.at_least += other.at_least;
        self.at_most += other.at_most;
    }
}

/// The counts from the property's text, or of several: of each column family one.
pub(super) fn counts(text: Option<String>) -> Result<Counts> {
    let text = text.context("RocksDB does not know its own statistics")?;
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("Cumulative WAL: "));
    let mut sum = None;
    for line in lines {
        let mut words = line.split_whitespace();
        let mut count = |name: &str| {
            let number = words.next().and_then(parse);
            let named = words.next().is_some_and(|word| word.starts_with(name));
            number
                .filter(|_| named)
                .with_context(|| format!("RocksDB's statistics do not count {name}: {line}"))
        };
        let sum = sum.get_or_insert_with(Counts::default);
        sum.writes.add(count("writes")?);
        sum.syncs.add(count("syncs")?);
    }
    sum.context("RocksDB's statistics do not name the log")
}

fn parse(number: &str) -> Option<Count> {
    let digits = number.trim_end_matches(['K', 'M', 'G']);
    let step = match number.strip_prefix(digits)? {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        _ => 1_000_000_000,
    };
    let at_least = digits.parse::<u64>().ok()? * step;
    Some(Count {
        at_least,
        at_most: at_least + step - 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_rocksdb_writes_them() {
        let text = "Uptime(secs): 1.0 total\n\
            Cumulative WAL: 12K writes, 1563 syncs, 7.99 writes per sync, written: 0.01 GB\n\
            Cumulative WAL: 0 writes, 0 syncs, 0.00 writes per sync, written: 0.00 GB\n";
        let counts = counts(Some(text.to_owned())).unwrap();
        assert_eq!(
            counts.writes.at_least..=counts.writes.at_most,
            12_000..=12_999
        );
        assert_eq!(counts.syncs.at_least..=counts.syncs.at_most, 1_563..=1_563);
    }

    #[test]
    fn another_text_is_an_error() {
        for text in [
            "",
            "Cumulative WAL: 3 syncs, 4 writes",
            "Cumulative WAL: many writes",
        ] {
            assert!(counts(Some(text.to_owned())).is_err(), "{text}");
        }
    }
}
