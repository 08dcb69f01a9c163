//! [`Kept`]: what an executor keeps from block to block.

use super::{frame::Frame, memory::Tables, pace::Verdict};
use crate::sync::{Arc, Mutex};

/// Memory for more keys than this is given back.
const KEPT_KEYS: usize = 1 << 17;
/// Blocks of which one is run while the one before is made durable.
const KEPT_TABLES: usize = 2;

pub(super) struct Kept {
    /// What the blocks before were like.
    pub(super) verdict: Verdict,
    /// Emptied, so that pages are not given back and taken again with every block.
    frames: Mutex<Vec<Frame>>,
    tables: Mutex<Vec<Tables>>,
    workers: usize,
}

impl Kept {
    pub(super) fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            verdict: Verdict::new(),
            frames: Mutex::default(),
            tables: Mutex::default(),
            workers,
        })
    }

    pub(super) fn take_frame(&self) -> Frame {
        self.frames.lock().pop().unwrap_or_default()
    }

    pub(super) fn take_tables(&self) -> Tables {
        self.tables.lock().pop().unwrap_or_default()
    }

    pub(super) fn keep_frame(&self, mut frame: Frame) {
        if frame.capacity() <= KEPT_KEYS {
            frame.clear();
            keep(&self.frames, frame, self.workers);
        }
    }

    pub(super) fn keep_tables(&self, mut tables: Tables) {
        if tables.len() <= KEPT_KEYS {
            tables.clear();
            keep(&self.tables, tables, KEPT_TABLES);
        }
    }
}

fn keep<T>(kept: &Mutex<Vec<T>>, item: T, at_most: usize) {
    let mut kept = kept.lock();
    if kept.len() < at_most {
        kept.push(item);
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
