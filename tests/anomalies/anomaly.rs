//! What can be wrong with a history, by name.

use std::fmt;

/// The classes of anomalies. Those of the graph are Adya's ("Generalized Isolation Level
/// Definitions", Adya, Liskov and O'Neil, ICDE 2000), searched for as in Elle (Kingsbury and
/// Alvaro, VLDB 2020); the condition for snapshot isolation is Cerone and Gotsman's ("Analysing
/// Snapshot Isolation", PODC 2016): every cycle has two anti-dependencies that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A version that nobody wrote was read.
    ThinAir,
    /// A transaction does not see its own writes, or sees those that it took back.
    Internal,
    /// Write cycle: transactions overwrite each other in turn.
    G0,
    /// Aborted read.
    G1a,
    /// Intermediate read: not the writer's last version.
    G1b,
    /// Circular information flow: a cycle of writes and reads from each other.
    G1c,
    /// Lost update (P4): a key was read and written, and written by another in between.
    LostUpdate,
    /// Read skew: a cycle with exactly one anti-dependency.
    GSingle,
    /// A cycle with anti-dependencies of which no two follow each other: two readers see two writes
    /// in opposite orders.
    LongFork,
    /// A cycle with anti-dependencies, all of single keys: write skew.
    G2Item,
    /// A cycle with anti-dependencies of scans: a phantom.
    G2,
    /// A read is not of the state at the transaction's snapshot.
    NotOfSnapshot,
    /// A read of a serializable transaction is not of the state just before its commit.
    NotOfCommit,
    /// Two overlapping transactions wrote one key, and both were committed.
    FirstCommitterLost,
    /// Versions do not follow each other in the order of their timestamps, or a timestamp was given
    /// twice.
    TimestampOrder,
    /// A transaction does not see one that had ended before it began, or is ordered before it.
    RealTime,
}

/// One violation, and how it comes about.
#[derive(Clone, Debug)]
pub(crate) struct Anomaly {
    pub(crate) class: Class,
    pub(crate) story: String,
}

impl Anomaly {
    pub(crate) fn new(class: Class, story: impl Into<String>) -> Self {
        let story = story.into();
        Self { class, story }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.class, self.story)
    }
}
