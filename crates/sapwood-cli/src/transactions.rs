//! [`Transactions`]: the open transactions of a session, by their names.

use std::collections::BTreeMap;

use sapwood::{Savepoint, Transaction};

use crate::{
    failure::{Failure, Result},
    language::text::printable,
};

/// The open transactions of a session. What is dropped is rolled back.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: BTreeMap<Vec<u8>, Open>,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) transaction: Transaction,
    /// The points that can be gone back to, the oldest first.
    savepoints: Vec<(Vec<u8>, Savepoint)>,
}

impl Transactions {
    /// Whether a transaction of this name is open.
    pub(crate) fn is_open(&self, name: &[u8]) -> bool {
        self.open.contains_key(name)
    }

    /// The name of an open transaction, if there is one.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.open.keys().next().map(Vec::as_slice)
    }

    /// Keeps a transaction under a name that none has.
    pub(crate) fn add(&mut self, name: Vec<u8>, transaction: Transaction) {
        let open = Open {
            transaction,
            savepoints: Vec::new(),
        };
        self.open.insert(name, open);
    }

    /// An open transaction.
    pub(crate) fn get(&mut self, name: &[u8]) -> Result<&mut Open> {
        self.open.get_mut(name).ok_or_else(|| not_open(name))
    }

    /// Takes out a transaction, so that it can be ended. Its name is free, however that goes.
    pub(crate) fn take(&mut self, name: &[u8]) -> Result<Transaction> {
        let open = self.open.remove(name).ok_or_else(|| not_open(name))?;
        Ok(open.transaction)
    }
}

impl Open {
    /// Names the point that has been reached; a name that was set before moves here.
    pub(crate) fn savepoint(&mut self, name: Vec<u8>) {
        self.savepoints.retain(|(known, _)| *known != name);
        self.savepoints.push((name, self.transaction.savepoint()));
    }

    /// Undoes the writes behind a point. The point stays; those behind it are gone.
    pub(crate) fn rollback_to(&mut self, name: &[u8]) -> Result<()> {
        let mut savepoints = self.savepoints.iter();
        let found = savepoints.position(|(known, _)| known == name);
        let position = found.ok_or_else(|| {
            Failure::new(
                "not_found",
                format!("there is no savepoint {:?}", printable(name)),
            )
        })?;
        self.savepoints.truncate(position + 1);
        if let Some((_, savepoint)) = self.savepoints.last() {
            self.transaction.rollback_to(savepoint)?;
        }
        Ok(())
    }
}

fn not_open(name: &[u8]) -> Failure {
    Failure::new(
        "not_found",
        format!(
            "no transaction {:?} is open; begin it, or begin it again where it has ended",
            printable(name)
        ),
    )
}
