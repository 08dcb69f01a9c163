//! Points between the steps of the store, at which tests end the process (feature `failpoints`).
//!
//! Without the feature `reach` is nothing. With it, a test gives a point something to do by its name, through the
//! crate `fail`, and [`Point::ALL`] lets it try every one.

macro_rules! points {
    ($($(#[doc = $what:literal])+ $name:ident,)+) => {
        /// A point between two steps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        #[cfg_attr(not(feature = "failpoints"), allow(unreachable_pub, reason = "public with the feature only"))]
        pub enum Point {
            $($(#[doc = $what])+ $name,)+
        }

        #[cfg(feature = "failpoints")]
        impl Point {
            /// Every point.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name, by which the crate `fail` knows it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

points! {
    /// The backend is open, and nothing was read yet.
    Opened,
    /// A rollback that had begun is finished, and the marks are not read yet.
    OpenedFinished,
    /// All that was known is known again; the store is not handed out yet.
    OpenedRecalled,
    /// A group of commits is ready to be written.
    CommitReady,
    /// It was written, and synced where one of them asks for that.
    CommitWritten,
    /// Its versions are in memory.
    CommitRemembered,
    /// It is visible, and nobody was told.
    CommitPublished,
    /// The committer has its answer, and owes the merge.
    CommitAnswered,
    /// A segment of recent versions was sealed.
    MergeSealed,
    /// Rows of the merge go out with a group.
    MergeTakenAlong,
    /// A piece of the merge is ready to be written.
    MergeReady,
    /// It was written.
    MergeWritten,
    /// Everything is merged, and the floor is not moved yet.
    PruneMerged,
    /// The floor is written, and nobody knows.
    PruneFloorWritten,
    /// Reads see the floor, filters do not.
    PruneFloorPublished,
    /// Filters have the rule, and nothing is driven.
    PruneArmed,
    /// A part of a keyspace is compacted next.
    PruneCompacts,
    /// All was driven.
    PruneDriven,
    /// A pin is written, and not in memory.
    PinWritten,
    /// It is in memory, and its maker was not told.
    PinKept,
    /// Pins are erased, and still in memory.
    PinErased,
    /// Most is merged and flushed for a copy, the rest is not.
    CopyFlushed,
    /// All is merged, and the files are linked next.
    CopyReady,
    /// The files are linked.
    CopyLinked,
    /// Before each step of a checkpoint.
    CheckpointStep,
    /// Before each step of a restore.
    RestoreStep,
    /// The copy is in its place, and not opened.
    RestorePlaced,
    /// Everything is merged before a rollback.
    RollbackMerged,
    /// What it will do was tried without writing.
    RollbackTried,
    /// Its beginning is written.
    RollbackBegun,
    /// A batch of it is written next.
    RollbackBatch,
    /// All is taken back, the end is not written.
    RollbackTaken,
    /// The end is written, and memory is as it was.
    RollbackEnded,
    /// Everybody sees it, and its caller was not told.
    RollbackPublished,
    /// Everything was synced before closing.
    Closed,
}

/// Comes by a point.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(point: Point) {
    fail::fail_point!(point.name());
}

/// Comes by a point: nothing happens.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn reach(_: Point) {}
