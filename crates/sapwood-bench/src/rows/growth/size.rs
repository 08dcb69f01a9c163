//! More data than cache: the same store twice, once with a cache that holds all of it, once with one for a tenth of the
//! newest rows and a tenth of the old ones. What the small one misses comes from the system's memory, and is
//! unpacked again: the disk has no part in this.

use anyhow::{Context, Result};

use super::show;
use crate::{
    data::Data,
    harness::{Bench, Figure, Measured, RowSpec},
    rows::{
        VALUE_BYTES,
        world::{Operation, When, World, config},
    },
    stores::Ours,
};

const PEER: &str = "itself in cache";
const GET: RowSpec = RowSpec::growth("P18.size.get", "latest get, data 10 times the cache", PEER);
const RECENT: RowSpec = RowSpec::growth("P18.size.recent", "get at a recent timestamp", PEER);
const OLD: RowSpec = RowSpec::growth("P18.size.old", "get at an old timestamp", PEER);
const COMMIT: RowSpec = RowSpec::growth("P18.size.commit", "commit of one key", PEER);
pub(in crate::rows) const ROWS: [RowSpec; 4] = [GET, RECENT, OLD, COMMIT];

const TIMES: usize = 10;
const VERSIONS: u32 = 2;
/// A key and a value, without what is stored beside them.
const ROW_BYTES: usize = 32 + VALUE_BYTES;

pub(in crate::rows) fn size(bench: &Bench) -> Result<Vec<Measured>> {
    let cache = if bench.size.is_quick {
        4 << 20
    } else {
        16 << 20
    };
    let keys = u32::try_from(TIMES * cache / ROW_BYTES)?;
    let large = World::load(bench, "size", keys, VERSIONS)?;
    let path = bench.fresh("size-small")?;
    large.ours.storage.create_checkpoint(&path)?;
    let mut small = config();
    small.block_cache_size = cache;
    let small = World::over(
        Ours::open(&path, &small).context("the copy with a small cache")?,
        Data::new(keys, VALUE_BYTES),
        VERSIONS,
    );
    let swept = |operation: Operation| {
        bench.say(operation.name());
        let points = [&large, &small]
            .into_iter()
            .map(|world| operation.on(world));
        operation.sweep(bench, points.collect())
    };
    let get = swept(Operation::Get)?;
    let recent = swept(Operation::GetAt(When::Recent))?;
    let old = swept(Operation::GetAt(When::Old))?;
    let commit = swept(Operation::Commit)?;
    let is_right = large.is_right()? && small.is_right()?;
    show(
        bench,
        "size",
        "data over cache",
        &format!("P18.size: {keys} keys, a cache of {} MiB", cache >> 20),
        &["in cache".to_owned(), "10 times".to_owned()],
        &[
            ("latest get", &get),
            ("recent get", &recent),
            ("old get", &old),
            ("commit", &commit),
        ],
    )?;
    Ok(vec![
        (Figure::new(GET, &get.growth(), is_right), Vec::new()),
        (Figure::new(RECENT, &recent.growth(), is_right), Vec::new()),
        (Figure::new(OLD, &old.growth(), is_right), Vec::new()),
        (Figure::new(COMMIT, &commit.growth(), is_right), Vec::new()),
    ])
}
