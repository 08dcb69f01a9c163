//! What is held open keeps its answers; and how long it may be held.

use std::time::{Duration, Instant};

use sapwood::{
    Change, CommitOptions, Diff, Engine, History, Isolation, Iter, ReadView, Result, Snapshot,
    Storage, Transaction, TransactionIter, TransactionOptions,
};

use crate::{
    grid::WORLD,
    support::{
        LEVELS, Options, Place, Row, assert_nothing_is_held, at, begin, delete, error, kind, put,
        rows, set,
    },
};

suite!(
    inv_31_what_is_open_keeps_its_answers,
    inv_31_past_its_age_every_read_is_refused,
    inv_31_past_its_age_nothing_holds_the_floor,
    inv_31_past_its_age_a_transaction_starts_over_until_it_gives_up,
    inv_31_within_its_age_everything_holds,
    inv_31_the_newest_state_has_no_age,
);

/// All that can be held open at one timestamp, half read.
struct Held {
    column: u64,
    snapshot: Snapshot,
    tx: Transaction,
    iter: (Vec<Row>, Iter, Vec<Row>),
    tx_iter: (Vec<Row>, TransactionIter, Vec<Row>),
    diff: Option<(Change, Diff)>,
}

/// The first row and the last, taken from both ends.
fn ends<I>(iter: &mut I) -> (Vec<Row>, Vec<Row>)
where
    I: DoubleEndedIterator<Item = Result<(sapwood::Key, sapwood::Value)>>,
{
    let first = rows(iter.next().into_iter());
    (first, rows(iter.next_back().into_iter()))
}

impl Held {
    fn new(engine: &Engine, column: u64) -> Self {
        let snapshot = engine.snapshot().expect("snapshot");
        let mut tx = begin(engine, LEVELS[usize::from(column.is_multiple_of(2))]);
        tx.set("~own", "own").expect("set");
        let mut iter = snapshot.range(..);
        let (first, last) = ends(&mut iter);
        let iter = (first, iter, last);
        let mut tx_iter = tx.range(..);
        let (first, last) = ends(&mut tx_iter);
        let tx_iter = (first, tx_iter, last);
        let mut diff = engine.diff(at(column / 2), at(column)).expect("diff");
        let first = diff.next().transpose().expect("a change");
        Self {
            column,
            snapshot,
            tx,
            iter,
            tx_iter,
            diff: first.map(|first| (first, diff)),
        }
    }

    /// Checks what can be asked again and again.
    fn check(&self) {
        WORLD.check_view(&self.snapshot, self.column);
        let mut state = WORLD.state(self.column);
        for (key, value) in &state {
            let got = self.tx.get(key).expect("get").expect("it was there");
            assert_eq!(got.as_ref(), value.as_slice());
        }
        state.extend(rows(self.tx.scan("~own")));
        assert_eq!(rows(self.tx.range(..)), state, "at {}", self.column);
        assert_eq!(state.last().expect("a row").1, b"own");
    }

    /// Reads the rest of what was begun.
    fn finish(self) {
        let (first, iter, last) = self.iter;
        let state = WORLD.state(self.column);
        assert_eq!([first, rows(iter), last].concat(), state);
        let (first, iter, last) = self.tx_iter;
        let own = rows(self.tx.scan("~own"));
        assert_eq!([first, rows(iter), last].concat(), [state, own].concat());
        let Some((first, diff)) = self.diff else {
            return;
        };
        let changes = std::iter::once(Ok(first)).chain(diff);
        for change in changes {
            let change = change.expect("a change");
            let value = |column| {
                let row = WORLD
                    .state(column)
                    .into_iter()
                    .find(|row| row.0 == change.key);
                row.map(|row| row.1)
            };
            assert_eq!(change.old.map(Vec::from), value(self.column / 2));
            assert_eq!(change.new.map(Vec::from), value(self.column));
        }
    }
}

pub(crate) fn inv_31_what_is_open_keeps_its_answers(place: &impl Place) {
    let storage = place.open();
    let engine = Engine::new(&storage);
    let mut held = Vec::new();
    for column in 1..=WORLD.last() {
        WORLD.play_to(&storage, column);
        held.push(Held::new(&engine, column));
    }
    let later = WORLD.0.iter().map(|(key, _)| set(key, "later"));
    engine
        .commit(later.collect(), CommitOptions::default())
        .expect("commit");
    held.iter().for_each(Held::check);
    engine.flush().expect("flush");
    held.iter().for_each(Held::check);
    engine.delete_range(..).expect("delete_range");
    held.iter().for_each(Held::check);
    engine.compact().expect("compact");
    held.iter().for_each(Held::check);
    // A prune takes all that they do not hold, as they go, one after the other.
    while !held.is_empty() {
        let oldest = held.first().expect("one").column;
        let diff_from = at(held.iter().map(|held| held.column / 2).min().expect("one"));
        let report = engine.prune_before(engine.visible()).expect("prune");
        assert_eq!(report.floor, report.held_by.expect("it is held"));
        assert!(
            (diff_from..=at(oldest)).contains(&report.floor),
            "{report:?}"
        );
        engine.compact().expect("compact");
        held.iter().for_each(Held::check);
        held.remove(0).finish();
    }
    let report = engine.prune_before(engine.visible()).expect("prune");
    assert_eq!((report.floor, report.held_by), (engine.visible(), None));
    assert_nothing_is_held(&engine);
    drop(engine);
    assert_eq!(storage.scan(b"").expect("scan"), []);
}

/// A store that lets readers hold on for so long.
fn aged<P: Place>(place: &P, max_snapshot_age: Duration) -> P::Storage {
    place.open_with(Options {
        max_snapshot_age: Some(max_snapshot_age),
        ..Options::default()
    })
}

/// Waits until the clock has moved, so that all that was begun is older than nothing.
fn grow_older() {
    let now = Instant::now();
    while now.elapsed().is_zero() {
        std::thread::yield_now();
    }
}

fn history(engine: &Engine) -> History {
    engine.history("bee", ..).expect("history")
}

pub(crate) fn inv_31_past_its_age_every_read_is_refused(place: &impl Place) {
    let storage = aged(place, Duration::ZERO);
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    let snapshot = engine.at(at(5)).expect("at");
    let mut iter = snapshot.range(..);
    let mut backward = storage.range(sapwood::KeyRange::all());
    let mut versions = history(&engine);
    let mut oldest = history(&engine);
    let mut diff = engine.diff(at(1), at(9)).expect("diff");
    let past = TransactionOptions::default().at(at(5));
    let past = engine.begin_with(past).expect("begin");
    let mut txs = LEVELS.map(|isolation| begin(&engine, isolation));
    for tx in &mut txs {
        tx.set("ant", "never").expect("set");
        tx.delete("bee").expect("delete");
    }
    let mut tx_iters = [&txs[0], &txs[1], &past].map(|tx| tx.range(..));
    let unused = begin(&engine, Isolation::Serializable);
    grow_older();
    let mut refused = vec![
        kind(snapshot.get("ant")),
        kind(snapshot.get("missing")),
        kind(snapshot.multi_get(&["ant", "bee"])),
        kind(snapshot.contains("ant")),
        kind(snapshot.range(..).next().expect("an error")),
        kind(snapshot.scan("ant").next_back().expect("an error")),
        kind(iter.next().expect("an error")),
        kind(backward.next_back().expect("an error")),
        kind(versions.next().expect("an error")),
        kind(oldest.next_back().expect("an error")),
        kind(diff.next().expect("an error")),
        kind(past.get("ant")),
        kind(past.range(..).next().expect("an error")),
    ];
    for tx in &txs {
        refused.push(kind(tx.get("cat")));
        refused.push(kind(tx.get("missing")));
        refused.push(kind(tx.get_untracked("cat")));
        refused.push(kind(tx.multi_get(&["cat"])));
        refused.push(kind(tx.range(..).next().expect("an error")));
    }
    for iter in &mut tx_iters {
        refused.push(kind(iter.next().expect("an error")));
        assert!(iter.next().is_none() && iter.next_back().is_none());
    }
    assert!(iter.next().is_none() && backward.next_back().is_none());
    assert!(versions.next().is_none() && diff.next().is_none());
    for tx in txs {
        let error = error(tx.commit());
        assert!(error.is_retryable() && error.to_string().contains("age limit"));
        refused.push(error.kind().name());
    }
    assert_eq!(refused, ["too_old"; 28]);
    unused.commit().expect("nothing is asked any more");
    past.commit().expect("nothing is asked any more");
    assert_eq!(engine.visible(), at(WORLD.last()), "nothing was written");
    drop((snapshot, iter, backward, versions, oldest, diff, tx_iters));
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_31_past_its_age_nothing_holds_the_floor(place: &impl Place) {
    let storage = aged(place, Duration::ZERO);
    let engine = Engine::new(&storage);
    WORLD.play_to(&storage, 5);
    let held = (
        engine.snapshot().expect("snapshot"),
        begin(&engine, Isolation::Serializable),
        engine.range(..),
        history(&engine),
        engine.diff(at(1), at(4)).expect("diff"),
    );
    WORLD.play(&storage);
    grow_older();
    let last = at(WORLD.last());
    let report = engine.prune_before(last).expect("prune");
    assert_eq!((report.floor, report.held_by), (last, None));
    assert_eq!(report.rows_after, 0, "what only they saw is gone");
    engine.compact().expect("compact");
    let (snapshot, tx, mut iter, mut versions, mut diff) = held;
    let refused = [
        kind(snapshot.get("ant")),
        kind(snapshot.get("dog")),
        kind(snapshot.range(..).next().expect("an error")),
        kind(tx.get("dog")),
        kind(tx.range(..).next().expect("an error")),
        kind(iter.next().expect("an error")),
        kind(versions.next().expect("an error")),
        kind(diff.next().expect("an error")),
    ];
    assert_eq!(
        refused, ["too_old"; 8],
        "no wrong answer, and none is pruned"
    );
    let stats = engine.stats();
    assert_eq!((stats.open_snapshots, stats.oldest_snapshot), (0, None));
    assert_eq!(
        stats.open_transactions, 1,
        "it is open, and will be refused"
    );
    // Those that are dropped late let go of nothing that is not theirs.
    drop((snapshot, tx));
    assert_nothing_is_held(&engine);
    WORLD.check_pruned(&storage, 5);
    drop((iter, versions, diff, engine));
    let storage = place.reopen(storage);
    for (key, value) in WORLD.state(WORLD.last()) {
        assert_eq!(storage.get(&key).expect("get"), Some(value));
    }
}

pub(crate) fn inv_31_past_its_age_a_transaction_starts_over_until_it_gives_up(place: &impl Place) {
    let storage = aged(place, Duration::ZERO);
    let engine = Engine::new(&storage);
    put(&engine, "k", "1");
    for (attempts, wanted) in [(0, 1), (1, 1), (4, 4)] {
        let options = TransactionOptions::default().attempts(attempts);
        for reads in [true, false] {
            let mut runs = 0;
            let refused = engine.transact_with(options, CommitOptions::default(), |tx| {
                runs += 1;
                grow_older();
                tx.set("k", "2")?;
                if reads {
                    tx.get("other")?;
                }
                Ok::<_, sapwood::Error>(())
            });
            assert_eq!((kind(refused), runs), ("too_old", wanted));
        }
    }
    // One that does not last is done in time.
    let mut runs = 0;
    let options = TransactionOptions::default().attempts(1 << 20);
    let done = engine.transact_with(options, CommitOptions::default(), |_| {
        runs += 1;
        grow_older();
        Ok::<_, sapwood::Error>(())
    });
    assert_eq!((done.expect("it wrote nothing").writes, runs), (0, 1));
    assert_eq!(engine.get("k").expect("get").as_deref(), Some(&b"1"[..]));
    assert_nothing_is_held(&engine);
}

pub(crate) fn inv_31_within_its_age_everything_holds(place: &impl Place) {
    for age in [Some(Duration::MAX), None] {
        let storage = place.open_with(Options {
            max_snapshot_age: age,
            ..Options::default()
        });
        let engine = Engine::new(&storage);
        if engine.visible() == at(0) {
            WORLD.play_to(&storage, 5);
        }
        let visible = engine.visible();
        let state = rows(engine.range(..));
        let snapshot = engine.snapshot().expect("snapshot");
        let mut tx = begin(&engine, Isolation::Serializable);
        let iter = engine.range(..);
        let erased = state.iter().map(|(key, _)| delete(key)).collect();
        engine
            .commit(erased, CommitOptions::default())
            .expect("commit");
        grow_older();
        let report = engine.prune_before(engine.visible()).expect("prune");
        assert_eq!((report.floor, report.held_by), (visible, Some(visible)));
        engine.compact().expect("compact");
        assert_eq!(rows(snapshot.range(..)), state);
        assert_eq!(rows(tx.range(..)), state);
        assert_eq!(rows(iter), state);
        let (oldest, age) = engine.stats().oldest_snapshot.expect("one");
        assert!(oldest == visible && !age.is_zero());
        tx.set("own", "").expect("set");
        assert_eq!(kind(tx.commit()), "conflict");
        drop(snapshot);
        let restored = state.iter().map(|(key, value)| set(key, value)).collect();
        engine
            .commit(restored, CommitOptions::default())
            .expect("commit");
    }
}

pub(crate) fn inv_31_the_newest_state_has_no_age(place: &impl Place) {
    let storage = aged(place, Duration::ZERO);
    let engine = Engine::new(&storage);
    WORLD.play(&storage);
    grow_older();
    for (key, value) in WORLD.state(WORLD.last()) {
        let got = engine.get(&key).expect("get");
        assert_eq!(got.as_deref(), Some(value.as_slice()));
        let got = storage.multi_get(&[&key]).expect("multi_get");
        assert_eq!(got, [Some(value.clone())]);
        let got = storage.get_at(&key, at(WORLD.last())).expect("get_at");
        assert_eq!(got, Some(value));
    }
    put(&engine, "k", "1");
    engine.delete_range(..).expect("delete_range");
    engine
        .compare_and_set("k", None, Some(b"2"))
        .expect("compare_and_set");
    let report = engine.prune_before(engine.visible()).expect("prune");
    assert_eq!(report.floor, engine.visible());
}
