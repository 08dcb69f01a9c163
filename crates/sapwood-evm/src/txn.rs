//! Transactions: as they are signed, and as revm takes them.

use alloy_consensus::{
    EthereumTxEnvelope, Transaction, TxEip4844, Typed2718,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::eip7702::SignedAuthorization;
use revm::{context::TxEnv, context_interface::either::Either};

use crate::error::EvmError;

/// A signed transaction of a block: legacy, with an access list, with a tip, with blobs.
pub type SignedTxn = EthereumTxEnvelope<TxEip4844>;

/// A transaction, and who signed it.
pub type EvmTxn = Recovered<SignedTxn>;

/// Finds out who signed a transaction.
pub(crate) fn recover(txn: SignedTxn, number: u64, index: usize) -> Result<EvmTxn, EvmError> {
    let sender = txn
        .recover_signer()
        .map_err(|error| EvmError::InvalidTransaction {
            number,
            index,
            why: error.to_string(),
        })?;
    Ok(Recovered::new_unchecked(txn, sender))
}

pub(crate) fn environment(txn: &EvmTxn) -> TxEnv {
    let signed = txn.inner();
    let signatures = signed.authorization_list().unwrap_or_default();
    let signatures = signatures
        .iter()
        .cloned()
        .map(Either::<SignedAuthorization, _>::Left);
    TxEnv {
        tx_type: signed.ty(),
        caller: txn.signer(),
        gas_limit: signed.gas_limit(),
        gas_price: signed.max_fee_per_gas(),
        kind: signed.kind(),
        value: signed.value(),
        data: signed.input().clone(),
        nonce: signed.nonce(),
        chain_id: signed.chain_id(),
        access_list: signed.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: signed.max_priority_fee_per_gas(),
        blob_hashes: signed.blob_versioned_hashes().unwrap_or_default().to_vec(),
        max_fee_per_blob_gas: signed.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: signatures.collect(),
    }
}
