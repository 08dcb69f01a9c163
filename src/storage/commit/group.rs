//! What one turn does: a group of commits is checked, numbered, written and published.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{
    conflicts::{Clash, Record, Refusal, Reliance},
    rows::Rows,
};
use crate::{
    codec::key,
    config::{Durability, TimestampSource},
    error::{Error, Result},
    failpoint::{Point, reach},
    limits::GROUP_MAX_BYTES,
    metrics::Timed,
    storage::{
        Key, Value,
        batch::{CommitInfo, CommitOptions, Write, display},
        store::Store,
    },
    sync::{AtomicU64, Ordering},
    timestamp::Timestamp,
};

/// One commit that is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    /// In key order, each key once.
    pub(crate) writes: Vec<Write>,
    /// Whether each delete among the writes finds something to delete, where the caller knows.
    pub(crate) live: Option<Vec<bool>>,
    pub(crate) requires: Requires,
    pub(crate) options: CommitOptions,
    /// When it was asked for, where that is recorded.
    pub(crate) asked: Option<Instant>,
}

/// What must hold when the commit is made.
#[derive(Debug)]
pub(crate) enum Requires {
    Nothing,
    /// The newest value of the one key that is written.
    Value(Expected),
    /// What the transaction relies on, and the keys that it writes, are as it saw them.
    Unchanged(Reliance),
}

#[derive(Debug)]
pub(crate) struct Expected(pub(crate) Option<Value>);

impl Request {
    /// The bytes that it brings.
    pub(crate) fn weight(&self) -> usize {
        let bytes = |(key, value): &Write| key.len() + value.as_ref().map_or(0, Value::len);
        self.writes.iter().map(bytes).sum()
    }
}

/// The state that only the holder of the turn touches.
#[derive(Debug)]
pub(crate) struct CommitState {
    pub(crate) last: Timestamp,
    /// Set once a write has failed: whether it took effect is unknown until the store is reopened.
    pub(crate) failed: bool,
    /// Set once everything was made to survive the machine, at the end.
    pub(crate) is_synced: bool,
}

/// What the pipeline has done since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) synced_groups: AtomicU64,
    pub(crate) write_conflicts: AtomicU64,
    pub(crate) read_conflicts: AtomicU64,
    pub(crate) range_conflicts: AtomicU64,
    pub(crate) value_conflicts: AtomicU64,
    pub(crate) too_old: AtomicU64,
    pub(crate) rolled_back: AtomicU64,
}

fn add(count: &AtomicU64, number: usize) {
    count.fetch_add(u64::try_from(number).unwrap_or(0), Ordering::Relaxed);
}

/// The commits of a group so far, none of them written.
struct Group<'s> {
    store: &'s Store,
    last: Timestamp,
    rows: Rows,
    records: Vec<Record>,
    durability: Durability,
}

impl Store {
    /// Makes commits. The caller has the turn.
    pub(super) fn commit_group(&self, requests: Vec<Request>) -> Vec<Result<CommitInfo>> {
        let mut state = self.commit.lock();
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in &requests {
            self.meter.note(Timed::CommitQueue, request.asked);
        }
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let ready = self
                .check_open()
                .and_then(|()| self.check_writable(&state))
                .and_then(|()| self.make_room());
            if let Err(error) = ready {
                outcomes.extend(requests.map(|_| Err(error.again())));
                break;
            }
            let mut lap = self.meter.start();
            let mut group = Group::new(self, state.last);
            let first = outcomes.len();
            while group.rows.size_bytes() < GROUP_MAX_BYTES
                && let Some(request) = requests.next()
            {
                outcomes.push(group.add(request, requests.peek().is_some()));
            }
            self.meter.lap(Timed::CommitCheck, &mut lap);
            if !group.records.is_empty()
                && let Err(error) = self.write_group(group, &mut state, lap)
            {
                let written = outcomes.iter_mut().skip(first);
                written
                    .filter(|outcome| outcome.is_ok())
                    .for_each(|outcome| *outcome = Err(error.again()));
            }
        }
        outcomes
    }

    fn write_group(
        &self,
        group: Group<'_>,
        state: &mut CommitState,
        mut lap: Option<Instant>,
    ) -> Result<()> {
        let (mut batch, commits) = group.rows.finish();
        let merge = self.take_along(&mut batch);
        // Until it is known to have succeeded, even if this thread should unwind.
        state.failed = true;
        reach(Point::CommitReady);
        if let Err(error) = self.backend.write(batch, group.durability) {
            self.write_failed.store(true, Ordering::SeqCst);
            return Err(error);
        }
        reach(Point::CommitWritten);
        let written = match group.durability {
            Durability::Buffered => Timed::CommitWrite,
            Durability::Sync => Timed::CommitSync,
        };
        self.meter.lap(written, &mut lap);
        if let Some(merge) = merge {
            merge.written();
        }
        let versions = commits.into_iter().flat_map(|(timestamp, writes)| {
            let version = move |(key, value): Write| (timestamp, key::encode(&key), value);
            writes.into_iter().map(version)
        });
        self.recent.insert(versions);
        reach(Point::CommitRemembered);
        add(&self.counts.commits, group.records.len());
        let keys = group.records.iter().map(|record| record.keys.len());
        add(&self.counts.writes, keys.sum());
        add(&self.counts.groups, 1);
        add(
            &self.counts.synced_groups,
            usize::from(group.durability == Durability::Sync),
        );
        state.last = group.last;
        self.conflicts.publish(group.records, &self.clock);
        reach(Point::CommitPublished);
        self.meter.note(Timed::CommitPublish, lap);
        self.keeping.committed();
        state.failed = false;
        self.wake.wake();
        Ok(())
    }

    /// Refuses every commit after a failed write, and where the store was opened to read.
    pub(crate) fn check_writable(&self, state: &CommitState) -> Result<()> {
        self.check_not_read_only()?;
        if state.failed || self.write_failed.load(Ordering::SeqCst) {
            return Err(Error::write_failed());
        }
        Ok(())
    }

    /// Counts a transaction that is refused before it comes here: a rollback has ended its snapshot, or its age.
    pub(crate) fn note_refused(&self, is_rolled_back: bool) {
        let counts = &self.counts;
        let count = if is_rolled_back {
            &counts.rolled_back
        } else {
            &counts.too_old
        };
        add(count, 1);
    }

    /// Why a transaction cannot be committed, for people.
    pub(super) fn refused(&self, snapshot: Timestamp, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Conflict {
                key,
                committed,
                clash,
            } => {
                let count = match clash {
                    Clash::Write => &self.counts.write_conflicts,
                    Clash::Read => &self.counts.read_conflicts,
                    Clash::Range => &self.counts.range_conflicts,
                };
                add(count, 1);
                let message = format!(
                    "{} was committed at {committed}, after this transaction's snapshot at \
                     {snapshot}; begin it anew",
                    display(&key)
                );
                Error::conflict(&key, snapshot, committed, message)
            }
            Refusal::RolledBack => {
                self.note_refused(true);
                Error::too_old(format!(
                    "the store was rolled back below the transaction's snapshot at {snapshot}, or while \
                     it was committed; begin it anew"
                ))
            }
            Refusal::TooOld { kept_since } => {
                self.note_refused(false);
                Error::too_old(format!(
                    "the transaction's snapshot at {snapshot} is too old to be checked: commits are \
                     on record above {kept_since} only; begin it anew"
                ))
            }
        }
    }

    /// The timestamp of the next commit.
    fn number(&self, last: Timestamp, given: Option<Timestamp>) -> Result<Timestamp> {
        match (given, self.options.timestamps) {
            (None, TimestampSource::Engine) => last.next().ok_or_else(|| {
                Error::invalid(format!(
                    "no timestamp is left above {last}; the largest is {}",
                    Timestamp::MAX
                ))
            }),
            (None, TimestampSource::CallerGiven) => Err(Error::invalid(
                "this store's commits are numbered by their caller; give a timestamp (commit_at)",
            )),
            (Some(timestamp), _) if timestamp <= last => Err(Error::invalid(format!(
                "the timestamp {timestamp} is not above the last commit, {last}"
            ))),
            (Some(timestamp), _) if timestamp > Timestamp::MAX => Err(Error::invalid(format!(
                "the timestamp {timestamp} is above the largest, {}",
                Timestamp::MAX
            ))),
            (Some(timestamp), _) => Ok(timestamp),
        }
    }
}

impl<'s> Group<'s> {
    fn new(store: &'s Store, last: Timestamp) -> Self {
        Self {
            store,
            last,
            rows: Rows::default(),
            records: Vec::new(),
            durability: Durability::Buffered,
        }
    }

    /// Adds a commit, or refuses it and stays as it was. `others_follow` in this group.
    fn add(&mut self, request: Request, others_follow: bool) -> Result<CommitInfo> {
        let Request {
            writes,
            live,
            requires,
            options,
            asked: _,
        } = request;
        let expected = match requires {
            Requires::Nothing => None,
            Requires::Value(expected) => Some(expected),
            Requires::Unchanged(reliance) => {
                self.check(&reliance, &writes)?;
                None
            }
        };
        let timestamp = self.store.number(self.last, options.timestamp)?;
        if let Some(Expected(value)) = expected {
            self.check_value(&writes, value.as_ref())?;
        }
        let live = match live {
            Some(live) => live,
            None => self.rows.live(self.store, &writes)?,
        };
        let time_ms = unix_ms(options.time.unwrap_or_else(SystemTime::now));
        let keys: Vec<Key> = writes.iter().map(|(key, _)| key.clone()).collect();
        self.rows
            .add(timestamp, time_ms, writes, &live, others_follow)?;

        let info = CommitInfo {
            timestamp,
            writes: keys.len(),
        };
        self.records.push(Record { timestamp, keys });
        self.last = timestamp;
        let durability = options.durability.unwrap_or(self.store.options.durability);
        if durability == Durability::Sync {
            self.durability = Durability::Sync;
        }
        Ok(info)
    }

    /// Checks a transaction against published commits and those of this group.
    fn check(&self, reliance: &Reliance, writes: &[Write]) -> Result<()> {
        let published = self.store.conflicts.check(reliance, writes);
        published
            .and_then(|()| reliance.check_against(writes, self.records.iter()))
            .map_err(|refusal| self.store.refused(reliance.snapshot(), refusal))
    }

    fn check_value(&self, writes: &[Write], expected: Option<&Value>) -> Result<()> {
        let Some((key, _)) = writes.first() else {
            return Ok(());
        };
        let (changed, value) = self.rows.newest(self.store, key)?;
        if value.as_ref() == expected {
            return Ok(());
        }
        add(&self.store.counts.value_conflicts, 1);
        Err(Error::conflict(
            key,
            self.last,
            changed,
            format!(
                "the value of {} is not the expected one; read it again",
                display(key)
            ),
        ))
    }
}

/// Milliseconds since 1970; a time before that counts as 0.
fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
