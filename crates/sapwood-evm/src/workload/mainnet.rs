//! [`MainnetBlock`]: the transactions of a real block, as transfers.

use std::{collections::BTreeMap, fs, path::Path};

use alloy_consensus::{TxEip1559, TxLegacy};
use alloy_primitives::{Address, Bytes, TxKind, U64, U256};
use serde::Deserialize;

use super::{Environment, Funded, PlainRevm, WorkloadError, script::unsigned};
use crate::EvmTxn;

/// A block of Ethereum's main chain: who paid whom how much, for which fees, in its order, and what they had before it.
///
/// The state that such blocks are published with has no code of contracts, so call data is left out: what is executed
/// is each transaction's transfer of ether, with its real sender, receiver, value, nonce, gas limit and fees, by the
/// rules of Cancun. Transactions with blobs are taken without them. A sender who lived on what a call
/// would have given him cannot pay here; such transactions, and those that follow them with the same sender's next
/// nonces, are left out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MainnetBlock {
    /// What its transactions have in common.
    pub environment: Environment,
    /// Who had what before it.
    pub accounts: Vec<Funded>,
    /// Its transactions.
    pub txns: Vec<EvmTxn>,
    /// How many of its transactions were left out.
    pub left_out: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockJson {
    number: U64,
    timestamp: U64,
    miner: Address,
    gas_limit: U64,
    /// None before London.
    base_fee_per_gas: Option<U64>,
    transactions: Vec<TxnJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TxnJson {
    from: Address,
    /// Nobody where a contract is made.
    to: Option<Address>,
    value: U256,
    nonce: U64,
    gas: U64,
    gas_price: Option<U256>,
    max_fee_per_gas: Option<U256>,
    max_priority_fee_per_gas: Option<U256>,
}

#[derive(Deserialize)]
struct AccountJson {
    #[serde(default)]
    balance: U256,
    #[serde(default)]
    nonce: u64,
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, WorkloadError> {
    let named =
        |error: &dyn ToString| WorkloadError(format!("{}: {}", path.display(), error.to_string()));
    let text = fs::read(path).map_err(|error| named(&error))?;
    serde_json::from_slice(&text).map_err(|error| named(&error))
}

impl MainnetBlock {
    /// All blocks of a folder, by their heights: each is a folder of its own, called by its height, with `block.json`
    /// (as `eth_getBlockByNumber` gives it, with transactions) and `pre_state.json` (by address: balance and nonce).
    ///
    /// # Errors
    /// For files that cannot be read.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>, WorkloadError> {
        let named = |error: std::io::Error| WorkloadError(format!("{}: {error}", folder.display()));
        let mut heights = Vec::new();
        for entry in fs::read_dir(folder).map_err(named)? {
            let name = entry.map_err(named)?.file_name();
            heights.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        heights.sort_unstable();
        let block = |height: &u64| Self::read(&folder.join(height.to_string()));
        heights.iter().map(block).collect()
    }

    /// The block of a folder.
    ///
    /// # Errors
    /// For files that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, WorkloadError> {
        let block: BlockJson = read(&folder.join("block.json"))?;
        let accounts: BTreeMap<Address, AccountJson> = read(&folder.join("pre_state.json"))?;
        let environment = Environment {
            number: block.number.to(),
            timestamp: block.timestamp.to(),
            beneficiary: block.miner,
            base_fee: block.base_fee_per_gas.unwrap_or_default().to(),
            gas_limit: block.gas_limit.to(),
        };
        let accounts = accounts.into_iter().map(|(address, account)| Funded {
            address,
            balance: account.balance,
            nonce: account.nonce,
        });
        let accounts = accounts.filter(|account| account.nonce > 0 || !account.balance.is_zero());
        let accounts: Vec<_> = accounts.collect();
        let mut plain = PlainRevm::new(1, &accounts);
        let mut txns = Vec::new();
        for json in &block.transactions {
            let txn = json.transfer()?;
            let ready = PlainRevm::ready(std::slice::from_ref(&txn));
            if plain.execute(&environment, ready).is_ok() {
                txns.push(txn);
            }
        }
        Ok(Self {
            left_out: block.transactions.len() - txns.len(),
            environment,
            accounts,
            txns,
        })
    }
}

impl TxnJson {
    fn transfer(&self) -> Result<EvmTxn, WorkloadError> {
        let fee = |fee: U256| u128::try_from(fee).map_err(|error| WorkloadError::new(&error));
        let to = self.to.map_or(TxKind::Create, TxKind::Call);
        if let Some((most, tip)) = self.max_fee_per_gas.zip(self.max_priority_fee_per_gas) {
            let txn = TxEip1559 {
                chain_id: 1,
                nonce: self.nonce.to(),
                gas_limit: self.gas.to(),
                max_fee_per_gas: fee(most)?,
                max_priority_fee_per_gas: fee(tip)?,
                to,
                value: self.value,
                ..TxEip1559::default()
            };
            return Ok(unsigned(txn, self.from));
        }
        let txn = TxLegacy {
            chain_id: None,
            nonce: self.nonce.to(),
            gas_price: fee(self.gas_price.unwrap_or_default())?,
            gas_limit: self.gas.to(),
            to,
            value: self.value,
            input: Bytes::new(),
        };
        Ok(unsigned(txn, self.from))
    }
}
