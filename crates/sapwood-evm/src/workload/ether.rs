//! [`Ether`]: transfers of ether.

use alloy_primitives::{Address, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Funded, PlainRevm, Workload, WorkloadError, address, funded, script::Script};
use crate::EvmTxn;

/// Who pays whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payers {
    /// Each of so many accounts pays itself, once a block: pevm's and grevm's independent transfers.
    Independent {
        /// Transactions of a block.
        count: usize,
    },
    /// Payer and payee are drawn from so many accounts: with so much of a hundred from the hot tenth of them, else from
    /// the others. grevm's contended transfers.
    Contended {
        /// Transactions of a block.
        count: usize,
        /// At least 10.
        accounts: usize,
        /// Unit: percent.
        hot_percent: u32,
    },
}

/// Transfers of ether, of 1 wei each.
#[derive(Clone, Debug)]
pub struct Ether {
    payers: Payers,
    accounts: Vec<Address>,
    script: Script,
    rng: ChaCha8Rng,
}

impl Ether {
    /// Transfers of a shape.
    pub fn new(payers: Payers, seed: u64) -> Self {
        let accounts = match payers {
            Payers::Independent { count } => count,
            Payers::Contended { accounts, .. } => accounts.max(10),
        };
        Self {
            payers,
            accounts: (0..accounts)
                .map(|number| address("payer", number))
                .collect(),
            script: Script::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn draw(&mut self, hot_percent: u32) -> Address {
        let hot = self.accounts.len() / 10;
        let number = if self.rng.random_range(0..100) < hot_percent {
            self.rng.random_range(0..hot)
        } else {
            self.rng.random_range(hot..self.accounts.len())
        };
        self.accounts.get(number).copied().unwrap_or_default()
    }
}

impl Workload for Ether {
    fn accounts(&self) -> Vec<Funded> {
        funded(self.accounts.iter().copied())
    }

    fn setup(&mut self) -> Vec<Vec<EvmTxn>> {
        Vec::new()
    }

    fn block(&mut self) -> Vec<EvmTxn> {
        match self.payers {
            Payers::Independent { .. } => {
                let script = &mut self.script;
                let pay = |account: &Address| script.pay(*account, *account, U256::ONE);
                self.accounts.iter().map(pay).collect()
            }
            Payers::Contended {
                count, hot_percent, ..
            } => {
                let mut pay = |_| {
                    let (from, to) = (self.draw(hot_percent), self.draw(hot_percent));
                    self.script.pay(from, to, U256::ONE)
                };
                (0..count).map(&mut pay).collect()
            }
        }
    }

    fn check(&self, state: &mut PlainRevm) -> Result<(), WorkloadError> {
        state.check_ether()
    }
}
