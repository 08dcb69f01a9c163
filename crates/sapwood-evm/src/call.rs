//! [`EvmCall`]: a call of a contract in a state, now or in the past.

use alloy_primitives::{Address, Bytes, TxKind, U256};
use revm::context::{
    TxEnv,
    result::{ExecutionResult, Output},
};
use sapwood::Snapshot;

use crate::{
    code::CodeCache,
    config::EvmConfig,
    database::Rows,
    error::{EvmError, Stopped},
    execute::block_environment,
    machine::{Rules, transact},
    state::EvmState,
};

/// A call: like a transaction, but that nobody has signed it, that it pays no fee, and that nothing of it lasts.
///
/// # Examples
/// ```
/// use sapwood_evm::{EvmCall, primitives::{Address, Bytes}};
///
/// let token = Address::repeat_byte(0x11);
/// let mut total_supply = EvmCall::new(token, Bytes::from_static(&[0x18, 0x16, 0x0d, 0xdd]));
/// total_supply.gas_limit = 100_000;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EvmCall {
    /// In whose name.
    pub from: Address,
    /// The contract; `None` runs `data` as the code that makes one.
    pub to: Option<Address>,
    /// What the contract is given. Unit: wei.
    pub value: U256,
    /// The input.
    pub data: Bytes,
    /// What the call may use. Default: 30,000,000.
    pub gas_limit: u64,
}

impl EvmCall {
    /// A call of a contract, by nobody.
    pub fn new(to: Address, data: Bytes) -> Self {
        Self {
            from: Address::ZERO,
            to: Some(to),
            value: U256::ZERO,
            data,
            gas_limit: 30_000_000,
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallResult {
    /// Whether it came to its end.
    pub is_success: bool,
    /// What it returned, or reverted with.
    pub output: Bytes,
    /// The gas that it used.
    pub gas_used: u64,
    /// Why it has no output, where something but the code ended it.
    pub halted: Option<String>,
}

pub(crate) fn call(
    state: &EvmState,
    snapshot: &Snapshot,
    codes: &CodeCache,
    call: &EvmCall,
) -> Result<CallResult, EvmError> {
    let (chain_id, spec) = state.rules()?;
    let header = state.header()?;
    let config = EvmConfig {
        chain_id,
        spec,
        ..EvmConfig::default()
    };
    let mut cfg = config.cfg();
    cfg.disable_nonce_check = true;
    cfg.disable_base_fee = true;
    cfg.disable_eip3607 = true;
    cfg.disable_block_gas_limit = true;
    let rules = Rules {
        cfg,
        block: block_environment(&header, &config),
    };
    let txn = TxEnv {
        caller: call.from,
        gas_limit: call.gas_limit,
        gas_price: 0,
        kind: call.to.map_or(TxKind::Create, TxKind::Call),
        value: call.value,
        data: call.data.clone(),
        chain_id: Some(chain_id),
        ..TxEnv::default()
    };
    let rows = Rows::new(snapshot, codes, None);
    let ran = transact(&rules, rows, txn).map_err(|stopped| match stopped {
        Stopped::Store(error) => EvmError::from(error),
        Stopped::Invalid(why) => EvmError::InvalidTransaction {
            number: header.number,
            index: 0,
            why,
        },
    })?;
    let (gas_used, is_success) = (ran.result.tx_gas_used(), ran.result.is_success());
    let (output, halted) = match ran.result {
        ExecutionResult::Success {
            output: Output::Call(output) | Output::Create(output, _),
            ..
        }
        | ExecutionResult::Revert { output, .. } => (output, None),
        ExecutionResult::Halt { reason, .. } => (Bytes::new(), Some(format!("{reason:?}"))),
    };
    Ok(CallResult {
        is_success,
        output,
        gas_used,
        halted,
    })
}
