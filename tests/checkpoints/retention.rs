//! The retention policy goes with every copy, and is not kept to in one that is opened to read.

use std::time::Duration;

use sapwood::{Backups, RetentionPolicy, Timestamp};

use crate::support::World;

#[test]
fn a_copy_keeps_the_policy_of_its_time() {
    let world = World::new();
    let engine = world.open("db");
    for commit in 1..=20 {
        engine.set(b"key", commit.to_string()).expect("set");
    }
    let policy = RetentionPolicy::keep_all()
        .commits(5)
        .age(Duration::from_secs(1 << 30));
    engine.set_retention(policy).expect("a policy");
    engine
        .create_checkpoint(world.path("copy"))
        .expect("a checkpoint");
    let backups = Backups::open(world.path("backups"));
    let backup = backups.create(&engine).expect("a backup");
    engine
        .set_retention(RetentionPolicy::keep_all())
        .expect("a policy");

    let read = world.open_read_only("copy");
    assert_eq!(read.retention(), policy);
    let floor = read.floor();
    let status = read.retention_status().expect("status");
    assert_eq!((status.floor, status.wanted), (floor, Timestamp::new(16)));
    let refused = [
        read.apply_retention().map(|_| ()),
        read.set_retention(RetentionPolicy::keep_all()),
    ];
    for refused in refused {
        assert_eq!(refused.expect_err("read only").kind().name(), "read_only");
    }
    assert_eq!(read.floor(), floor);
    drop(read);

    let restored = world.restore("copy", "restored");
    assert_eq!(restored.retention(), policy);
    let report = restored.apply_retention().expect("apply");
    assert_eq!(report.floor, Timestamp::new(16));
    let restored = backups
        .restore(backup.id, world.path("from backup"))
        .expect("a database");
    assert_eq!(restored.retention(), policy);
    assert_eq!(engine.retention(), RetentionPolicy::keep_all());
}
