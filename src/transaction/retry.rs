//! Running a closure as a transaction until it wins.
//!
//! A transaction that lost is begun anew at once, then after pauses that grow and differ by chance, so
//! that those that met do not meet again. After a number of attempts it waits for the turn to commit and
//! runs while nobody else can commit: that attempt cannot lose. So the work is bounded, and no
//! transaction starves, however long it is and however short its rivals are. Only the age limit, where the
//! store has one, can still refuse it: in the turn it would be no younger, so the turn is not taken for that;
//! nor for a transaction that only reads.

use std::time::Duration;

use super::{Transaction, TransactionOptions};
use crate::{
    error::{Error, Result},
    storage::{CommitInfo, CommitOptions, Guard, commit::CommitTurn, store::Store},
    sync::{self, Arc},
    timestamp::Timestamp,
};

/// The first pause lasts at most this long; each later one twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// A transaction that was run and committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transacted<T> {
    /// What the closure returned.
    pub value: T,
    /// The commit's timestamp: every read at or above it sees the transaction. Where it wrote nothing,
    /// the timestamp that it read at.
    pub timestamp: Timestamp,
    /// How many keys it wrote.
    pub writes: usize,
    /// How often it lost before.
    pub retries: u32,
}

/// Runs a closure until it wins.
pub(crate) fn transact<T, E: From<Error>>(
    store: &Arc<Store>,
    options: &TransactionOptions,
    commit: CommitOptions,
    mut work: impl FnMut(&mut Transaction) -> Result<T, E>,
) -> Result<Transacted<T>, E> {
    let only_reads = options.only_reads();
    let attempts = if only_reads {
        options.attempts.max(1)
    } else {
        options.attempts
    };
    for retries in 0..attempts {
        pause(retries);
        let is_last = retries + 1 == attempts;
        if !only_reads {
            store.wait_for_debt()?;
        }
        let mut tx = Begun::new(store, options)?;
        let guard = Arc::clone(&tx.guard);
        let error = match work(&mut tx.transaction) {
            Ok(value) => match tx.commit(commit, None) {
                Ok(info) => return Ok(transacted(value, info, retries)),
                Err(error) if !error.is_retryable() => return Err(error.into()),
                Err(error) => error.into(),
            },
            Err(error) if !guard.was_refused() => return Err(error),
            // It asked in vain, too late.
            Err(error) => error,
        };
        // In the turn it would be no younger; but nothing can be rolled back there.
        let is_too_old = guard.was_refused() && guard.check_epoch().is_ok();
        if is_last && (only_reads || is_too_old) {
            return Err(error);
        }
    }
    let turn = store.commit_turn()?;
    let mut tx = Begun::new(store, options)?;
    let value = work(&mut tx.transaction)?;
    let info = tx.commit(commit, Some(&turn))?;
    Ok(transacted(value, info, attempts))
}

/// A transaction that a closure works with, and what tells it from others.
struct Begun {
    transaction: Transaction,
    guard: Arc<Guard>,
}

impl Begun {
    fn new(store: &Arc<Store>, options: &TransactionOptions) -> Result<Self> {
        let transaction = Transaction::begin(store, options)?;
        Ok(Self {
            guard: Arc::clone(&transaction.guard),
            transaction,
        })
    }

    fn commit(self, options: CommitOptions, turn: Option<&CommitTurn<'_>>) -> Result<CommitInfo> {
        if !Arc::ptr_eq(&self.guard, &self.transaction.guard) {
            return Err(Error::invalid(
                "the closure has put another transaction in the place of the one that it was given; \
                 commit that one by hand",
            ));
        }
        self.transaction.finish(options, turn)
    }
}

fn transacted<T>(value: T, info: CommitInfo, retries: u32) -> Transacted<T> {
    Transacted {
        value,
        timestamp: info.timestamp,
        writes: info.writes,
        retries,
    }
}

/// Lets others go by: not before the first attempt and the first retry, for a while before later ones.
fn pause(retries: u32) {
    if retries < 2 {
        return;
    }
    let longest = FIRST_PAUSE
        .saturating_mul(1 << (retries - 2).min(16))
        .min(LONGEST_PAUSE);
    sync::pause(longest.mul_f64(fastrand::f64()));
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::time::Duration;

    use crate::{
        CommitOptions, Engine, Error, ErrorKind, Isolation, MemoryConfig, MemoryStorage, ReadView,
        TransactionOptions,
    };

    #[test]
    fn a_transaction_of_another_store_is_not_committed_here() {
        let (ours, theirs) = (Engine::in_memory(), Engine::in_memory());
        ours.set(b"key", b"ours").unwrap();
        for attempts in [0, 1] {
            let options = TransactionOptions::default().attempts(attempts);
            let outcome = ours.transact_with(options, CommitOptions::default(), |tx| {
                *tx = theirs.begin(Isolation::Snapshot)?;
                tx.set(b"key", b"theirs")
            });
            assert_eq!(*outcome.unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert_eq!(ours.get(b"key").unwrap().as_deref(), Some(&b"ours"[..]));
        assert_eq!(theirs.get(b"key").unwrap(), None);
    }

    /// An engine whose snapshots are too old once the clock has moved.
    fn impatient() -> Engine {
        let config = MemoryConfig {
            max_snapshot_age: Some(Duration::ZERO),
            ..MemoryConfig::default()
        };
        Engine::new(&MemoryStorage::with_config(config))
    }

    #[test]
    fn past_the_age_limit_no_turn_is_taken() {
        let engine = impatient();
        let mut runs = 0;
        let outcome = engine.transact(Isolation::Serializable, |tx| {
            runs += 1;
            loop {
                tx.get(b"key")?;
            }
        });
        let outcome: Result<crate::Transacted<()>, Error> = outcome;
        assert_eq!(*outcome.unwrap_err().kind(), ErrorKind::TooOld);
        assert_eq!(runs, TransactionOptions::default().attempts);
    }

    #[test]
    fn an_error_of_the_closure_is_its_own_whatever_its_age() {
        let mut runs = 0;
        let outcome = impatient().transact(Isolation::Serializable, |_| {
            runs += 1;
            Err::<(), _>(Error::invalid("sold out"))
        });
        assert_eq!(*outcome.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(runs, 1);
    }

    #[test]
    fn one_that_only_reads_takes_no_turn() {
        let engine = Engine::in_memory();
        let turn = engine.set(b"key", b"value").unwrap();
        let options = TransactionOptions::default().at(turn).attempts(0);
        let outcome = engine.transact_with(options, CommitOptions::default(), |tx| {
            // In a turn this would be refused.
            engine.set(b"key", b"other")?;
            tx.get(b"key")
        });
        let outcome = outcome.unwrap();
        assert_eq!(outcome.value.as_deref(), Some(&b"value"[..]));
        assert_eq!((outcome.timestamp, outcome.writes), (turn, 0));
    }
}
