//! Readers that stay: what they see does not change, whatever is committed and pruned meanwhile, and
//! they hold back no more than that.

use std::{collections::BTreeMap, thread};

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    Batch, CommitOptions, Engine, PinOptions, ReadView, Snapshot, Timestamp, Transaction,
    TransactionOptions,
};

use crate::support::{AtWork, LEVELS, Place, prune_behind, random, text};

suite!(
    a_long_reader_keeps_its_answers_under_writers,
    the_floor_follows_the_oldest_reader,
);

const KEYS: u64 = 40;
const COMMITS: u64 = 10_000;
const WRITERS: u64 = 2;

type State = BTreeMap<String, String>;

fn key(random: &mut ChaCha8Rng) -> String {
    format!("key-{:02}", random.random_range(0..KEYS))
}

/// Sets and deletes some keys.
fn commit(engine: &Engine, random: &mut ChaCha8Rng) {
    let mut batch = Batch::new();
    for _ in 0..random.random_range(1..4) {
        if random.random_bool(0.6) {
            batch.set(key(random), random.random::<u64>().to_string());
        } else {
            batch.delete(key(random));
        }
    }
    engine.commit(batch, CommitOptions::default()).unwrap();
}

fn state(view: &impl ReadView) -> State {
    view.range(..).map(text).collect()
}

/// A reader of any kind, with what it must see.
struct Reader<V> {
    view: V,
    at: Timestamp,
    expected: State,
}

impl<V: ReadView> Reader<V> {
    /// Every way to read gives the same, and what it was at first.
    fn check(&self) {
        let Self { view, at, expected } = self;
        let mut backward: Vec<_> = Vec::new();
        let mut rows = view.range(..);
        while let Some(row) = rows.next_back() {
            backward.push(text(row));
        }
        backward.reverse();
        assert!(
            backward.into_iter().eq(expected.clone()),
            "backward at {at}"
        );
        assert_eq!(state(view), *expected, "at {at}");
        let keys: Vec<_> = (0..KEYS).map(|number| format!("key-{number:02}")).collect();
        let together = view.multi_get(&keys).unwrap();
        for (key, together) in keys.iter().zip(together) {
            let expected = expected.get(key).map(String::as_bytes);
            assert_eq!(together.as_deref(), expected, "{key} at {at}");
            assert_eq!(view.get(key).unwrap().as_deref(), expected, "{key} at {at}");
        }
    }
}

fn snapshot_reader(engine: &Engine) -> Reader<Snapshot> {
    let view = engine.snapshot().unwrap();
    let (at, expected) = (view.timestamp(), state(&view));
    Reader { view, at, expected }
}

fn transaction_reader(engine: &Engine, options: TransactionOptions) -> Reader<Transaction> {
    let view = engine.begin_with(options).unwrap();
    let (at, expected) = (view.timestamp(), state(&view));
    Reader { view, at, expected }
}

fn a_long_reader_keeps_its_answers_under_writers(place: &impl Place) {
    let engine = place.open();
    let mut choice = random("before", 0);
    (0..200).for_each(|_| commit(&engine, &mut choice));

    // One reads at a pin that goes at once; the floor passes it.
    let pinned = Timestamp::new(100);
    engine
        .pin("for a moment", pinned, PinOptions::default())
        .unwrap();
    engine.prune_before(Timestamp::new(150)).unwrap();
    let view = engine.at(pinned).unwrap();
    engine.unpin("for a moment").unwrap();
    let expected = state(&view);
    let at_a_pin = Reader {
        view,
        at: pinned,
        expected,
    };

    let snapshot = snapshot_reader(&engine);
    (0..20).for_each(|_| commit(&engine, &mut choice));
    let read_only = transaction_reader(&engine, TransactionOptions::default().read_only());
    let past = transaction_reader(
        &engine,
        TransactionOptions::default().at(Timestamp::new(170)),
    );
    let mut serializable = transaction_reader(&engine, TransactionOptions::default());
    // Half walked, from both ends.
    let mut iter = snapshot.view.range(..);
    let mut walked = vec![text(iter.next().unwrap())];
    let mut from_the_end = vec![text(iter.next_back().unwrap())];

    let at_work = AtWork::new(WRITERS);
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let (engine, at_work) = (&engine, &at_work);
            scope.spawn(move || {
                let _working = at_work.begin();
                let mut random = random("writers", number);
                (0..COMMITS / WRITERS).for_each(|_| commit(engine, &mut random));
            });
        }
        scope.spawn(|| {
            let mut last = engine.visible().get();
            at_work.meanwhile(|| {
                if engine.visible().get() > last + 100 {
                    last = engine.visible().get();
                    prune_behind(&engine, 0);
                }
            });
        });
        at_work.meanwhile(|| {
            at_a_pin.check();
            snapshot.check();
            read_only.check();
            past.check();
            serializable.check();
            let newest = snapshot_reader(&engine);
            newest.check();
        });
    });
    assert_eq!(engine.visible().get(), 220 + COMMITS);

    // It keeps its answers under its own writes too, and loses: all that it read has changed.
    let key = choice_of(&serializable.expected, &mut choice);
    serializable.view.set(&key, "mine").unwrap();
    serializable.expected.insert(key, "mine".to_owned());
    serializable.check();
    assert!(serializable.view.commit().unwrap_err().is_retryable());
    read_only.view.commit().expect("it wrote nothing");

    while let Some(row) = iter.next() {
        walked.push(text(row));
        from_the_end.extend(iter.next_back().map(text));
    }
    walked.extend(from_the_end.into_iter().rev());
    assert!(
        walked.into_iter().eq(snapshot.expected.clone()),
        "the iterator"
    );

    // What it saw is gone as soon as nobody holds it.
    drop((at_a_pin, snapshot, past, iter));
    let end = engine.visible();
    assert_eq!(engine.prune_before(end).unwrap().floor, end);
    let status = engine.status().unwrap();
    assert_eq!(status.versions, status.keys, "no ended version is left");
}

fn choice_of(state: &State, random: &mut ChaCha8Rng) -> String {
    let keys: Vec<_> = state.keys().collect();
    (*keys.choose(random).unwrap()).clone()
}

/// Readers that end in any order: after each, the floor goes as far as the oldest that is left.
fn the_floor_follows_the_oldest_reader(place: &impl Place) {
    let engine = place.open();
    let mut random = random("ends", 0);
    commit(&engine, &mut random);
    let mut snapshots = Vec::new();
    let mut transactions = Vec::new();
    for _ in 0..8 {
        (0..20).for_each(|_| commit(&engine, &mut random));
        snapshots.push(snapshot_reader(&engine));
        (0..20).for_each(|_| commit(&engine, &mut random));
        let options = TransactionOptions::default().isolation(*LEVELS.choose(&mut random).unwrap());
        transactions.push(transaction_reader(&engine, options));
    }
    while !snapshots.is_empty() || !transactions.is_empty() {
        let of_snapshots = random.random_bool(0.5) && !snapshots.is_empty();
        if of_snapshots || transactions.is_empty() {
            let gone = random.random_range(0..snapshots.len());
            snapshots.remove(gone).check();
        } else {
            let gone = random.random_range(0..transactions.len());
            transactions.remove(gone).check();
        }
        commit(&engine, &mut random);
        let report = engine.prune_before(engine.visible()).unwrap();
        let snapshot = snapshots.iter().map(|reader| reader.at).min();
        let transaction = transactions.iter().map(|reader| reader.at).min();
        let oldest = snapshot.into_iter().chain(transaction).min();
        assert_eq!(report.held_by, oldest);
        assert_eq!(report.floor, oldest.unwrap_or(engine.visible()));
        snapshots.iter().for_each(Reader::check);
        transactions.iter().for_each(Reader::check);
    }
    assert_eq!(engine.stats().open_snapshots, 0);
}
