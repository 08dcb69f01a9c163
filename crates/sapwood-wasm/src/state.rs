//! [`State`]: what a running contract reads and writes through, in a block or in the past.

use sapwood::{BlockContext, Key, ReadView, Result, Snapshot, Value, storage::KeyRange};

/// Rows in key order; they own what they need.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<(Key, Value)>>>;

/// A state that a contract runs on. Its keys are those of the whole state.
pub(crate) trait State {
    fn may_write(&self) -> bool;
    fn get(&self, key: &[u8]) -> Result<Option<Value>>;
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    fn delete(&mut self, key: &[u8]) -> Result<()>;
    fn range(&self, range: KeyRange) -> Rows;
}

impl State for BlockContext<'_> {
    fn may_write(&self) -> bool {
        true
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        ReadView::get(self, key)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        BlockContext::set(self, key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        BlockContext::delete(self, key)
    }

    fn range(&self, range: KeyRange) -> Rows {
        Box::new(ReadView::range(self, range))
    }
}

/// A state of the past.
pub(crate) struct Past<'a>(pub(crate) &'a Snapshot);

impl State for Past<'_> {
    fn may_write(&self) -> bool {
        false
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.0.get(key)
    }

    fn set(&mut self, _key: &[u8], _value: &[u8]) -> Result<()> {
        Err(read_only())
    }

    fn delete(&mut self, _key: &[u8]) -> Result<()> {
        Err(read_only())
    }

    fn range(&self, range: KeyRange) -> Rows {
        Box::new(self.0.range(range))
    }
}

/// Nobody gets it: whether it may write is asked before.
fn read_only() -> sapwood::Error {
    sapwood::Error::of_machine(
        sapwood::ErrorKind::ReadOnly,
        "a call of the past only reads",
    )
}
