//! [`Trouble`]: calls that fail.

use fuser::Errno;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Writing to a file: EIO.
    Write,
    /// Waiting for the disk: EIO.
    Sync,
    /// Everything that needs room: ENOSPC.
    Full,
}

/// What fails, and from when on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) fault: Fault,
    /// So many calls of that kind are well before.
    pub(crate) after: u64,
    /// Whether it goes on, rather than to happen once.
    pub(crate) lasts: bool,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Writes to a file; longer than before, or not.
    Write {
        grows: bool,
    },
    /// Makes a file or directory.
    Make,
    Sync,
}

/// The trouble that there is at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles {
    next: Option<Trouble>,
    /// How many calls have failed.
    failed: u64,
}

impl Troubles {
    pub(crate) fn set(&mut self, trouble: Option<Trouble>) {
        self.next = trouble;
        self.failed = 0;
    }

    /// Lets trouble that is yet to come come with the next call of its kind.
    pub(crate) fn hasten(&mut self) {
        if let Some(trouble) = &mut self.next {
            trouble.after = 0;
        }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// The error of a call. The first one that fails is told.
    pub(crate) fn meet(&mut self, call: Call) -> Option<(Errno, bool)> {
        let trouble = self.next.as_mut()?;
        let error = match (trouble.fault, call) {
            (Fault::Write, Call::Write { .. }) | (Fault::Sync, Call::Sync) => Errno::EIO,
            (Fault::Full, Call::Make | Call::Write { grows: true }) => Errno::ENOSPC,
            _ => return None,
        };
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        let is_first = !trouble.lasts || self.failed == 0;
        self.failed += 1;
        if !trouble.lasts {
            self.next = None;
        }
        Some((error, is_first))
    }
}
