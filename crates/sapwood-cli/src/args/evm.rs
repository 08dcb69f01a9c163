//! What is done with Ethereum's blocks and states.

use std::{ops::RangeInclusive, path::PathBuf};

use clap::{Args, Subcommand};
use sapwood_evm::primitives::{Address, Bytes, U256};

/// The threads that an executor may have.
const WORKERS: RangeInclusive<i64> = 1..=4_096;

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum EvmAction {
    /// Execute official block-chain tests, and compare every block and the end with what they say. Ends with 1 where
    /// one fails.
    Run(EvmRunArgs),
    /// Print what an account has, in wei.
    Balance {
        /// The account.
        address: Address,
        #[command(flatten)]
        at: At,
    },
    /// Print a slot of a contract, or all of its slots that are not 0.
    Storage {
        /// The contract.
        address: Address,
        /// The slot, as a number, hexadecimal with 0x.
        slot: Option<U256>,
        #[command(flatten)]
        at: At,
    },
    /// Print the code of a contract.
    Code {
        /// The contract.
        address: Address,
        #[command(flatten)]
        at: At,
    },
    /// Call a contract, and print what it returns; nothing of the call lasts.
    Call(EvmCallArgs),
}

/// Which state.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct At {
    /// The height [default: the newest].
    #[arg(long, value_name = "HEIGHT")]
    pub(crate) height: Option<u64>,
}

/// Which tests, and how.
#[derive(Debug, Args)]
pub(crate) struct EvmRunArgs {
    /// Files of tests, or directories of them.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Only tests whose names have this in them.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// The threads that execute a block [default: as many as cores].
    #[arg(long, value_name = "THREADS", value_parser = clap::value_parser!(u16).range(WORKERS))]
    pub(crate) workers: Option<u16>,
    /// One transaction after the other.
    #[arg(long, conflicts_with = "workers")]
    pub(crate) serial: bool,
}

/// A call.
#[derive(Debug, Args)]
pub(crate) struct EvmCallArgs {
    /// The contract.
    pub(crate) address: Address,
    /// The input, hexadecimal.
    #[arg(default_value = "0x")]
    pub(crate) data: Bytes,
    /// In whose name [default: nobody's].
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    pub(crate) from: Address,
    /// What the contract is given, in wei.
    #[arg(long, value_name = "WEI", default_value_t = U256::ZERO)]
    pub(crate) value: U256,
    /// The gas that the call may use.
    #[arg(long, value_name = "GAS", default_value_t = 30_000_000)]
    pub(crate) gas: u64,
    #[command(flatten)]
    pub(crate) at: At,
}
