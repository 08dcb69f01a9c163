//! Ethereum blocks on [Sapwood](sapwood): executed in parallel by [revm](https://github.com/bluealloy/revm), one commit for each
//! block, the state readable at every height that is kept.
//!
//! Good starting points:
//! - [`EvmChain`]: blocks, one after the other: [`EvmChain::execute_block`], [`EvmChain::rollback_to`].
//! - [`EvmState`]: the state at a height; it is revm's [`DatabaseRef`](revm::DatabaseRef).
//! - [`EvmCall`]: a call of a contract in the past.
//!
//! # How the state lies
//! Accounts, slots, code and hashes are ordinary keys, so that their history, differences and pins are those of
//! any other. Numbers are big-endian.
//!
//! ```text
//! "a" address: 20                        nonce: 8 | balance: 32                               an account
//!                                        nonce: 8 | balance: 32 | storage: 8 | code hash: 32  one with code or slots
//! "s" address: 20 storage: 8 slot: 32    the value, without leading zeros                     a slot that is not 0
//! "c" hash: 32                           code, whose Keccak-256 the hash is
//! "h" height: 8                          hash: 32                                             a block
//! "w" address: 20 storage: 8             nothing            a storage that is out of reach, and has slots yet
//! "H"                                    the newest header, as RLP
//! "C"                                    chain id: 8 | fork: 1, as revm numbers them
//! "F"                                    what the beneficiary got so far: within a block only
//! ```
//!
//! Block `h` is the commit of timestamp `h + 1` ([`timestamp_of`]), since blocks begin at 0 and commits at 1.
//!
//! **A contract that is made gets a storage of its own** ([`StorageId`]), and its slots lie under that. Destroying it takes
//! one row for all of its slots: what is made at the same address later has another storage, and cannot see
//! them. The rows go later, some with each block ([`sweep_slots`](EvmConfig::sweep_slots)), and stay readable at the
//! heights before.
//!
//! **Fees do not make transactions wait for each other.** Each would read and write the beneficiary's
//! account. They are added to a cell instead ([`BlockContext::add`](sapwood::BlockContext::add)), which goes to the account at the end of the
//! block; who looks at that account within the block sees both.
//!
//! # What it deliberately is not
//! There is no trie: the state root is computed from all accounts where it is asked for, and a block is compared
//! with its header by gas, logs and receipts otherwise. There is no network, no pool of transactions, no
//! consensus. The rules are those from Paris to Cancun.
//!
//! # Features
//! - `rocksdb-storage`: chains on disk.
//! - `workload`: blocks to test and to measure with, and plain revm to compare with.

/// The programs of the page, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/ethereum.md")]
struct Page;

mod account;
mod apply;
mod block;
mod call;
mod chain;
mod code;
mod config;
mod database;
mod error;
mod execute;
mod header;
mod keys;
mod machine;
mod official;
mod root;
mod state;
mod txn;
#[cfg(feature = "workload")]
pub mod workload;

pub use account::{Account, StorageId};
pub use alloy_consensus::{self as consensus, Header};
pub use alloy_eips::eip4895::Withdrawal;
pub use alloy_primitives as primitives;
pub use block::{EvmBlock, Genesis, GenesisAccount, Proposal};
pub use call::{CallResult, EvmCall};
pub use chain::{EvmChain, ExecutedBlock};
pub use config::EvmConfig;
pub use error::{EvmError, StateError};
pub use official::{BlockchainTest, TestAccount, TestBlock, accounts};
pub use revm::{self, primitives::hardfork::SpecId};
pub use state::{EvmState, timestamp_of};
pub use txn::{EvmTxn, SignedTxn};
