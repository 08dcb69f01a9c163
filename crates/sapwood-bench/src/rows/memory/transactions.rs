//! The child that measures open transactions.

use std::{fmt, path::Path};

use anyhow::Result;
use sapwood::{Engine, Isolation, ReadView, RocksDBConfig, Transaction};
use serde::{Deserialize, Serialize};

use super::{growth, resident::Resident};
use crate::{
    convert::float,
    data::Data,
    rows::{VALUE_BYTES, reading::is_stamped, writing::expected},
    stores::Ours,
};

/// How many are open when it is measured.
const OPEN: [u32; 3] = [1, 1_000, 10_000];
const MEASURED: u32 = 10_000;
/// With those beside which it is measured.
const MOST_OPEN: u32 = MEASURED + 200;
const READS: u32 = 8;
const WRITES: u32 = 2;
/// Keys that are read and not written.
const READ_KEYS: u32 = 20_000;

/// Bytes of the process with so many open transactions.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    before: u64,
    after: [u64; OPEN.len()],
    pub(super) is_right: bool,
}

impl Taken {
    /// Bytes of each of the open transactions at one of the points.
    pub(super) fn each(&self, point: usize) -> f64 {
        let after = self.after.get(point).copied().unwrap_or_default();
        let open = OPEN.get(point).copied().unwrap_or(1);
        growth(after, self.before) / float(open.into())
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, few, many] = self.after;
        let slope = growth(many, few) / float((OPEN[2] - OPEN[1]).into());
        write!(
            f,
            "{:.0} B for one, in whole pages; {:.0} B for each of 1,000, {:.0} B for each of 10,000; slope {slope:.0} B",
            self.each(0),
            self.each(1),
            self.each(2),
        )
    }
}

fn data() -> Data {
    Data::new(READ_KEYS + MOST_OPEN * WRITES, VALUE_BYTES)
}

/// Makes the store. Not in the child: what loading has freed would serve the first transactions.
pub(super) fn load(path: &Path) -> Result<()> {
    let data = data();
    let ours = Ours::open(path, &RocksDBConfig::default())?;
    ours.load(data.rows(&data.writes(0..data.len(), 0)))?;
    ours.engine.close()?;
    Ok(())
}

pub(super) fn measure(path: &str) -> Result<Taken> {
    let data = data();
    let ours = Ours::open(Path::new(path), &RocksDBConfig::default())?;
    // What is there once, however many transactions are open.
    ours.scan()?;
    let beside: Result<Vec<_>> = (MEASURED..MOST_OPEN)
        .map(|own| begin(&ours.engine, &data, own))
        .collect();
    let mut open = Vec::with_capacity(MOST_OPEN as usize);
    open.extend(beside?.into_iter().zip(MEASURED..));
    let before = Resident::now()?.all;
    let mut after = [0; OPEN.len()];
    let mut own = 0;
    for (target, after) in OPEN.into_iter().zip(&mut after) {
        while own < target {
            open.push((begin(&ours.engine, &data, own)?, own));
            own += 1;
        }
        *after = Resident::now()?.all;
    }
    let mut is_right = ours.engine.stats().open_transactions == open.len();
    for (transaction, own) in open {
        for id in written(own) {
            is_right &= is_stamped(transaction.get(data.key(id))?.as_deref(), id, 1);
        }
        is_right &= transaction.commit()?.writes == WRITES as usize;
    }
    let versions: Vec<_> = (0..data.len())
        .map(|id| u32::from(id >= READ_KEYS))
        .collect();
    is_right &= ours.scan()? == expected(&versions);
    Ok(Taken {
        before,
        after,
        is_right,
    })
}

/// The keys that a transaction writes and no other does.
fn written(own: u32) -> std::ops::Range<u32> {
    let first = READ_KEYS + own * WRITES;
    first..first + WRITES
}

fn begin(engine: &Engine, data: &Data, own: u32) -> Result<Transaction> {
    let mut transaction = engine.begin(Isolation::Serializable)?;
    for read in 0..READS {
        // A prime, so that they lie everywhere.
        let id = (own * READS + read) * 7_919 % READ_KEYS;
        anyhow::ensure!(
            is_stamped(transaction.get(data.key(id))?.as_deref(), id, 0),
            "a transaction read what was not written"
        );
    }
    for id in written(own) {
        transaction.set(data.key(id), data.value(id, 1))?;
    }
    Ok(transaction)
}
