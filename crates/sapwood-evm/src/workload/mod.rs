//! Blocks to test and to measure with, and plain revm to compare with.
//!
//! The shapes are those that pevm and grevm publish figures of, each made anew from a seed: the same seed gives the same
//! transactions. Contracts are deployed and given their state by transactions, like on a chain; nothing is written into
//! storage by hand. Who sends a transaction is said beside it, and its signature is none.
//!
//! | type | what its blocks are |
//! |---|---|
//! | [`Ether`] | transfers of ether, without code |
//! | [`Tokens`] | transfers of ERC-20 tokens (`contracts/Token.sol`) |
//! | [`Swaps`] | swaps at constant-product exchanges of two tokens (`contracts/Exchange.sol`) |
//! | [`MainnetBlock`] | the transactions of a real block as transfers, without their call data |
//!
//! [`PlainRevm`] runs transactions one after the other, on revm's own state in memory: an oracle for tests, a peer for
//! measurements. For tests and benchmarks only: behind the feature `workload`, and not part of what the crate promises.
//!
//! # Examples
//! ```
//! use sapwood_evm::workload::{Environment, Payers, PlainRevm, Ether, Workload};
//!
//! let mut ether = Ether::new(Payers::Independent { count: 10 }, 1);
//! let mut plain = PlainRevm::new(1, &ether.accounts());
//! let block = PlainRevm::ready(&ether.block());
//! let results = plain.execute(&Environment::default(), block)?;
//! assert!(results.iter().all(|result| result.is_success() && result.tx_gas_used() == 21_000));
//! ether.check(&mut plain)?;
//! # Ok::<(), sapwood_evm::workload::WorkloadError>(())
//! ```

mod contracts;
mod ether;
mod mainnet;
mod plain;
mod script;
mod swaps;
mod tokens;

use std::fmt::Debug;

use alloy_consensus::{EMPTY_ROOT_HASH, Header};
use alloy_primitives::{Address, B256, U256, keccak256};
use revm::context::BlockEnv;

pub use self::{
    contracts::{Exchange, Token},
    ether::{Ether, Payers},
    mainnet::MainnetBlock,
    plain::{PlainRevm, execute_over},
    swaps::{Pools, Swaps},
    tokens::{Holders, Tokens},
};
use crate::{EvmTxn, Genesis, GenesisAccount, Proposal};

/// What went wrong with a workload: what it found, and where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WorkloadError(pub String);

impl WorkloadError {
    fn new(what: &impl ToString) -> Self {
        Self(what.to_string())
    }
}

/// An account as a chain begins with it: no code, no slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funded {
    /// Whose it is.
    pub address: Address,
    /// What it has. Unit: wei.
    pub balance: U256,
    /// How many transactions it has sent.
    pub nonce: u64,
}

/// What a block's transactions have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The block's height.
    pub number: u64,
    /// Unit: seconds since 1970.
    pub timestamp: u64,
    /// Who gets the fees.
    pub beneficiary: Address,
    /// What of a fee is burnt. Unit: wei for each gas.
    pub base_fee: u64,
    /// What the block's transactions may use in all. Unit: gas.
    pub gas_limit: u64,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            number: 1,
            timestamp: 1_700_000_000,
            beneficiary: address("beneficiary", 0),
            base_fee: 7,
            gas_limit: 1 << 40,
        }
    }
}

impl Environment {
    /// The environment of the block after this one, when it has used less than half of its gas: by EIP-1559 a base
    /// fee of 7 wei does not fall further.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            number: self.number + 1,
            timestamp: self.timestamp + 12,
            ..self
        }
    }

    /// What a chain begins with whose first block has this environment.
    pub fn genesis(&self, accounts: &[Funded]) -> Genesis {
        let header = Header {
            number: self.number - 1,
            timestamp: self.timestamp - 1,
            gas_limit: self.gas_limit,
            // As much as leaves the base fee where it is.
            gas_used: self.gas_limit / 2,
            base_fee_per_gas: Some(self.base_fee),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            excess_blob_gas: Some(0),
            blob_gas_used: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            ..Header::default()
        };
        let account = |funded: &Funded| {
            let account = GenesisAccount {
                nonce: funded.nonce,
                balance: funded.balance,
                ..GenesisAccount::default()
            };
            (funded.address, account)
        };
        Genesis {
            header,
            accounts: accounts.iter().map(account).collect(),
        }
    }

    /// A block of this environment.
    pub fn proposal(&self, txns: Vec<EvmTxn>) -> Proposal {
        Proposal::new(self.beneficiary, self.timestamp, self.gas_limit, txns)
    }

    fn block(&self) -> BlockEnv {
        BlockEnv {
            number: U256::from(self.number),
            beneficiary: self.beneficiary,
            timestamp: U256::from(self.timestamp),
            gas_limit: self.gas_limit,
            basefee: self.base_fee,
            prevrandao: Some(B256::ZERO),
            ..BlockEnv::default()
        }
    }
}

/// Blocks that go on from each other.
pub trait Workload: Debug {
    /// Who has ether before the first block.
    fn accounts(&self) -> Vec<Funded>;

    /// The blocks that come before those to be measured: deployments, first balances. Only the first call has any.
    fn setup(&mut self) -> Vec<Vec<EvmTxn>>;

    /// The next block. No transaction of it fails, in its order.
    fn block(&mut self) -> Vec<EvmTxn>;

    /// Looks whether what must hold after any number of these blocks does: no tokens were made or lost, and so on.
    ///
    /// # Errors
    /// What does not hold.
    fn check(&self, state: &mut PlainRevm) -> Result<(), WorkloadError>;
}

/// The address of one of many, which looks hashed as real ones do.
fn address(kind: &str, number: usize) -> Address {
    Address::from_word(keccak256(format!("{kind}/{number}")))
}

/// What everybody has in the beginning: enough for all fees.
fn funded(addresses: impl IntoIterator<Item = Address>) -> Vec<Funded> {
    let balance = U256::from(10_u64).pow(U256::from(24));
    let fund = |address| Funded {
        address,
        balance,
        nonce: 0,
    };
    addresses.into_iter().map(fund).collect()
}
