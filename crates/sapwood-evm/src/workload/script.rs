//! [`Script`]: transactions with the nonces that their senders have come to.

use alloy_consensus::{SignableTransaction, TxEip1559, transaction::Recovered};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, map::AddressMap};
use alloy_sol_types::SolCall;

use crate::EvmTxn;

/// Above any base fee that blocks of this size get to. Unit: wei for each gas.
const MAX_FEE: u128 = 100_000_000_000;
const TIP: u128 = 1_000_000_000;
pub(super) const TRANSFER_GAS: u64 = 21_000;
const CALL_GAS: u64 = 400_000;
const CREATE_GAS: u64 = 3_000_000;

/// Writes transactions, each with the next nonce of its sender.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    nonces: AddressMap<u64>,
}

impl Script {
    /// A transfer of ether.
    pub(super) fn pay(&mut self, from: Address, to: Address, value: U256) -> EvmTxn {
        self.send(from, TxKind::Call(to), value, Bytes::new(), TRANSFER_GAS)
    }

    /// A call of a contract.
    pub(super) fn call(&mut self, from: Address, to: Address, call: &impl SolCall) -> EvmTxn {
        let data = call.abi_encode().into();
        self.send(from, TxKind::Call(to), U256::ZERO, data, CALL_GAS)
    }

    /// A contract, and where it will be.
    pub(super) fn create(&mut self, from: Address, code: Bytes) -> (EvmTxn, Address) {
        let at = from.create(self.nonces.get(&from).copied().unwrap_or_default());
        let txn = self.send(from, TxKind::Create, U256::ZERO, code, CREATE_GAS);
        (txn, at)
    }

    fn send(
        &mut self,
        from: Address,
        to: TxKind,
        value: U256,
        input: Bytes,
        gas_limit: u64,
    ) -> EvmTxn {
        let next = self.nonces.entry(from).or_default();
        let nonce = *next;
        *next += 1;
        let txn = TxEip1559 {
            chain_id: 1,
            nonce,
            gas_limit,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: TIP,
            to,
            value,
            input,
            ..TxEip1559::default()
        };
        unsigned(txn, from)
    }
}

/// A transaction with the sender in the place of a signature, so that its hash is its own.
pub(super) fn unsigned<T: SignableTransaction<Signature>>(txn: T, from: Address) -> EvmTxn
where
    crate::SignedTxn: From<alloy_consensus::Signed<T>>,
{
    let signature = Signature::new(U256::from_be_slice(from.as_slice()), U256::ONE, false);
    Recovered::new_unchecked(txn.into_signed(signature).into(), from)
}
