//! Hand-made histories: a bad one for each class, which finds that class and no other, and good
//! ones that come close.

#![expect(
    clippy::many_single_char_names,
    reason = "keys and transactions have the short names of the literature"
)]

use std::collections::BTreeSet;

use crate::{
    anomaly::Class,
    checker::{assert_clean, check, classes},
    history::{
        Event, History, Id,
        Level::{Serializable, Snapshot},
        Outcome,
        Version::{Missing, Written},
    },
};

/// Whether exactly one class is found.
#[track_caller]
fn assert_finds(history: &History, class: Class) {
    let stories: Vec<_> = check(history).iter().map(ToString::to_string).collect();
    assert_eq!(
        classes(history),
        BTreeSet::from([class]),
        "{}",
        stories.join("\n")
    );
}

/// A history at a level, with some transactions begun.
fn begin<const N: usize>(level: crate::history::Level) -> (History, [Id; N]) {
    let mut history = History::default();
    let ids = [(); N].map(|()| history.begin(level));
    (history, ids)
}

#[test]
fn g0_write_cycle() {
    let (mut h, [a, b]) = begin(Snapshot);
    let (ax, bx) = (h.set(a, "x"), h.set(b, "x"));
    let (by, ay) = (h.set(b, "y"), h.set(a, "y"));
    h.commit(a);
    h.commit(b);
    assert_clean(&h, "each key in the order of the commits");
    h.order("x", &[ax, bx]);
    h.order("y", &[by, ay]);
    assert_finds(&h, Class::G0);
}

#[test]
fn g1a_aborted_read() {
    let (mut h, [a, b]) = begin(Snapshot);
    let x = h.set(a, "x");
    h.read(b, "x", x);
    h.commit(b);
    assert_finds(&h, Class::G1a);
    h.commit(a);
    assert_clean(&h, "the same, but it was committed");
}

#[test]
fn g1b_intermediate_read() {
    let (mut h, [a, b]) = begin(Snapshot);
    let first = h.set(a, "x");
    h.read(b, "x", first);
    h.set(a, "x");
    h.commit(a);
    h.commit(b);
    assert_finds(&h, Class::G1b);
}

#[test]
fn g1b_read_of_a_write_that_was_taken_back() {
    let (mut h, [a, b]) = begin(Snapshot);
    h.event(a, Event::Savepoint);
    let taken_back = h.set(a, "x");
    h.event(a, Event::RollbackTo(0));
    h.set(a, "y");
    h.commit(a);
    h.read(b, "x", taken_back);
    h.commit(b);
    assert_finds(&h, Class::G1b);
}

#[test]
fn g1c_circular_information_flow() {
    let (mut h, [a, b]) = begin(Snapshot);
    let (x, y) = (h.set(a, "x"), h.set(b, "y"));
    h.read(a, "y", y);
    h.read(b, "x", x);
    h.commit(a);
    h.commit(b);
    assert_finds(&h, Class::G1c);
}

#[test]
fn g1c_a_write_over_what_read_it() {
    let (mut h, [a, b]) = begin(Snapshot);
    let (ax, bx, y) = (h.set(a, "x"), h.set(b, "x"), h.set(b, "y"));
    h.read(a, "y", y);
    h.commit(a);
    h.commit(b);
    h.order("x", &[ax, bx]);
    assert_finds(&h, Class::G1c);
    h.order("x", &[bx, ax]);
    assert_clean(&h, "the other way round");
}

#[test]
fn g_single_read_skew() {
    for level in [Snapshot, Serializable] {
        let (mut h, [first, a, b]) = begin(level);
        let (x, y) = (h.set(first, "x"), h.set(first, "y"));
        h.commit(first);
        h.read(a, "x", x);
        h.set(b, "x");
        let newer = h.set(b, "y");
        h.commit(b);
        let mut good = h.clone();
        h.read(a, "y", newer);
        h.commit(a);
        assert_finds(&h, Class::GSingle);
        good.read(a, "y", y);
        good.commit(a);
        assert_clean(&good, "both from before");
    }
}

#[test]
fn g_single_fuzzy_read() {
    let (mut h, [a, b]) = begin(Snapshot);
    h.read(a, "x", Missing);
    let x = h.set(b, "x");
    h.commit(b);
    h.read(a, "x", x);
    h.commit(a);
    assert_finds(&h, Class::GSingle);
}

#[test]
fn g_single_of_a_scan() {
    let (mut h, [a, b]) = begin(Snapshot);
    h.scan(a, .., &[]);
    let (x, _) = (h.set(b, "x"), h.set(b, "y"));
    h.commit(b);
    h.read(a, "x", x);
    h.commit(a);
    assert_finds(&h, Class::GSingle);
}

#[test]
fn g_single_torn_scan() {
    let (mut h, [a, b]) = begin(Snapshot);
    let (x, _) = (h.set(a, "x"), h.set(a, "y"));
    h.commit(a);
    h.scan(b, .., &[("x", x)]);
    h.commit(b);
    assert_finds(&h, Class::GSingle);
}

#[test]
fn p4_lost_update() {
    let (mut h, [a, b]) = begin(Snapshot);
    h.read(a, "x", Missing);
    h.read(b, "x", Missing);
    h.set(a, "x");
    h.set(b, "x");
    h.commit(a);
    h.commit(b);
    assert_finds(&h, Class::LostUpdate);
}

#[test]
fn p4_lost_update_after_a_scan() {
    let (mut h, [a, b, c]) = begin(Serializable);
    h.scan(c, .., &[]);
    for id in [a, b, c] {
        h.set(id, "x");
        h.commit(id);
    }
    assert_finds(&h, Class::LostUpdate);
}

#[test]
fn long_fork() {
    for level in [Snapshot, Serializable] {
        let (mut h, [a, b, c, d]) = begin(level);
        let (x, y) = (h.set(a, "x"), h.set(b, "y"));
        h.read(c, "x", x);
        h.read(c, "y", Missing);
        h.read(d, "x", Missing);
        h.read(d, "y", y);
        [a, b, c, d].iter().for_each(|id| h.commit(*id));
        assert_finds(&h, Class::LongFork);
    }
}

/// Both read both, each writes one.
fn write_skew(level: crate::history::Level) -> History {
    let (mut h, [first, a, b]) = begin(level);
    let (x, y) = (h.set(first, "x"), h.set(first, "y"));
    h.commit(first);
    for id in [a, b] {
        h.read(id, "x", x);
        h.read(id, "y", y);
    }
    h.set(a, "x");
    h.set(b, "y");
    h.commit(a);
    h.commit(b);
    h
}

#[test]
fn g2_item_write_skew() {
    assert_finds(&write_skew(Serializable), Class::G2Item);
    assert_clean(&write_skew(Snapshot), "snapshots allow it");
    // Of two that meet, one is promised more; the other kept the promise for it.
    let mut mixed = write_skew(Serializable);
    mixed.transactions[1].level = Snapshot;
    assert_clean(&mixed, "the serializable one comes first");
}

/// The read-only anomaly of Fekete, O'Neil and O'Neil: without the reader it is serial.
#[test]
fn g2_item_a_reader_between_two_writers() {
    for level in [Snapshot, Serializable] {
        let (mut h, [writer, reader, other]) = begin(level);
        h.read(writer, "x", Missing);
        h.read(writer, "y", Missing);
        let y = h.set(other, "y");
        h.commit(other);
        h.set(writer, "x");
        h.commit(writer);
        assert_clean(&h, "the writer, then the other");
        h.read(reader, "x", Missing);
        h.read(reader, "y", y);
        h.commit(reader);
        match level {
            Snapshot => assert_clean(&h, "snapshots allow it"),
            Serializable => assert_finds(&h, Class::G2Item),
        }
    }
}

#[test]
fn g2_item_of_reads_that_are_not_checked() {
    let mut h = write_skew(Serializable);
    for event in &mut h.transactions[1].events {
        if let Event::Read { tracked, .. } = event {
            *tracked = false;
        }
    }
    assert_clean(&h, "one of the two asked not to be checked");
}

#[test]
fn g2_phantom() {
    for level in [Snapshot, Serializable] {
        let (mut h, [a, b]) = begin(level);
        h.scan(a, .., &[]);
        h.scan(b, .., &[]);
        h.set(a, "x");
        h.set(b, "y");
        h.commit(a);
        h.commit(b);
        match level {
            Snapshot => assert_clean(&h, "snapshots allow it"),
            Serializable => assert_finds(&h, Class::G2),
        }
    }
}

#[test]
fn g2_ends_where_the_scan_did() {
    let (mut h, [a, b]) = begin(Serializable);
    h.scan(a, .."m".to_owned(), &[]);
    h.scan(b, "m".to_owned().., &[]);
    h.set(a, "b");
    h.set(b, "z");
    h.commit(a);
    h.commit(b);
    assert_clean(&h, "each wrote where the other did not look");
}

#[test]
fn g2_of_a_key_that_was_deleted() {
    let (mut h, [first, second, a, b]) = begin(Serializable);
    h.set(first, "x");
    h.commit(first);
    let gone = h.delete(second, "x");
    h.commit(second);
    h.scan(a, .., &[("x", gone)]);
    h.set(a, "y");
    h.read(b, "y", Missing);
    h.set(b, "x");
    h.commit(a);
    h.commit(b);
    // a must come before b, which wrote where it had looked; b before a, whose y it did not see.
    assert_finds(&h, Class::G2);
}

#[test]
fn thin_air() {
    let (mut h, [a, b]) = begin(Snapshot);
    h.set(a, "x");
    h.commit(a);
    h.read(b, "y", Written(a, 0));
    assert_finds(&h, Class::ThinAir);
    let (mut h, [a]) = begin(Snapshot);
    h.read(a, "x", Written(Id(7), 0));
    h.commit(a);
    assert_finds(&h, Class::ThinAir);
}

#[test]
fn internal_own_writes_are_seen() {
    type Wrong = fn(&mut History, Id);
    let wrong: [Wrong; 6] = [
        |h, id| {
            h.set(id, "x");
            h.read(id, "x", Missing);
        },
        |h, id| {
            let first = h.set(id, "x");
            h.set(id, "x");
            h.read(id, "x", first);
        },
        |h, id| {
            let first = h.set(id, "x");
            h.delete(id, "x");
            h.scan(id, .., &[("x", first)]);
        },
        |h, id| {
            h.set(id, "x");
            h.scan(id, .., &[]);
        },
        |h, id| {
            h.event(id, Event::Savepoint);
            let taken_back = h.set(id, "x");
            h.event(id, Event::RollbackTo(0));
            h.read(id, "x", taken_back);
        },
        |h, id| {
            h.set(id, "x");
            h.event(id, Event::Savepoint);
            h.delete(id, "x");
            h.event(id, Event::RollbackTo(0));
            h.read(id, "x", Missing);
        },
    ];
    for wrong in wrong {
        let (mut h, [a]) = begin(Snapshot);
        wrong(&mut h, a);
        assert_finds(&h, Class::Internal);
    }
    let (mut h, [a]) = begin(Snapshot);
    let x = h.set(a, "x");
    h.event(a, Event::Savepoint);
    let gone = h.delete(a, "x");
    h.read(a, "x", Missing);
    h.read(a, "x", gone);
    h.event(a, Event::RollbackTo(0));
    h.scan(a, .., &[("x", x)]);
    h.commit(a);
    assert_clean(&h, "its own writes, as they were");
}

#[test]
fn not_of_the_snapshot() {
    let (mut h, [a, b]) = begin(Snapshot);
    let x = h.set(a, "x");
    h.commit_at(a, 0, 1);
    h.read(b, "x", x);
    h.transactions[b.0].snapshot = Some(0);
    assert_finds(&h, Class::NotOfSnapshot);
    h.transactions[b.0].snapshot = Some(1);
    assert_clean(&h, "the snapshot after");
}

#[test]
fn not_of_the_commit() {
    let (mut h, [a, b]) = begin(Serializable);
    h.set(a, "x");
    h.commit_at(a, 0, 1);
    h.read(b, "x", Missing);
    h.set(b, "y");
    h.commit_at(b, 0, 2);
    assert_finds(&h, Class::NotOfCommit);
    h.transactions[b.0].level = Snapshot;
    assert_clean(&h, "a snapshot holds what was");
    // One that wrote nothing is ordered at its snapshot.
    let (mut h, [a, b]) = begin(Serializable);
    h.set(a, "x");
    h.commit_at(a, 0, 1);
    h.read(b, "x", Missing);
    h.commit_at(b, 0, 0);
    assert_clean(&h, "a reader in the past");
}

#[test]
fn the_first_committer_lost() {
    let (mut h, [a, b]) = begin(Snapshot);
    h.set(a, "x");
    h.set(b, "x");
    h.commit_at(a, 0, 1);
    h.commit_at(b, 0, 2);
    assert_finds(&h, Class::FirstCommitterLost);
    h.transactions[b.0].snapshot = None;
    assert_clean(&h, "a direct commit never loses");
    h.transactions[b.0].snapshot = Some(1);
    assert_clean(&h, "they did not overlap");
}

#[test]
fn versions_follow_in_the_order_of_timestamps() {
    let (mut h, [a, b]) = begin(Snapshot);
    let (one, two) = (h.set(a, "x"), h.set(b, "x"));
    h.commit_at(a, 0, 1);
    h.commit_at(b, 1, 2);
    assert_clean(&h, "one after the other");
    for id in [a, b] {
        h.transactions[id.0].snapshot = None;
    }
    h.order("x", &[two, one]);
    assert_finds(&h, Class::TimestampOrder);
}

#[test]
fn a_timestamp_is_given_once() {
    let (mut h, [a, b]) = begin(Snapshot);
    h.set(a, "x");
    h.set(b, "y");
    h.commit_at(a, 0, 1);
    h.commit_at(b, 0, 1);
    assert_finds(&h, Class::TimestampOrder);
}

#[test]
fn real_time() {
    let (mut h, [a, b, c]) = begin(Serializable);
    h.set(a, "x");
    h.commit_at(a, 0, 1);
    h.read(b, "x", Missing);
    h.commit_at(b, 0, 0);
    h.set(c, "y");
    h.commit_at(c, 1, 2);
    h.transactions[a.0].span = Some((1, 2));
    h.transactions[b.0].span = Some((3, 4));
    assert_finds(&h, Class::RealTime);
    h.transactions[b.0].span = Some((0, 4));
    assert_clean(&h, "it had begun before");
    // A direct commit is ordered after those that ended before.
    h.transactions[c.0] = crate::history::Transaction {
        snapshot: None,
        span: Some((3, 5)),
        ..h.transactions[c.0].clone()
    };
    assert_clean(&h, "in order");
    h.transactions[a.0].outcome = Outcome::Committed(Some(7));
    assert_finds(&h, Class::RealTime);
}

#[test]
fn a_serial_history_is_clean() {
    let (mut h, [a, b, c, d]) = begin(Serializable);
    let (x, y) = (h.set(a, "x"), h.set(a, "y"));
    h.commit_at(a, 0, 1);
    h.scan(b, .., &[("x", x), ("y", y)]);
    let gone = h.delete(b, "x");
    h.scan(b, .., &[("y", y)]);
    h.commit_at(b, 1, 2);
    h.read(c, "x", Missing);
    let again = h.set(c, "x");
    h.commit_at(c, 2, 3);
    h.scan(d, .., &[("x", again), ("y", y)]);
    h.commit_at(d, 3, 3);
    assert_clean(&h, "serial");
    let Event::Read { saw, .. } = &mut h.transactions[c.0].events[0] else {
        panic!("a read")
    };
    *saw = gone;
    assert_clean(&h, "the delete that was seen, by its name");
}

#[test]
fn a_cycle_is_printed() {
    let found = check(&write_skew(Serializable));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "G2Item: a cycle of 2\n  \
           T1 -rw-> T2: T1 read y[1] (T0.1), which y[2] (T2.0) follows\n  \
           T2 -rw-> T1: T2 read x[1] (T0.0), which x[2] (T1.0) follows\n  \
           T1 is Serializable\n  \
           T2 is Serializable"
    );
}
