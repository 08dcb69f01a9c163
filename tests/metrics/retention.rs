//! Scenarios of what is kept, for whom, and for nobody.

use std::time::Duration;

use sapwood::{FeedOptions, PinOptions, RetentionPolicy, Timestamp};

use super::{Scenario, World};

pub(crate) const HOLDS: Scenario = Scenario {
    moves: &[
        "sapwood_open_snapshots",
        "sapwood_oldest_snapshot_age_seconds",
        "sapwood_oldest_snapshot_lag",
        "sapwood_feeds",
        "sapwood_oldest_feed_lag",
        "sapwood_pins",
    ],
    run: |world| {
        world.set(b"key", b"1");
        let _snapshot = world.engine.snapshot().expect("a snapshot");
        let position = world.engine.position().expect("a position");
        let feed = world
            .engine
            .create_feed("feed", position, FeedOptions::default());
        feed.expect("a feed");
        let pin = world
            .engine
            .pin("pin", Timestamp::new(1), PinOptions::default());
        pin.expect("a pin");
        world.set(b"key", b"2");
        world.look();
    },
};

/// A key with so many ended versions, and one more.
fn versions(world: &World, key: &str, ended: u32) {
    (0..=ended).for_each(|number| world.set(key, format!("{number}")));
}

pub(crate) const PRUNING: Scenario = Scenario {
    moves: &[
        "sapwood_prunes_total",
        "sapwood_rows_pruned_total{keyspace=history|deleted|commits}",
        "sapwood_versions{depth=1|2|3-4|5-8|9-16|17-32|33-64|65+}",
        "sapwood_floor_timestamp",
        "sapwood_retention_wanted_timestamp",
        "sapwood_retention_history_bytes",
        "sapwood_retention_debt_bytes",
        "sapwood_retention_below_floor_bytes",
        "sapwood_retention_pinned_bytes",
    ],
    run: |world| {
        versions(world, "pinned", 2);
        let pin = world
            .engine
            .pin("pin", Timestamp::new(1), PinOptions::default());
        pin.expect("a pin");
        world.set(b"deleted", b"1");
        world.engine.delete(b"deleted").expect("a commit");
        versions(world, "deep", 100);
        world
            .engine
            .prune_before(Timestamp::new(10))
            .expect("pruned");
        world.look();
        assert_eq!(depths(world), [2, 1, 2, 4, 8, 16, 32, 32]);
        world.engine.unpin("pin").expect("unpinned");
        world.look();
        // What is known to be deleted is needed for as long as a pin may ask.
        world
            .engine
            .prune_before(Timestamp::new(11))
            .expect("pruned");
        // `status` walks over all of it as well.
        versions(world, "another", 1);
        versions(world, "third", 1);
        world.engine.status().expect("counted");
        assert_eq!(depths(world)[0], 3);
    },
};

/// Ended versions by depth.
fn depths(world: &World) -> Vec<u64> {
    let samples = world.engine.samples().expect("samples").into_iter();
    let depths = samples.filter(|sample| sample.metric.name == "sapwood_versions");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small counts"
    )]
    depths.map(|sample| sample.value.as_f64() as u64).collect()
}

pub(crate) const DEBT: Scenario = Scenario {
    moves: &[
        "sapwood_writers_wait",
        "sapwood_commit_wait_seconds{cause=retention_debt}",
    ],
    run: |world| {
        world.set(b"key", b"0");
        let snapshot = world.engine.snapshot().expect("a snapshot");
        versions(world, "key", 50);
        world.engine.flush().expect("flushed");
        let policy = RetentionPolicy::default()
            .commits(1)
            .debt_limit_bytes(100)
            .debt_wait(Duration::ZERO);
        world.engine.set_retention(policy).expect("set");
        // The versions are merged by the prune that is tried.
        world
            .engine
            .apply_retention()
            .expect("applied, as far as the snapshot allows");
        let refused = world.engine.set(b"key", b"late").expect_err("refused");
        assert_eq!(refused.kind().name(), "retention_debt");
        world.look();
        drop(snapshot);
    },
};
