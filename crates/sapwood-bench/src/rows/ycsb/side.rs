//! [`Side`]: one engine at a workload.

use anyhow::Result;

use super::workload::{Action, Operation, Workload};
use crate::{
    convert::count,
    harness::{Clock, Sample},
    stores::LatestState,
};

/// What the rounds ask of an engine, whichever it is. Inside of a round nothing is called through a
/// table: each engine has a loop of its own.
pub(super) trait Side {
    /// Writes the first rows.
    fn load(&self, workload: &Workload) -> Result<()>;

    /// Does the operations of a round.
    fn round(&self, operations: &[Operation]) -> Result<Sample>;

    /// Whether the store holds the rows of the workload, byte by byte, in order.
    fn holds(&self, workload: &Workload) -> Result<bool>;
}

impl<S: LatestState> Side for S {
    fn load(&self, workload: &Workload) -> Result<()> {
        let rows: Vec<_> = workload.rows().collect();
        let rows = rows.iter().map(|(key, value)| (*key, value.as_slice()));
        LatestState::load(self, rows)
    }

    fn round(&self, operations: &[Operation]) -> Result<Sample> {
        Clock::Process.time(|| {
            let mut wrong = 0;
            for operation in operations {
                wrong += u64::from(!is_right(self, operation)?);
            }
            Ok((count(operations.len()), wrong))
        })
    }

    fn holds(&self, workload: &Workload) -> Result<bool> {
        let mut expected = workload.rows();
        let mut same = true;
        self.walk(&[0; 32], usize::MAX, |key, value| {
            same &= expected
                .next()
                .is_some_and(|(its_key, its_value)| key == its_key && value == its_value);
        })?;
        Ok(same && expected.next().is_none())
    }
}

/// Does an operation. Returns whether it saw what it should have seen.
fn is_right(store: &impl LatestState, operation: &Operation) -> Result<bool> {
    let key = &operation.key;
    Ok(match &operation.action {
        Action::Read { sees } => store.read(key)? == Some(*sees),
        Action::Write { value } => {
            store.write(key, value)?;
            true
        }
        Action::Modify { sees, value } => store.modify(key, value)? == Some(*sees),
        Action::Scan { rows, sees } => store.scan(key, *rows)? == *sees,
    })
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap};

    use super::*;
    use crate::{
        data::{Key, stamp_of},
        rows::ycsb::workload::Mix,
    };

    /// A store in memory, which may lose each tenth write.
    #[derive(Default)]
    struct Map {
        rows: RefCell<BTreeMap<Key, Vec<u8>>>,
        loses: bool,
        writes: RefCell<u32>,
    }

    impl LatestState for Map {
        fn load<'a>(&self, rows: impl Iterator<Item = (&'a Key, &'a [u8])>) -> Result<()> {
            let rows = rows.map(|(key, value)| (*key, value.to_vec()));
            self.rows.borrow_mut().extend(rows);
            Ok(())
        }

        fn read(&self, key: &Key) -> Result<Option<u64>> {
            Ok(self.rows.borrow().get(key).map(|value| stamp_of(value)))
        }

        fn write(&self, key: &Key, value: &[u8]) -> Result<()> {
            *self.writes.borrow_mut() += 1;
            if !(self.loses && self.writes.borrow().is_multiple_of(10)) {
                self.rows.borrow_mut().insert(*key, value.to_vec());
            }
            Ok(())
        }

        fn modify(&self, key: &Key, value: &[u8]) -> Result<Option<u64>> {
            let read = self.read(key)?;
            self.write(key, value)?;
            Ok(read)
        }

        fn walk(&self, from: &Key, rows: usize, mut see: impl FnMut(&[u8], &[u8])) -> Result<()> {
            for (key, value) in self.rows.borrow().range(*from..).take(rows) {
                see(key, value);
            }
            Ok(())
        }
    }

    /// Wrong answers of two rounds, and whether the store was right in the end.
    fn run(store: &Map) -> (u64, bool) {
        let mix = Mix {
            reads: 20,
            updates: 20,
            inserts: 20,
            scans: 20,
            modifications: 20,
            latest: true,
        };
        let mut workload = Workload::new(mix, 200, 1_000, 2);
        Side::load(store, &workload).unwrap();
        assert!(store.holds(&workload).unwrap());
        let wrong = (0..2).map(|round| store.round(&workload.round(round)).unwrap().wrong);
        let wrong = wrong.sum();
        (wrong, store.holds(&workload).unwrap())
    }

    #[test]
    fn a_store_that_keeps_everything_is_right() {
        assert_eq!(run(&Map::default()), (0, true));
    }

    #[test]
    fn a_store_that_loses_writes_is_found_out_by_reads_and_at_the_end() {
        let (wrong, holds) = run(&Map {
            loses: true,
            ..Map::default()
        });
        assert!(wrong > 0 && !holds);
    }
}
