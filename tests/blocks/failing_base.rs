//! A state below a block that cannot be read at one key.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use sapwood::{BaseRows, BlockBase, ErrorKind, Key, KeyRange, Result, Value};

use crate::{on_executor::refusal, oracle::Rows};

/// The rows of a state; one key gives an error however it is read.
pub(crate) struct FailingBase {
    rows: BTreeMap<Key, Value>,
    bad: Vec<u8>,
    /// How often it was asked for.
    pub(crate) failures: Arc<AtomicU32>,
}

impl FailingBase {
    pub(crate) fn new(rows: &Rows, bad: &[u8]) -> Self {
        let rows = rows.iter();
        let mut rows: BTreeMap<_, _> = rows
            .map(|(key, value)| (Key::copy_from_slice(key), Value::copy_from_slice(value)))
            .collect();
        rows.insert(Key::copy_from_slice(bad), Value::new());
        Self {
            rows,
            bad: bad.to_vec(),
            failures: Arc::default(),
        }
    }
}

/// The kind of the error that it gives.
pub(crate) fn is_from_base(kind: &ErrorKind) -> bool {
    *kind == ErrorKind::Invalid
}

impl BlockBase for FailingBase {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        if key == self.bad {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(refusal());
        }
        Ok(self.rows.get(key).cloned())
    }

    fn range(&self, range: &KeyRange) -> BaseRows {
        let rows = self.rows.iter().filter(|(key, _)| range.contains(key));
        let failures = Arc::clone(&self.failures);
        let bad = self.bad.clone();
        let row = move |(key, value): (Key, Value)| {
            if key == bad {
                failures.fetch_add(1, Ordering::SeqCst);
                return Err(refusal());
            }
            Ok((key, value))
        };
        let rows: Vec<_> = rows
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Box::new(rows.into_iter().map(row))
    }
}
