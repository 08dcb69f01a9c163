//! Checkpoints by a policy.

use std::{fs, time::Duration};

use sapwood::{CheckpointPolicy, Checkpoints, Engine, Timestamp};

use crate::support::{World, refused};

fn found(checkpoints: &Checkpoints) -> Vec<(u64, u64)> {
    let all = checkpoints.list().expect("a list");
    let all = all.iter();
    all.map(|one| (one.epoch, one.timestamp.get())).collect()
}

fn commit(engine: &Engine, commits: usize, checkpoints: &mut Checkpoints) {
    for _ in 0..commits {
        engine.set(b"a", b"b").expect("a commit");
        checkpoints.poll().expect("a poll");
    }
}

#[test]
fn the_newest_are_kept_by_timestamp_not_by_name() {
    let world = World::new();
    let engine = world.open("db");
    let directory = world.path("checkpoints");
    let policy = CheckpointPolicy::keep(3).every_commits(4);
    let open = || Checkpoints::new(&engine, &directory, policy).expect("checkpoints");
    let mut checkpoints = open();
    commit(&engine, 14, &mut checkpoints);
    // 9 and 13: by their names the last would go first.
    assert_eq!(found(&checkpoints), [(0, 5), (0, 9), (0, 13)]);
    // What is none of them is left alone.
    fs::create_dir(directory.join("0-0")).expect("a directory");
    fs::write(directory.join("file"), "mine").expect("a file");
    // It goes on where it was.
    let mut checkpoints = open();
    assert_eq!(checkpoints.poll().expect("a poll"), None);
    commit(&engine, 2, &mut checkpoints);
    assert_eq!(found(&checkpoints), [(0, 5), (0, 9), (0, 13)]);
    commit(&engine, 1, &mut checkpoints);
    assert_eq!(found(&checkpoints), [(0, 9), (0, 13), (0, 17)]);
    // A rollback below the last makes one due; those of the new epoch are newer.
    engine.rollback_to(Timestamp::new(15)).expect("a rollback");
    let taken = checkpoints.poll().expect("a poll").expect("a checkpoint");
    assert_eq!((taken.epoch, taken.timestamp), (1, Timestamp::new(15)));
    assert_eq!(found(&checkpoints), [(0, 13), (0, 17), (1, 15)]);
    commit(&engine, 4, &mut checkpoints);
    assert_eq!(found(&checkpoints), [(0, 17), (1, 15), (1, 19)]);
    assert!(directory.join("0-0").exists() && directory.join("file").exists());
    for one in checkpoints.list().expect("a list") {
        let copy = Engine::open_read_only(&one.path).expect("a checkpoint");
        assert_eq!(copy.visible(), one.timestamp);
    }
}

#[test]
fn by_time_one_is_due_only_where_something_was_committed() {
    let world = World::new();
    let engine = world.open("db");
    let policy = |time| CheckpointPolicy::keep(9).every(time);
    let directory = world.path("checkpoints");
    let mut often = Checkpoints::new(&engine, &directory, policy(Duration::ZERO)).expect("some");
    assert!(often.poll().expect("a poll").is_some());
    assert!(often.poll().expect("a poll").is_none());
    commit(&engine, 2, &mut often);
    assert_eq!(found(&often), [(0, 0), (0, 1), (0, 2)]);
    let hours = Duration::from_secs(9_999);
    let mut seldom = Checkpoints::new(&engine, &directory, policy(hours)).expect("some");
    commit(&engine, 2, &mut seldom);
    assert_eq!(found(&seldom), [(0, 0), (0, 1), (0, 2)]);
}

#[test]
fn a_policy_that_cannot_be_is_refused() {
    let world = World::new();
    let engine = world.open("db");
    for policy in [
        CheckpointPolicy::keep(0),
        CheckpointPolicy::keep(1).every_commits(0),
    ] {
        let refused = refused(Checkpoints::new(&engine, world.path("checkpoints"), policy));
        assert_eq!(refused.0, "invalid");
    }
    let policy = CheckpointPolicy::keep(1);
    let mut memory =
        Checkpoints::new(&Engine::in_memory(), world.path("checkpoints"), policy).expect("some");
    assert_eq!(refused(memory.poll()).0, "invalid");
}
