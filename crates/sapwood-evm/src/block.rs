//! [`EvmBlock`]: a block that is to be executed, and [`Genesis`], the state before the first.

use std::collections::BTreeMap;

use alloy_consensus::{Block, BlockBody, Header};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable, Encodable};

use crate::{
    error::EvmError,
    txn::{EvmTxn, SignedTxn, recover},
};

/// A block as it is handed on: a header that says what comes of it, and its transactions with their senders.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EvmBlock {
    /// The header.
    pub header: Header,
    /// The transactions, in order.
    pub txns: Vec<EvmTxn>,
    /// Headers of blocks beside the chain; there are none since Paris.
    pub ommers: Vec<Header>,
    /// What validators get out (EIP-4895); `None` before Shanghai.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

impl EvmBlock {
    /// A block without ommers.
    pub fn new(header: Header, txns: Vec<EvmTxn>, withdrawals: Option<Vec<Withdrawal>>) -> Self {
        Self {
            header,
            txns,
            ommers: Vec::new(),
            withdrawals,
        }
    }

    /// A block from its RLP (header, transactions, ommers, and withdrawals if it has any). The senders
    /// are found from the signatures, which takes longest of all.
    ///
    /// # Errors
    /// [`EvmError::Malformed`] for other bytes, [`EvmError::InvalidTransaction`] for a signature of nobody.
    pub fn decode(mut rlp: &[u8]) -> Result<Self, EvmError> {
        let malformed =
            |why: &dyn ToString| EvmError::malformed("the RLP of a block", why.to_string());
        let block = Block::<SignedTxn>::decode(&mut rlp).map_err(|error| malformed(&error))?;
        if !rlp.is_empty() {
            return Err(malformed(&format!("{} bytes follow it", rlp.len())));
        }
        let Block { header, body } = block;
        let txns = body.transactions.into_iter().enumerate();
        let txns = txns.map(|(index, txn)| recover(txn, header.number, index));
        Ok(Self {
            txns: txns.collect::<Result<_, _>>()?,
            ommers: body.ommers,
            withdrawals: body.withdrawals.map(|withdrawals| withdrawals.0),
            header,
        })
    }

    /// Its RLP, as [`EvmBlock::decode`] reads it.
    pub fn encode(&self) -> Vec<u8> {
        let transactions = self.txns.iter().map(|txn| txn.inner().clone());
        let body = BlockBody {
            transactions: transactions.collect(),
            ommers: self.ommers.clone(),
            withdrawals: self.withdrawals.clone().map(Withdrawals),
        };
        let mut rlp = Vec::new();
        Block::new(self.header.clone(), body).encode(&mut rlp);
        rlp
    }
}

/// What a block is made of that is not there yet: its header is written once it was executed. See
/// [`EvmChain::propose`](crate::EvmChain::propose).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proposal {
    /// Who gets the fees.
    pub beneficiary: Address,
    /// The time of the block. Unit: seconds since 1970.
    pub timestamp: u64,
    /// The gas that its transactions may use in all. It may differ from the one of the block before by less than its
    /// 1,024th part.
    pub gas_limit: u64,
    /// What contracts are given for randomness.
    pub prev_randao: B256,
    /// Any bytes, 32 at most.
    pub extra_data: Bytes,
    /// The root of the beacon block before (EIP-4788): from Cancun on, given to a contract of the system.
    pub parent_beacon_block_root: B256,
    /// What validators get out: from Shanghai on.
    pub withdrawals: Vec<Withdrawal>,
    /// The transactions, in order.
    pub txns: Vec<EvmTxn>,
}

impl Proposal {
    /// A block of these transactions, of this time, with as much gas.
    pub fn new(beneficiary: Address, timestamp: u64, gas_limit: u64, txns: Vec<EvmTxn>) -> Self {
        Self {
            beneficiary,
            timestamp,
            gas_limit,
            prev_randao: B256::ZERO,
            extra_data: Bytes::new(),
            parent_beacon_block_root: B256::ZERO,
            withdrawals: Vec::new(),
            txns,
        }
    }
}

/// The state before the first block.
#[derive(Clone, Debug, Default)]
pub struct Genesis {
    /// The header of block 0, or of the block that the chain begins with.
    pub header: Header,
    /// Who has what there.
    pub accounts: BTreeMap<Address, GenesisAccount>,
}

/// An account that is there from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// How many transactions it has sent, or contracts it has made.
    pub nonce: u64,
    /// What it has. Unit: wei.
    pub balance: U256,
    /// Its code.
    pub code: Bytes,
    /// Its slots; those with 0 are left out.
    pub storage: BTreeMap<U256, U256>,
}
