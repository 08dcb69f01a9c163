//! More keys in a transaction, which reads and then sets each of them, serializable, and in a batch, which sets them. The
//! cost is for each key.

use anyhow::Result;
use sapwood::{Isolation, ReadView};

use super::show;
use crate::{
    dataset::VERSIONS,
    harness::{Bench, Clock, Figure, Measured, Point, RowSpec, Swept, Work, sweep},
    rows::world::{COMMITS, World},
};

const PEER: &str = "a key of one with 1";
const TRANSACTION: RowSpec = RowSpec::growth(
    "P18.txn_size.transaction",
    "a key of a transaction of 1,000, read and set",
    PEER,
);
const BATCH: RowSpec =
    RowSpec::growth("P18.txn_size.batch", "a key of a batch of 1,000, set", PEER);
pub(in crate::rows) const ROWS: [RowSpec; 2] = [TRANSACTION, BATCH];

const SIZES: [u32; 4] = [1, 10, 100, 1_000];
/// A prime: whoever goes through the keys in such steps meets all before any comes again.
const STEP: u32 = 7_919;

pub(in crate::rows) fn txn_size(bench: &Bench) -> Result<Vec<Measured>> {
    let world = World::load(bench, "txn-size", World::keys(bench), VERSIONS)?;
    let swept = |row: RowSpec, point: fn(&World, u32) -> Point<'_>| {
        bench.say(row.id);
        let points = SIZES.map(|size| point(&world, size));
        sweep(bench, Work::Fixed(COMMITS), points.into())
    };
    let transaction = swept(TRANSACTION, in_transactions)?;
    let batch = swept(BATCH, in_batches)?;
    let is_right = world.is_right()?;
    let lines: [(&str, &Swept); 2] = [("in transactions", &transaction), ("in batches", &batch)];
    show(
        bench,
        "txn-size",
        "keys",
        "P18.txn_size: what each key of a transaction and of a batch costs",
        &SIZES.map(|size| size.to_string()),
        &lines,
    )?;
    Ok(vec![
        (
            Figure::new(TRANSACTION, &transaction.growth(), is_right),
            Vec::new(),
        ),
        (Figure::new(BATCH, &batch.growth(), is_right), Vec::new()),
    ])
}

/// So many different keys, others in each round.
fn ids(world: &World, keys: u64, round: u32) -> impl Iterator<Item = u32> {
    let all = u64::from(world.data.len());
    let first = u64::from(round) * keys;
    (first..first + keys.min(all))
        .filter_map(move |number| u32::try_from(number * u64::from(STEP) % all).ok())
}

fn in_transactions(world: &World, size: u32) -> Point<'_> {
    Box::new(move |keys, round| {
        let writes = world.next(ids(world, keys, round));
        Clock::Process.time(|| {
            let mut wrong = 0;
            for writes in writes.chunks(size as usize) {
                let mut transaction = world.ours.engine.begin(Isolation::Serializable)?;
                for (key, value) in world.data.rows(writes) {
                    wrong += u64::from(transaction.get(key)?.is_none());
                    transaction.set(key, value)?;
                }
                transaction.commit()?;
            }
            Ok((keys, wrong))
        })
    })
}

fn in_batches(world: &World, size: u32) -> Point<'_> {
    Box::new(move |keys, round| {
        let writes = world.next(ids(world, keys, round));
        Clock::Process.time(|| {
            for writes in writes.chunks(size as usize) {
                world.ours.write(world.data.rows(writes))?;
            }
            Ok((keys, 0))
        })
    })
}
