//! The commands of transactions.

use sapwood::{ReadView, TransactionOptions};

use super::read::rows;
use crate::{
    answer::Answer,
    failure::{Failure, Result},
    language::{
        command::{Begin, Step},
        text::printable,
    },
    session::Session,
};

impl Session {
    pub(super) fn begin(&mut self, begin: Begin) -> Result<Answer> {
        if self.transactions.is_open(&begin.name) {
            return Err(Failure::invalid(format!(
                "a transaction {:?} is open already; end it, or take another name",
                printable(&begin.name)
            )));
        }
        let mut options = TransactionOptions::default().isolation(begin.isolation);
        if begin.read_only {
            options = options.read_only();
        }
        if let Some(at) = begin.at {
            options = options.at(at);
        }
        let transaction = self.engine.begin_with(options)?;
        let snapshot = transaction.timestamp();
        self.transactions.add(begin.name, transaction);
        Ok(Answer::Began(snapshot))
    }

    pub(super) fn within(&mut self, name: &[u8], step: Step) -> Result<Answer> {
        let transactions = &mut self.transactions;
        Ok(match step {
            Step::Get { key } => Answer::Value(transactions.get(name)?.transaction.get(key)?),
            Step::Scan(scan) => rows(&transactions.get(name)?.transaction, scan)?,
            Step::Set { key, value } => {
                transactions.get(name)?.transaction.set(key, value)?;
                Answer::Done
            }
            Step::Delete { key } => {
                transactions.get(name)?.transaction.delete(key)?;
                Answer::Done
            }
            Step::Savepoint { name: point } => {
                transactions.get(name)?.savepoint(point);
                Answer::Done
            }
            Step::RollbackTo { savepoint } => {
                transactions.get(name)?.rollback_to(&savepoint)?;
                Answer::Done
            }
            Step::Commit => {
                let commit = transactions.take(name)?.commit()?;
                let wrote = commit.writes > 0;
                Answer::Ended(wrote.then_some(commit.timestamp))
            }
            Step::Rollback => {
                transactions.take(name)?.rollback();
                Answer::Done
            }
        })
    }
}
