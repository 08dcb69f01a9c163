//! W3: transfers between few accounts: two balances are read, and both are written.
//!
//! Beside the sum of all balances every version of every balance is checked. Transactions say at which
//! timestamps they were committed; done one by one in that order, the transfers must give exactly the
//! versions that the store holds. A block must give what its transfers give in their order.

use std::sync::Arc;

use anyhow::{Result, ensure};
use sapwood::{
    Batch, BlockContext, BlockExecutor, CommitOptions, Engine, Isolation, Key, ReadView, Timestamp,
    TxnOutcome,
};

use super::{
    number::{number, text},
    runs::{Effort, Run, execute, versions},
};
use crate::{
    convert::{count, length},
    harness::{Sample, on_threads},
    zipf,
};

/// Where the balances begin: the one commit that a store is made with.
const FILLED: Timestamp = Timestamp::new(1);
const START: u64 = 10_000;
const SEED: u64 = 3_003;

#[derive(Clone)]
struct Account {
    number: usize,
    key: Key,
}

#[derive(Clone)]
struct Transfer {
    from: Account,
    to: Account,
    amount: u64,
}

pub(super) struct Load {
    accounts: Vec<Account>,
    transfers: Arc<[Transfer]>,
}

impl Load {
    /// So many transfers between two different ones of so many accounts, drawn uniformly.
    pub(super) fn new(transfers: usize, accounts: u32) -> Self {
        let draws = zipf::uniform(accounts, transfers * 2, SEED);
        let accounts: Vec<Account> = (0..length(u64::from(accounts)))
            .map(|number| Account {
                number,
                key: Key::from(format!("account_{number}")),
            })
            .collect();
        let transfer = |(amount, [from, to]): (u64, &[u32; 2])| {
            let [from, to] = [from, to].map(|id| length(u64::from(*id)));
            let to = if from == to {
                (to + 1) % accounts.len()
            } else {
                to
            };
            Some(Transfer {
                from: accounts.get(from)?.clone(),
                to: accounts.get(to)?.clone(),
                amount: amount % 7 + 1,
            })
        };
        let pairs = (0..).zip(draws.as_chunks().0);
        let transfers = pairs.filter_map(transfer).collect();
        Self {
            accounts,
            transfers,
        }
    }

    /// All transfers as one block.
    pub(super) fn in_a_block(&self, executor: &BlockExecutor) -> Result<Run> {
        let engine = self.filled()?;
        let height = Timestamp::new(FILLED.get() + 1);
        let transfer = |ctx: &mut BlockContext<'_>, transfer: &Transfer| {
            let rich = number(ctx.get(&transfer.from.key)?.as_deref());
            let poor = number(ctx.get(&transfer.to.key)?.as_deref());
            let [rich, poor] = transfer.moved([rich, poor]);
            ctx.set(&transfer.from.key, text(rich))?;
            ctx.set(&transfer.to.key, text(poor))
        };
        let (sample, block) = execute(&engine, executor, height, &self.transfers, transfer)?;
        let outcomes = block.output.outcomes.iter();
        let committed = outcomes
            .filter(|outcome| matches!(outcome, TxnOutcome::Success(())))
            .count();
        let order = self.transfers.iter().map(|transfer| (height, transfer));
        Ok(Run {
            sample,
            effort: Effort::Block(block.output.stats),
            check: self.check(&engine, committed, order),
        })
    }

    /// Each transfer by itself, tried again until it commits; the threads share them evenly.
    pub(super) fn in_transactions(&self, threads: usize) -> Result<Run> {
        let engine = self.filled()?;
        let each = self.transfers.len().div_ceil(threads).max(1);
        let parts: Vec<_> = self.transfers.chunks(each).collect();
        let transact = |transfer: &Transfer| {
            engine.transact(Isolation::Serializable, |tx| {
                let rich = number(tx.get(&transfer.from.key)?.as_deref());
                let poor = number(tx.get(&transfer.to.key)?.as_deref());
                let [rich, poor] = transfer.moved([rich, poor]);
                tx.set(&transfer.from.key, text(rich))?;
                tx.set(&transfer.to.key, text(poor))
            })
        };
        let (sample, done) = on_threads(&parts, |part| {
            let mut done = Vec::with_capacity(part.len());
            for transfer in *part {
                let transacted = transact(transfer)?;
                done.push((transacted.timestamp, u64::from(transacted.retries)));
            }
            Ok(done)
        })?;
        let done: Vec<_> = done.into_iter().flatten().collect();
        let retries = done.iter().map(|(_, retries)| retries).sum();
        let timestamps = done.iter().map(|(timestamp, _)| *timestamp);
        let mut order: Vec<_> = timestamps.zip(self.transfers.iter()).collect();
        order.sort_by_key(|(timestamp, _)| *timestamp);
        let numbers = (FILLED.get() + 1..).map(Timestamp::new);
        let is_dense = order
            .iter()
            .map(|done| done.0)
            .eq(numbers.take(order.len()));
        let check = self.check(&engine, done.len(), order.into_iter());
        Ok(Run {
            sample: Sample {
                done: count(self.transfers.len()),
                ..sample
            },
            effort: Effort::Retries(retries),
            check: check.and_then(|()| {
                ensure!(is_dense, "the timestamps are not one for each transfer");
                Ok(())
            }),
        })
    }

    /// A store where every account has the same.
    fn filled(&self) -> Result<Engine> {
        let engine = Engine::in_memory();
        let mut batch = Batch::new();
        for account in &self.accounts {
            batch.set(&account.key, text(START));
        }
        engine.commit(batch, CommitOptions::default().at(FILLED))?;
        Ok(engine)
    }

    /// Whether the store holds what the transfers give one by one, in the order and at the timestamps
    /// that they come with.
    fn check<'t>(
        &self,
        engine: &Engine,
        committed: usize,
        order: impl Iterator<Item = (Timestamp, &'t Transfer)>,
    ) -> Result<()> {
        ensure!(
            committed == self.transfers.len(),
            "{committed} of {} transfers were committed",
            self.transfers.len()
        );
        let mut expected = vec![vec![(FILLED, START)]; self.accounts.len()];
        for (timestamp, transfer) in order {
            let places = [transfer.from.number, transfer.to.number];
            let Ok([rich, poor]) = expected.get_disjoint_mut(places) else {
                continue;
            };
            let balances = [&*rich, &*poor].map(|versions| versions.last().map_or(0, |v| v.1));
            for (versions, balance) in [rich, poor].into_iter().zip(transfer.moved(balances)) {
                // One commit leaves one version.
                versions.pop_if(|(start, _)| *start == timestamp);
                versions.push((timestamp, balance));
            }
        }
        let mut sum: u64 = 0;
        for (account, expected) in self.accounts.iter().zip(expected) {
            let held: Vec<_> = versions(engine, &account.key)?
                .iter()
                .map(|version| (version.start, number(Some(&version.value))))
                .collect();
            let newest = number(engine.get(&account.key)?.as_deref());
            sum = sum.saturating_add(newest);
            ensure!(
                held == expected && held.last().is_some_and(|last| last.1 == newest),
                "account {} has {newest} after {} versions, and one by one has {:?} after {}",
                account.number,
                held.len(),
                expected.last(),
                expected.len()
            );
        }
        let all = START * count(self.accounts.len());
        ensure!(sum == all, "money was made or lost: {sum} instead of {all}");
        Ok(())
    }
}

impl Transfer {
    /// Both balances after it.
    fn moved(&self, [rich, poor]: [u64; 2]) -> [u64; 2] {
        let amount = self.amount.min(rich);
        [rich - amount, poor.wrapping_add(amount)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_money_and_a_wrong_order_are_found() {
        let load = Load::new(20, 3);
        load.in_transactions(2).unwrap().check.unwrap();

        let engine = load.filled().unwrap();
        let mut order = Vec::new();
        for transfer in load.transfers.iter() {
            let keys = [&transfer.from.key, &transfer.to.key];
            let balances = keys.map(|key| number(engine.get(key).unwrap().as_deref()));
            let mut batch = Batch::new();
            for (key, balance) in keys.into_iter().zip(transfer.moved(balances)) {
                batch.set(key, text(balance));
            }
            let info = engine.commit(batch, CommitOptions::default()).unwrap();
            order.push((info.timestamp, transfer));
        }
        let check = |order: &[_]| load.check(&engine, order.len(), order.iter().copied());
        check(&order).unwrap();
        let mut other = order.clone();
        for pair in other.chunks_exact_mut(2) {
            let (first, second) = pair.split_at_mut(1);
            std::mem::swap(&mut first[0].1, &mut second[0].1);
        }
        assert!(check(&other).is_err());
        assert!(check(&order[1..]).is_err());
        engine.set(&load.accounts[0].key, text(0)).unwrap();
        assert!(check(&order).is_err());
    }
}
