//! What comes right between two steps of a feed: a prune that lets go of it, another thread that wants its lock.

use super::{
    holds::{Hold, Holder},
    *,
};
use crate::{
    Batch, CommitOptions,
    backend::{
        fault::{Fault, FaultBackend},
        memory::MemoryBackend,
    },
    storage::store::{Store, StoreOptions},
    sync::{Arc, Ordering, thread},
};

fn at(number: u64) -> Timestamp {
    Timestamp::new(number)
}

fn first(number: u64) -> Position {
    Position::new(at(number), 0)
}

/// A store of so many commits, whose backend may fail or let something come between.
fn store(commits: u64) -> (Arc<Store>, Arc<Fault>) {
    let fault = Fault::new(false);
    let backend = FaultBackend::over(&Arc::new(MemoryBackend::new()), &fault);
    let store = Store::open(Box::new(backend), StoreOptions::for_tests(64)).unwrap();
    for number in 1..=commits {
        let mut batch = Batch::new();
        batch.set("key", number.to_string());
        store.commit(batch, CommitOptions::default()).unwrap();
    }
    (store, fault)
}

fn prune(store: &Store, before: u64) -> Timestamp {
    store
        .prune_before(at(before), &mut |_, _| {})
        .unwrap()
        .floor
}

/// The records go after the feed was found to be held, and before they are read: there seems to be nothing to read.
#[test]
fn what_is_pruned_right_before_it_is_read_is_told() {
    let (store, fault) = store(6);
    let bounded = FeedOptions::default().max_lag(3);
    store.create_feed("slow", first(1), bounded).unwrap();
    let mut changes = store.feed("slow").unwrap();
    store.merge_all().unwrap();
    let other = Arc::clone(&store);
    fault.before_cursor(move || {
        // The prune asks the records too.
        assert_eq!(prune(&other, 6), at(6));
    });
    let error = changes.poll().unwrap_err();
    assert_eq!(error.kind().name(), "too_old", "{error}");
    assert_eq!(changes.position(), first(1));
}

/// As after a repair, which raises the floor.
#[test]
fn what_lies_below_the_floor_is_told() {
    let (store, _) = store(6);
    assert_eq!(prune(&store, 4), at(4));
    let hold = Hold::new(first(2), FeedOptions::default());
    let holder = Holder::Named("low".to_owned());
    store.feeds.lock().put(holder, hold);
    let error = store.feed("low").unwrap().poll().unwrap_err();
    assert_eq!(error.kind().name(), "pruned", "{error}");
    // And it holds nothing.
    assert_eq!(store.oldest_feed(), None);
    assert_eq!(prune(&store, 6), at(6));
}

/// No prune can be between looking at feeds and moving the floor while one of them is written.
#[test]
fn feeds_are_written_under_the_lock_of_floor_and_pins() {
    let (store, fault) = store(6);
    let watch = || {
        let other = Arc::clone(&store);
        fault.before_write(move || assert!(other.retention.try_lock().is_none()));
    };
    watch();
    let options = FeedOptions::default().max_lag(2);
    store.create_feed("f", first(1), options).unwrap();
    watch();
    store.acknowledge("f", first(2)).unwrap();
    store.merge_all().unwrap();
    watch();
    prune(&store, 6);
    assert!(store.feeds().unwrap().iter().all(|feed| feed.is_let_go));
    watch();
    store.drop_feed("f").unwrap();
}

/// What could not be written is not so in memory either: a crash would make it undone.
#[test]
fn what_could_not_be_written_has_not_happened() {
    let (store, fault) = store(6);
    let plain = FeedOptions::default();
    let mut number = 0;
    let mut fails = |what: &dyn Fn() -> Result<()>| {
        number += 1;
        fault.arm(1);
        assert!(what().is_err(), "{number}");
        fault.arm(0);
    };
    fails(&|| store.create_feed("f", first(1), plain).map(|_| ()));
    assert!(store.feeds().unwrap().is_empty());
    store.create_feed("f", first(1), plain.max_lag(2)).unwrap();
    let is_as_it_was = || {
        let feeds = store.feeds().unwrap();
        assert_eq!((feeds[0].position, feeds[0].is_let_go), (first(1), false));
        assert_eq!(store.oldest_feed(), Some(at(1)));
    };
    fails(&|| store.acknowledge("f", first(4)));
    is_as_it_was();
    fails(&|| store.drop_feed("f"));
    is_as_it_was();
    store.merge_all().unwrap();
    fails(&|| store.prune_before(at(6), &mut |_, _| {}).map(|_| ()));
    is_as_it_was();
    assert_eq!(store.floor(), at(0));
}

/// Who waits for a commit hears that the feed was dropped, or let go.
#[test]
fn who_waits_hears_that_the_feed_is_gone() {
    for is_dropped in [true, false] {
        let (store, _) = store(6);
        let bounded = FeedOptions::default().max_lag(3);
        store.create_feed("f", first(1), bounded).unwrap();
        let mut changes = store.feed("f").unwrap();
        while changes.poll().unwrap().is_some() {}
        thread::scope(|scope| {
            let waiter = scope.spawn(move || changes.wait(Duration::MAX));
            while store.wake.waiting.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            if is_dropped {
                store.drop_feed("f").unwrap();
            } else {
                prune(&store, 6);
            }
            let error = waiter.join().unwrap().unwrap_err();
            let expected = if is_dropped { "not_found" } else { "too_old" };
            assert_eq!(error.kind().name(), expected, "{error}");
        });
    }
}
