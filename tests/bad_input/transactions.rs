//! Transactions over files that are locked, or that hold rows which cannot be right.

use std::path::Path;

use rocksdb::{DB, Options};
use sapwood::{Batch, CommitOptions, Isolation, ReadView, Result, Timestamp};

use crate::support::{directory, error, kind, open};

#[test]
fn a_second_engine_is_refused_while_a_transaction_is_open() {
    let directory = directory();
    let path = directory.path().join("db");
    let engine = open(&path).expect("open");
    engine.set("k", "1").expect("set");
    let mut tx = engine.begin(Isolation::Serializable).expect("begin");
    tx.set("k", "2").expect("set");
    assert_eq!(kind(open(&path)), "locked");
    drop(engine);
    assert_eq!(kind(open(&path)), "locked", "it keeps the files");
    let iter = tx.range(..);
    tx.commit().expect("it can still be committed");
    assert_eq!(kind(open(&path)), "locked", "an iterator keeps them too");
    drop(iter);
    let engine = open(&path).expect("all was let go");
    assert_eq!(engine.get("k").expect("get").as_deref(), Some(&b"2"[..]));
    let tx = engine.begin(Isolation::Snapshot).expect("begin");
    engine.close().expect("close");
    drop(engine);
    assert_eq!(kind(open(&path)), "locked", "closed, and still held");
    drop(tx);
    open(&path).expect("open");
}

/// Cuts off the row of a key in `current`, as no crash would.
fn spoil(path: &Path, key: &str) {
    let keyspaces = [
        "default", "current", "history", "deleted", "commits", "meta",
    ];
    let db = DB::open_cf(&Options::default(), path, keyspaces).expect("open below the engine");
    let current = db.cf_handle("current").expect("a keyspace");
    let encoded = sapwood::codec::key::encode(key.as_bytes());
    let row = db
        .get_cf(current, &encoded)
        .expect("get")
        .expect("it is live");
    db.put_cf(current, &encoded, &row[..5]).expect("put");
}

/// A commit over a row that cannot be read fails alone: those beside it are made, and nothing of it is
/// among them.
#[test]
fn a_commit_over_a_spoilt_row_fails_alone() {
    let directory = directory();
    let path = directory.path().join("db");
    let engine = open(&path).expect("open");
    for key in ["good", "spoilt", "zest"] {
        engine.set(key, "1").expect("set");
    }
    engine.close().expect("close");
    drop(engine);
    spoil(&path, "spoilt");
    let engine = &open(&path).expect("open");
    let before = engine.visible().get();
    // Keys before the spoilt one and behind it.
    let over = |number: usize| -> Result<Timestamp> {
        let (early, late) = (format!("early/{number}"), format!("zero/{number}"));
        if number.is_multiple_of(2) {
            let mut batch = Batch::new();
            batch
                .set(&early, "")
                .delete("good")
                .set("spoilt", "2")
                .set(&late, "");
            return Ok(engine.commit(batch, CommitOptions::default())?.timestamp);
        }
        let mut tx = engine.begin(Isolation::Snapshot)?;
        tx.set(&early, "")?;
        tx.delete("spoilt")?;
        tx.set(&late, "")?;
        Ok(tx.commit()?.timestamp)
    };
    let beside = |number: usize| engine.set(format!("beside/{number}"), "");
    let mut timestamps: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    let mut timestamps = Vec::new();
                    for number in (0..200).map(|number| number * 4 + thread) {
                        let refused = error(over(number));
                        assert_eq!(refused.kind().name(), "corrupt");
                        assert!(refused.to_string().contains("spoilt"), "{refused}");
                        timestamps.push(beside(number).expect("set").get());
                    }
                    timestamps
                })
            })
            .collect();
        let timestamps = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        timestamps
            .flat_map(|of_one| of_one.expect("a thread"))
            .collect()
    });
    timestamps.sort_unstable();
    let wanted: Vec<_> = (before + 1..=before + 800).collect();
    assert_eq!(timestamps, wanted, "what failed took no timestamp");
    assert_eq!(engine.visible().get(), before + 800);
    assert_eq!(engine.scan("beside/").count(), 800);
    assert_eq!(
        engine.scan("early/").count() + engine.scan("zero/").count(),
        0
    );
    assert_eq!(engine.history("good", ..).expect("history").count(), 1);
    for timestamp in wanted {
        let at = Timestamp::new;
        let diff = engine.diff(at(timestamp - 1), at(timestamp)).expect("diff");
        let keys: Vec<_> = diff.map(|change| change.expect("a change").key).collect();
        assert!(
            keys.len() == 1 && keys[0].starts_with(b"beside/"),
            "{keys:?}"
        );
    }
    // Whoever reads the row is told so, and may go on with what is whole.
    let mut tx = engine.begin(Isolation::Serializable).expect("begin");
    assert_eq!(kind(tx.get("spoilt")), "corrupt");
    assert_eq!(kind(tx.multi_get(&["good", "spoilt"])), "corrupt");
    assert_eq!(kind(tx.scan("sp").next().expect("an error")), "corrupt");
    tx.set("good", "2").expect("set");
    tx.commit().expect("it relies on nothing that is spoilt");
}
