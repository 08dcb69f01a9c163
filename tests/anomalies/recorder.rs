//! What clients of a real store do, and the history that comes of it.

use std::{
    collections::BTreeMap,
    ops::RangeBounds,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    Batch, CommitInfo, CommitOptions, Durability, Engine, ErrorKind, Isolation, ReadView, Result,
    Timestamp, Transaction, TransactionOptions,
};

use crate::{
    history::{self, Event, History, Id, Key, Level, Outcome, Range, Version},
    note::{self, Note},
};

/// What all clients of a store share.
pub(crate) struct World {
    pub(crate) engine: Engine,
    levels: Vec<Level>,
    /// How many of the commits wait for the disk, as a part of 1: others come to wait meanwhile.
    synced: f64,
    ids: AtomicUsize,
    moments: AtomicU64,
}

impl World {
    pub(crate) fn new(engine: Engine, levels: &[Level], synced: f64) -> Self {
        Self {
            synced,
            engine,
            levels: levels.to_vec(),
            ids: AtomicUsize::new(0),
            moments: AtomicU64::new(0),
        }
    }

    fn id(&self) -> Id {
        Id(self.ids.fetch_add(1, Ordering::SeqCst))
    }

    fn now(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }
}

/// One client: what it has done, and what it has open.
pub(crate) struct Client<'w> {
    world: &'w World,
    random: ChaCha8Rng,
    open: Option<(Note, Transaction)>,
    done: Vec<(Id, Done)>,
}

/// A transaction that has ended. One that deletes a range does not know what it finds there.
struct Done {
    transaction: history::Transaction,
    deleted: Option<Range>,
}

/// How often a client does something on its own while it has no transaction open.
const DIRECT: f64 = 0.15;

impl<'w> Client<'w> {
    pub(crate) fn new(world: &'w World, seed: u64) -> Self {
        Self {
            world,
            random: ChaCha8Rng::seed_from_u64(seed),
            open: None,
            done: Vec::new(),
        }
    }

    pub(crate) fn ended(&self) -> usize {
        self.done.len()
    }

    pub(crate) fn random(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    /// Begins, goes on with, or ends a transaction.
    pub(crate) fn step(&mut self) {
        match self.open.take() {
            None if self.random.random_bool(DIRECT) => self.direct(),
            None => self.begin(),
            Some(open) if self.random.random_bool(0.2) => self.end(open),
            Some((mut note, mut tx)) => match note.step(&mut tx, &mut self.random) {
                Ok(()) => self.open = Some((note, tx)),
                Err(error) => {
                    assert_eq!(error.kind().name(), "read_only", "{error:?}");
                    self.open = Some((note, tx));
                }
            },
        }
    }

    /// Ends what is open.
    pub(crate) fn finish(&mut self) {
        if let Some(open) = self.open.take() {
            self.end(open);
        }
    }

    fn note(&mut self) -> Note {
        let level = *self.world.levels.choose(&mut self.random).unwrap();
        Note::new(self.world.id(), self.world.now(), level)
    }

    fn isolation(level: Level) -> Isolation {
        match level {
            Level::Snapshot => Isolation::Snapshot,
            Level::Serializable => Isolation::Serializable,
        }
    }

    fn begin(&mut self) {
        let mut note = self.note();
        let engine = &self.world.engine;
        let mut options = TransactionOptions::default().isolation(Self::isolation(note.done.level));
        let mut is_past = false;
        match self.random.random_range(0..20) {
            0..=1 => options = options.read_only(),
            2 => {
                let past = self
                    .random
                    .random_range(engine.floor().get()..=engine.visible().get());
                options = options.at(Timestamp::new(past));
                is_past = true;
            }
            _ => {}
        }
        match engine.begin_with(options) {
            Ok(tx) => {
                note.done.snapshot = Some(tx.timestamp().get());
                if is_past {
                    // It asked for what was.
                    note.forget_when_it_began();
                }
                self.open = Some((note, tx));
            }
            Err(error) => {
                assert!(is_past && error.kind().name() == "pruned", "{error:?}");
                self.close(note, Outcome::Aborted);
            }
        }
    }

    fn end(&mut self, (mut note, tx): (Note, Transaction)) {
        note.ending();
        match self.random.random_range(0..10) {
            0 => tx.rollback(),
            1 => drop(tx),
            _ => {
                let mut options = CommitOptions::default();
                if self.random.random_bool(self.world.synced) {
                    options = options.durability(Durability::Sync);
                }
                let info = tx.commit_with(options);
                return self.committed(note, info);
            }
        }
        self.close(note, Outcome::Aborted);
    }

    fn committed(&mut self, note: Note, info: Result<CommitInfo>) {
        match info {
            Ok(info) => {
                assert_eq!(info.writes, note.done.installs().len());
                let timestamp = info.timestamp.get();
                self.close(note, Outcome::Committed(Some(timestamp)));
            }
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                self.close(note, Outcome::Aborted);
            }
        }
    }

    fn close(&mut self, note: Note, outcome: Outcome) {
        self.close_with(note, outcome, None);
    }

    fn close_with(&mut self, note: Note, outcome: Outcome, deleted: Option<Range>) {
        let (id, transaction) = note.ended(self.world.now(), outcome);
        self.done.push((
            id,
            Done {
                transaction,
                deleted,
            },
        ));
    }

    /// Commits without a transaction, or reads the newest state.
    fn direct(&mut self) {
        let mut note = self.note();
        let engine = &self.world.engine;
        let key = note::key(&mut self.random);
        let value = |nth, random: &mut ChaCha8Rng| note::value(note.id, nth, random);
        let committed = |at: Timestamp| Outcome::Committed(Some(at.get()));
        match self.random.random_range(0..10) {
            0..=2 => {
                let at = engine.set(&key, value(0, &mut self.random)).unwrap();
                note.note_set(key);
                self.close(note, committed(at));
            }
            3 => {
                let at = engine.delete(&key).unwrap();
                note.note_delete(key);
                self.close(note, committed(at));
            }
            4 => {
                let mut batch = Batch::new();
                for nth in 0..self.random.random_range(0..4) {
                    let key = note::key(&mut self.random);
                    batch.set(&key, note::value(note.id, nth, &mut self.random));
                    note.note_set(key);
                }
                let options = CommitOptions::default();
                let info = engine.commit(batch, options).unwrap();
                self.close(note, committed(info.timestamp));
            }
            5 => {
                // A timestamp of its own, if nobody has come to it before.
                let mut batch = Batch::new();
                batch.set(&key, value(0, &mut self.random));
                let at = Timestamp::new(engine.visible().get() + self.random.random_range(1..4));
                match engine.commit_at(at, batch) {
                    Ok(info) => {
                        note.note_set(key);
                        self.close(note, committed(info.timestamp));
                    }
                    Err(error) => {
                        assert_eq!(*error.kind(), ErrorKind::Invalid, "{error:?}");
                        self.close(note, Outcome::Aborted);
                    }
                }
            }
            6 => self.compare_and_set(note, key),
            7 => {
                let range = note::range(&mut self.random);
                let info = engine.delete_range(note::range_of(&range)).unwrap();
                self.close_with(note, committed(info.timestamp), Some(range));
            }
            8 => self.transact(note),
            _ => self.read_newest(note),
        }
    }

    fn compare_and_set(&mut self, mut note: Note, key: Key) {
        let engine = &self.world.engine;
        let expected = engine.get(&key).unwrap();
        let new = note::value(note.id, 0, &mut self.random);
        let new = self.random.random_bool(0.8).then_some(new.as_bytes());
        match engine.compare_and_set(&key, expected.as_deref(), new) {
            Ok(info) => {
                note.read(key.clone(), expected.as_deref(), true);
                match new {
                    Some(_) => note.note_set(key),
                    None => note.note_delete(key),
                }
                // It compared with the state that it changed.
                note.done.snapshot = Some(info.timestamp.get() - 1);
                self.close(note, Outcome::Committed(Some(info.timestamp.get())));
            }
            Err(error) => {
                assert_eq!(error.kind().name(), "conflict", "{error:?}");
                self.close(note, Outcome::Aborted);
            }
        }
    }

    /// A closure that is run until it wins; each time it loses is a transaction that was aborted.
    fn transact(&mut self, note: Note) {
        let options = TransactionOptions::default()
            .isolation(Self::isolation(note.done.level))
            .attempts(self.random.random_range(0..3));
        let steps = self.random.random_range(1..8);
        let level = note.done.level;
        let mut notes = vec![note];
        let world = self.world;
        let random = &mut self.random;
        let outcome = world
            .engine
            .transact_with(options, CommitOptions::default(), |tx| {
                // Of the attempt after this one, which will begin after now.
                let next = Note::new(world.id(), world.now(), level);
                let note = notes.last_mut().unwrap();
                note.done.snapshot = Some(tx.timestamp().get());
                for _ in 0..steps {
                    note.step(tx, random)?;
                    // While it has the turn, others come to wait, and are committed as a group.
                    thread::yield_now();
                }
                note.ending();
                notes.push(next);
                Ok::<(), sapwood::Error>(())
            });
        let outcome = outcome.unwrap();
        let never_begun = notes.pop().unwrap();
        let last = notes.pop().unwrap();
        notes.push(never_begun);
        for lost in notes {
            self.close(lost, Outcome::Aborted);
        }
        assert_eq!(outcome.writes, last.done.installs().len());
        let timestamp = outcome.timestamp.get();
        self.close(last, Outcome::Committed(Some(timestamp)));
    }

    /// An iterator over the newest state says which one that is.
    fn read_newest(&mut self, mut note: Note) {
        let range = note::range(&mut self.random);
        let iter = self.world.engine.range(note::range_of(&range));
        let Some(timestamp) = iter.timestamp() else {
            return self.close(note, Outcome::Aborted); // Nothing lies in the range.
        };
        let rows = iter.map(|row| {
            let (key, value) = row.unwrap();
            let key = Key::from_utf8(key.to_vec()).unwrap();
            (key, note::version(Some(&value)))
        });
        let rows = rows.collect();
        note.done.events.push(Event::Scan { range, rows });
        note.done.snapshot = Some(timestamp.get());
        self.close(note, Outcome::Committed(Some(timestamp.get())));
    }
}

/// What there is to say of a store at one timestamp.
type State = BTreeMap<Key, Version>;

/// From when to when a version was the newest.
type Life = (u64, Option<u64>, Version);

/// A reader of every past timestamp, before it is pruned. Nobody else prunes.
pub(crate) struct Witness<'w> {
    world: &'w World,
    states: Vec<(u64, State)>,
    next: u64,
    prunes: usize,
}

impl<'w> Witness<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let (states, next, prunes) = (Vec::new(), 0, 0);
        Self {
            world,
            states,
            next,
            prunes,
        }
    }

    /// Reads all timestamps that it has not read yet.
    pub(crate) fn read(&mut self) {
        let newest = self.world.engine.visible().get();
        while self.next <= newest {
            let view = self.world.engine.at(Timestamp::new(self.next)).unwrap();
            let row = |row: Result<(sapwood::Key, sapwood::Value)>| {
                let (key, value) = row.unwrap();
                let key = Key::from_utf8(key.to_vec()).unwrap();
                (key, note::version(Some(&value)))
            };
            let state: State = if self.next.is_multiple_of(2) {
                view.range(..).map(row).collect()
            } else {
                view.range(..).rev().map(row).collect()
            };
            self.states.push((self.next, state));
            self.next += 1;
        }
    }

    /// How many timestamps it could give up.
    pub(crate) fn ahead(&self) -> u64 {
        self.next
            .saturating_sub(1 + self.world.engine.floor().get())
    }

    /// Gives up what it has read, wholly or in part.
    pub(crate) fn prune(&mut self, random: &mut ChaCha8Rng) {
        if self.ahead() > 0 {
            let floor = self.world.engine.floor().get();
            let before = Timestamp::new(floor + random.random_range(1..=self.ahead()));
            self.world.engine.prune_before(before).unwrap();
            self.prunes += 1;
        }
    }
}

/// All that was recorded.
pub(crate) struct Recording {
    pub(crate) history: History,
    states: Vec<(u64, State)>,
    pub(crate) prunes: usize,
}

impl Recording {
    /// Puts together what the clients and the witness of a world have seen.
    pub(crate) fn new<'w>(
        clients: impl IntoIterator<Item = Client<'w>>,
        mut witness: Witness<'w>,
    ) -> Self {
        let mut all = BTreeMap::new();
        for mut client in clients {
            client.finish();
            all.extend(client.done);
        }
        witness.read();
        assert!(
            all.keys().map(|id| id.0).eq(0..all.len()),
            "every number has its transaction"
        );
        Self {
            history: assemble(all.into_values().collect()),
            states: witness.states,
            prunes: witness.prunes,
        }
    }

    /// Every past timestamp was the state after exactly the commits up to it, and what the store still
    /// tells of its keys' versions is what was committed.
    pub(crate) fn check_the_past(&self, engine: &Engine, what: &str) {
        let mut commits = self.commits().into_iter().peekable();
        let mut state = State::new();
        for (timestamp, found) in &self.states {
            while let Some((_, id)) = commits.next_if(|(at, _)| at <= timestamp) {
                apply(&mut state, id, &self.history.transactions[id.0]);
            }
            assert_eq!(*found, state, "{what}: the state at {timestamp}");
        }
        assert_eq!(
            commits.next(),
            None,
            "{what}: commits above the visible timestamp"
        );
        self.check_versions(engine, what);
    }

    fn commits(&self) -> Vec<(u64, Id)> {
        commits(&self.history.transactions)
    }

    /// The versions of each key that are listed, against those that were alive above the floor.
    fn check_versions(&self, engine: &Engine, what: &str) {
        let floor = engine.floor().get();
        let mut expected: BTreeMap<&Key, Vec<Life>> = BTreeMap::new();
        for (key, order) in &self.history.order {
            let versions = expected.entry(key).or_default();
            for version in order {
                let Version::Written(by, nth) = version else {
                    unreachable!()
                };
                let transaction = &self.history.transactions[by.0];
                let at = transaction.timestamp().unwrap();
                if let Some((_, end, _)) = versions.last_mut() {
                    end.get_or_insert(at);
                }
                if transaction.writes().nth(*nth).unwrap().1 {
                    versions.push((at, None, *version));
                }
            }
            versions.retain(|(_, end, _)| end.is_none_or(|end| end > floor));
            versions.reverse();
        }
        for (key, expected) in expected {
            let found = engine.history(key, ..).unwrap().map(|found| {
                let found = found.unwrap();
                let version = note::version(Some(&found.value));
                (found.start.get(), found.end.map(Timestamp::get), version)
            });
            let found: Vec<_> = found.collect();
            assert_eq!(
                found, expected,
                "{what}: the versions of {key} above {floor}"
            );
        }
    }

    /// How many were committed with writes, and how many were aborted.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let aborted = self
            .history
            .transactions
            .iter()
            .filter(|t| !t.is_committed());
        (self.commits().len(), aborted.count())
    }
}

/// Those that took a timestamp of their own, in its order.
fn commits(transactions: &[history::Transaction]) -> Vec<(u64, Id)> {
    let transactions = transactions.iter().enumerate();
    let commits = transactions.filter_map(|(id, transaction)| {
        let timestamp = transaction.timestamp()?;
        // A direct commit takes one, whatever it does; a transaction that wrote nothing does not.
        (transaction.snapshot != Some(timestamp)).then_some((timestamp, Id(id)))
    });
    let mut commits: Vec<_> = commits.collect();
    commits.sort_unstable();
    commits
}

fn apply(state: &mut State, id: Id, transaction: &history::Transaction) {
    for (key, (nth, live)) in transaction.installs() {
        if live {
            state.insert(key, Version::Written(id, nth));
        } else {
            state.remove(&key);
        }
    }
}

/// A history whose versions follow each other in the order of the commits' timestamps. A delete of
/// what is not there installs nothing.
fn assemble(done: Vec<Done>) -> History {
    let (transactions, deleted): (_, Vec<_>) = done
        .into_iter()
        .map(|done| (done.transaction, done.deleted))
        .unzip();
    let mut history = History {
        transactions,
        order: BTreeMap::new(),
    };
    let mut state = State::new();
    for (_, id) in commits(&history.transactions) {
        let transaction = &mut history.transactions[id.0];
        if let Some(range) = &deleted[id.0] {
            for key in state.keys().filter(|key| range.contains(*key)) {
                let (key, live) = (key.clone(), false);
                transaction.events.push(Event::Write { key, live });
            }
        }
        for (key, (nth, live)) in transaction.installs() {
            if live || state.contains_key(&key) {
                history
                    .order
                    .entry(key)
                    .or_default()
                    .push(Version::Written(id, nth));
            }
        }
        apply(&mut state, id, &history.transactions[id.0]);
    }
    history
}
