//! How a transaction is run.

use crate::timestamp::Timestamp;

/// What a transaction that writes is kept safe from.
///
/// At both levels it reads one unchanging state, that of its snapshot, and its own writes; and it is
/// refused where another commit wrote a key that it writes too.
///
/// # Examples
/// Each of two doctors goes off call, seeing that the other is on. One after the other this could
/// not happen:
/// ```
/// use sapwood::{Engine, Isolation, ReadView, Result, Transaction};
///
/// fn leave(tx: &mut Transaction, doctor: &str) -> Result<()> {
///     if tx.scan(b"on-call/").count() > 1 {
///         tx.delete(format!("on-call/{doctor}"))?;
///     }
///     Ok(())
/// }
///
/// for (isolation, still_on_call) in [(Isolation::Snapshot, 0), (Isolation::Serializable, 1)] {
///     let engine = Engine::in_memory();
///     engine.set(b"on-call/ada", b"")?;
///     engine.set(b"on-call/bob", b"")?;
///     let (mut first, mut second) = (engine.begin(isolation)?, engine.begin(isolation)?);
///     leave(&mut first, "ada")?;
///     leave(&mut second, "bob")?;
///     first.commit()?;
///     let outcome = second.commit(); // a conflict, where it is serializable
///     assert_eq!(outcome.is_err(), isolation == Isolation::Serializable);
///     assert_eq!(engine.scan(b"on-call/").count(), still_on_call);
/// }
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// Snapshot isolation: transactions that read what others among them overwrite may all be committed
    /// (write skew, between two or more), and a reader may see a state that only such transactions could
    /// leave. Nothing else is given up. ("A Critique of ANSI SQL Isolation Levels", Berenson and others,
    /// 1995; "A Read-Only Transaction Anomaly Under Snapshot Isolation", Fekete and others, 2004.)
    Snapshot,
    /// As if transactions ran one after the other, in the order of their commit timestamps: what a
    /// transaction read, keys that it found missing and ranges included, is still so when it commits.
    #[default]
    Serializable,
}

/// How a transaction is begun.
///
/// # Examples
/// ```
/// use sapwood::{Engine, ErrorKind, ReadView, Timestamp, TransactionOptions};
///
/// let engine = Engine::in_memory();
/// engine.set(b"key", b"old")?;
/// engine.set(b"key", b"new")?;
/// let mut past = engine.begin_with(TransactionOptions::default().at(Timestamp::new(1)))?;
/// assert_eq!(past.get(b"key")?.as_deref(), Some(&b"old"[..]));
/// assert_eq!(*past.set(b"key", b"other").unwrap_err().kind(), ErrorKind::ReadOnly);
/// # Ok::<(), sapwood::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionOptions {
    /// What a transaction that writes is kept safe from.
    ///
    /// Unit: a choice. Default: [`Isolation::Serializable`].
    pub isolation: Isolation,
    /// Refuses writes. Such a transaction is never refused itself (but for the store's age limit), and
    /// costs others nothing.
    ///
    /// Unit: yes or no. Default: `false`.
    pub read_only: bool,
    /// Reads at this timestamp; then it only reads.
    ///
    /// Unit: a timestamp. Default: `None`, the visible timestamp.
    pub at: Option<Timestamp>,
    /// How often [`transact`](crate::Engine::transact) lets others win before it takes a turn in which
    /// nobody else can commit.
    ///
    /// Unit: attempts. Default: 8.
    pub attempts: u32,
}

impl Default for TransactionOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::default(),
            read_only: false,
            at: None,
            attempts: 8,
        }
    }
}

impl TransactionOptions {
    /// Runs at this level.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Only reads.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Reads at this timestamp, and only reads.
    #[must_use]
    pub fn at(mut self, timestamp: Timestamp) -> Self {
        self.at = Some(timestamp);
        self
    }

    /// Lets others win this often.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Whether nothing can be written.
    pub(crate) fn only_reads(&self) -> bool {
        self.read_only || self.at.is_some()
    }
}
