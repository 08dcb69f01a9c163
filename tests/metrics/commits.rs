//! Scenarios of commits and their conflicts.

use sapwood::{
    Batch, CommitOptions, Durability, Engine, ErrorKind, Isolation, ReadView, Timestamp,
    Transaction,
};

use super::Scenario;

pub(crate) const COMMITS: Scenario = Scenario {
    moves: &[
        "sapwood_commits_total",
        "sapwood_commit_groups_total{durability=buffered|sync}",
        "sapwood_writes_total",
        "sapwood_commit_seconds{stage=queue|check|write|sync|publish|whole}",
        "sapwood_visible_timestamp",
        "sapwood_recent_versions",
        "sapwood_recent_bytes",
    ],
    run: |world| {
        world.set(b"a", b"1");
        let mut batch = Batch::new();
        batch.set(b"b", b"1").delete(b"a");
        let synced = CommitOptions::default().durability(Durability::Sync);
        world.engine.commit(batch, synced).expect("a commit");
        let samples = world.engine.samples().expect("samples");
        let of = |name: &str| {
            let sample = samples.iter().find(|sample| sample.metric.name == name);
            sample.expect("a sample").value.as_f64()
        };
        let seen = [
            "commits_total",
            "writes_total",
            "visible_timestamp",
            "recent_versions",
        ];
        let seen = seen.map(|name| of(&format!("sapwood_{name}")));
        assert_eq!(seen.map(|value| value.to_string()), ["2", "3", "2", "3"]);
    },
};

pub(crate) const CONFLICTS: Scenario = Scenario {
    moves: &[
        "sapwood_conflicts_total{kind=write|read|range|value|too_old|rolled_back}",
        "sapwood_open_transactions",
        "sapwood_conflict_keys",
        "sapwood_conflict_bytes",
    ],
    run: |world| {
        // What is on record is bounded by nothing: the oldest go with each commit.
        world.reopened_with(|config| config.conflict_log_size = 1 << 10);
        let engine = world.engine.clone();
        lose(&engine, "conflict", |tx| tx.set(b"key", b"mine"));
        lose(&engine, "conflict", |tx| tx.get(b"key").map(|_| ()));
        lose(&engine, "conflict", |tx| {
            let range = b"a".to_vec()..b"z".to_vec();
            tx.range(range).try_for_each(|row| row.map(|_| ()))
        });
        engine
            .compare_and_set(b"key", Some(b"nobody's"), None)
            .expect_err("another value");

        let mut open = engine
            .begin(Isolation::Serializable)
            .expect("a transaction");
        open.set(b"mine", b"1").expect("a write");
        world.set(b"other", b"1");
        // While it is open, keys are kept for it.
        world.look();
        for _ in 0..100 {
            world.set(b"other", [0; 100]);
        }
        assert_eq!(open.commit().expect_err("too old").kind().name(), "too_old");

        let mut open = engine
            .begin(Isolation::Serializable)
            .expect("a transaction");
        open.set(b"mine", b"1").expect("a write");
        engine.rollback_to(Timestamp::new(1)).expect("rolled back");
        let error = open.commit().expect_err("rolled back");
        assert!(matches!(error.kind(), ErrorKind::TooOld), "{error}");
    },
};

/// A transaction does something with the key `key`, which then is committed by another.
fn lose(
    engine: &Engine,
    expected: &str,
    does: impl FnOnce(&mut Transaction) -> sapwood::Result<()>,
) {
    engine.set(b"key", b"1").expect("a commit");
    let mut tx = engine
        .begin(Isolation::Serializable)
        .expect("a transaction");
    does(&mut tx).expect("done");
    tx.set(b"elsewhere", b"1").expect("a write");
    engine.set(b"key", b"2").expect("a commit");
    assert_eq!(tx.commit().expect_err("it lost").kind().name(), expected);
}

pub(crate) const WAITS: Scenario = Scenario {
    moves: &["sapwood_commit_wait_seconds{cause=merge}"],
    run: |world| {
        world.reopened_with(|config| config.recent_versions_size = 0);
        (0..4).for_each(|_| world.set(b"key", b"value"));
    },
};
