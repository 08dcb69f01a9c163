//! Commits whose write fails, and what a group is made of.

use super::{group::Requires, *};
use crate::{
    backend::fault::{Fault, FaultBackend},
    config::{Durability, TimestampSource},
    storage::store::StoreOptions,
    sync::Arc,
    timestamp::Timestamp,
};

fn store(fault: &Arc<Fault>) -> Arc<Store> {
    let options = StoreOptions {
        durability: Durability::Buffered,
        timestamps: TimestampSource::Engine,
        max_snapshot_age: None,
        conflict_log_size: 1 << 20,
        recent_versions_size: 1 << 20,
    };
    Store::new(Box::new(FaultBackend::new(fault)), options)
}

fn request(writes: &[(&'static str, Option<&'static str>)]) -> Request {
    let writes = writes
        .iter()
        .map(|(key, value)| (Value::from(*key), value.map(Value::from)));
    Request {
        writes: writes.collect(),
        live: None,
        requires: Requires::Nothing,
        options: CommitOptions::default(),
        asked: None,
    }
}

fn names(outcomes: &[Result<CommitInfo>]) -> Vec<String> {
    let name = |outcome: &Result<CommitInfo>| match outcome {
        Ok(info) => info.timestamp.to_string(),
        Err(error) => error.kind().name().to_owned(),
    };
    outcomes.iter().map(name).collect()
}

#[test]
fn inv_41_a_failed_write_fails_its_group_and_all_that_come_after() {
    for takes_effect in [false, true] {
        let fault = Fault::new(takes_effect);
        let store = store(&fault);
        let set = |key, value| request(&[(key, Some(value))]);
        assert_eq!(names(&store.commit_group(vec![set("a", "1")])), ["1"]);
        fault.arm(1);
        let group = vec![set("a", "2"), set("b", "2"), request(&[("c", None)])];
        assert_eq!(names(&store.commit_group(group)), ["io"; 3]);
        assert_eq!(names(&store.commit_group(vec![set("a", "3")])), ["io"]);

        // Reads go on, at what was acknowledged.
        assert_eq!(store.clock.visible(), Timestamp::new(1));
        assert_eq!(store.get_latest(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(store.get_latest(b"b").unwrap(), None);
        let kept = store.conflicts.kept();
        assert_eq!((kept.keys, kept.bytes, kept.transactions), (0, 0, 0));
    }
}

#[test]
fn a_bad_commit_of_a_group_fails_alone() {
    let store = store(&Fault::new(false));
    let mut back_in_time = request(&[("b", Some("2"))]);
    back_in_time.options = CommitOptions::default().at(Timestamp::ZERO);
    let mut wrong_value = request(&[("a", Some("3"))]);
    let expected = Expected(Some(Value::from_static(b"0")));
    wrong_value.requires = Requires::Value(expected);
    let mut right_value = request(&[("a", Some("4"))]);
    right_value.requires = Requires::Value(Expected(Some(Value::from_static(b"1"))));
    let group = vec![
        request(&[("a", Some("1"))]),
        back_in_time,
        wrong_value,
        right_value,
    ];
    assert_eq!(
        names(&store.commit_group(group)),
        ["1", "invalid", "conflict", "2"]
    );
    assert_eq!(store.get_latest(b"a").unwrap().as_deref(), Some(&b"4"[..]));
    assert_eq!(store.get_latest(b"b").unwrap(), None);
}

#[test]
fn each_commit_of_a_group_is_a_version_of_its_own() {
    let store = store(&Fault::new(false));
    let group = vec![
        request(&[("a", Some("1")), ("b", Some("1"))]),
        request(&[("a", None)]),
        request(&[("a", None), ("b", Some("3"))]),
        request(&[("a", Some("4"))]),
    ];
    assert_eq!(names(&store.commit_group(group)), ["1", "2", "3", "4"]);
    let state = |at| {
        let rows = store.range_at(KeyRange::all(), Timestamp::new(at));
        let row = |row: Result<_>| {
            let (key, value): (Value, Value) = row.unwrap();
            format!("{}={}", key.escape_ascii(), value.escape_ascii())
        };
        rows.map(row).collect::<Vec<_>>()
    };
    assert_eq!(state(1), ["a=1", "b=1"]);
    assert_eq!(state(2), ["b=1"]);
    assert_eq!(state(3), ["b=3"]);
    assert_eq!(state(4), ["a=4", "b=3"]);
    let versions = store.history(b"a", &(..)).unwrap();
    let versions: Vec<_> = versions
        .map(|version| version.map(|v| (v.start.get(), v.end.map(Timestamp::get))))
        .collect::<Result<_>>()
        .unwrap();
    assert_eq!(versions, [(4, None), (1, Some(2))]);
}

#[test]
fn transactions_of_a_group_are_checked_against_each_other() {
    let store = store(&Fault::new(false));
    let transaction = |points: &[&'static str], ranges: &[KeyRange], write| {
        let mut request = request(&[(write, Some("x"))]);
        let open = store.conflicts.open(&store.clock);
        let points = points.iter().map(|key| Value::from(*key)).collect();
        let reliance = Reliance::new(open, points, ranges.to_vec());
        request.requires = Requires::Unchanged(reliance);
        request
    };
    let range = KeyRange::prefix(b"r");
    let group = vec![
        transaction(&[], &[], "a"),
        transaction(&[], &[], "a"),
        transaction(&["a"], &[], "b"),
        transaction(&["b"], &[], "r1"),
        transaction(&[], &[range], "c"),
        transaction(&["c"], &[], "d"),
    ];
    assert_eq!(
        names(&store.commit_group(group)),
        ["1", "conflict", "conflict", "2", "conflict", "3"]
    );
    assert_eq!(store.conflicts.kept().transactions, 0);
}
