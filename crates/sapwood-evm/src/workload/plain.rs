//! [`PlainRevm`]: transactions one after the other, on revm's own state in memory.

use std::fmt::Display;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, map::AddressMap};
use alloy_sol_types::SolCall;
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    context::{CfgEnv, TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB, InMemoryDB},
    database_interface::WrapDatabaseRef,
    handler::{MainnetContext, MainnetEvm},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};

use super::{Environment, Funded, WorkloadError};
use crate::{EvmTxn, state::EvmState, txn::environment};

/// revm as it comes, in a loop over its `CacheDB`: what pevm calls sequential. By the rules of Cancun.
#[derive(Debug)]
pub struct PlainRevm {
    evm: MainnetEvm<MainnetContext<InMemoryDB>>,
    /// What there was in the beginning, and what of it was burnt. Unit: wei.
    funded: U256,
    burnt: U256,
}

/// Executes a block's transactions one after the other, by revm as it comes, over a state of Sapwood's: what a node does
/// that has no executor in parallel. Nothing of it lasts.
///
/// # Errors
/// As [`PlainRevm::execute`].
pub fn execute_over(
    state: EvmState,
    environment: &Environment,
    txns: Vec<TxEnv>,
) -> Result<Vec<ExecutionResult>, WorkloadError> {
    let cfg = CfgEnv::new_with_spec(SpecId::CANCUN).with_chain_id(1);
    let mut evm = Context::mainnet()
        .with_db(CacheDB::new(WrapDatabaseRef(state)))
        .with_cfg(cfg)
        .with_block(environment.block())
        .build_mainnet();
    in_a_loop(&mut evm, txns)
}

fn in_a_loop<E>(evm: &mut E, txns: Vec<TxEnv>) -> Result<Vec<ExecutionResult>, WorkloadError>
where
    E: ExecuteCommitEvm<ExecutionResult = ExecutionResult, Tx = TxEnv, Error: Display>,
{
    let mut results = Vec::with_capacity(txns.len());
    for (index, txn) in txns.into_iter().enumerate() {
        let result = evm.transact_commit(txn);
        let result =
            result.map_err(|error| WorkloadError(format!("transaction {index}: {error}")))?;
        results.push(result);
    }
    Ok(results)
}

impl PlainRevm {
    /// A chain's state in the beginning.
    pub fn new(chain_id: u64, accounts: &[Funded]) -> Self {
        let mut state = CacheDB::new(EmptyDB::new());
        let mut funded = U256::ZERO;
        for account in accounts {
            funded += account.balance;
            let info = AccountInfo {
                balance: account.balance,
                nonce: account.nonce,
                ..AccountInfo::default()
            };
            state.insert_account_info(account.address, info);
        }
        let cfg = CfgEnv::new_with_spec(SpecId::CANCUN).with_chain_id(chain_id);
        let context = Context::mainnet().with_db(state).with_cfg(cfg);
        Self {
            evm: context.build_mainnet(),
            funded,
            burnt: U256::ZERO,
        }
    }

    /// Transactions as revm takes them.
    pub fn ready(txns: &[EvmTxn]) -> Vec<TxEnv> {
        txns.iter().map(environment).collect()
    }

    /// Executes a block's transactions; what they came to, in order.
    ///
    /// # Errors
    /// For a transaction that may not stand where it stands. Those before it have had their effect.
    pub fn execute(
        &mut self,
        environment: &Environment,
        txns: Vec<TxEnv>,
    ) -> Result<Vec<ExecutionResult>, WorkloadError> {
        self.evm.set_block(environment.block());
        let results = in_a_loop(&mut self.evm, txns)?;
        let gas: u64 = results.iter().map(ExecutionResult::tx_gas_used).sum();
        self.burnt += U256::from(gas) * U256::from(environment.base_fee);
        Ok(results)
    }

    /// Calls a contract, in nobody's name; nothing of it lasts.
    ///
    /// # Errors
    /// For a call that does not succeed, or returns something else.
    pub fn call<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, WorkloadError> {
        let output = self.run(to, call.abi_encode().into())?;
        C::abi_decode_returns(&output)
            .map_err(|error| WorkloadError(format!("{}: {error}", C::SIGNATURE)))
    }

    fn run(&mut self, to: Address, data: Bytes) -> Result<Bytes, WorkloadError> {
        let txn = TxEnv {
            kind: TxKind::Call(to),
            data,
            gas_limit: 1_000_000,
            chain_id: None,
            ..TxEnv::default()
        };
        let cfg = self.evm.ctx.cfg.clone();
        self.evm.ctx.cfg.disable_base_fee = true;
        self.evm.ctx.cfg.disable_nonce_check = true;
        let ran = self.evm.transact(txn);
        self.evm.ctx.cfg = cfg;
        let result = ran.map_err(|error| WorkloadError::new(&error))?.result;
        if !result.is_success() {
            return Err(WorkloadError(format!("a call of {to} failed: {result:?}")));
        }
        Ok(result.into_output().unwrap_or_default())
    }

    /// The root of the state's trie, of all accounts and slots.
    pub fn state_root(&self) -> B256 {
        let accounts = self.state().iter().filter_map(|(address, account)| {
            let info = account.info().filter(|info| !info.is_empty())?;
            let slots = account.storage.iter().filter(|(_, value)| !value.is_zero());
            let slots = slots.map(|(slot, value)| (B256::from(*slot), *value));
            let account = TrieAccount {
                nonce: info.nonce,
                balance: info.balance,
                storage_root: storage_root_unhashed(slots),
                code_hash: info.code_hash,
            };
            Some((*address, account))
        });
        state_root_unhashed(accounts)
    }

    /// How many accounts there are, and how many slots that are not 0.
    pub fn size(&self) -> (usize, usize) {
        let accounts = self
            .state()
            .values()
            .filter(|account| account.info().is_some_and(|info| !info.is_empty()));
        let slots = self
            .state()
            .values()
            .flat_map(|account| account.storage.values());
        (
            accounts.count(),
            slots.filter(|value| !value.is_zero()).count(),
        )
    }

    /// Looks whether ether was made or lost: what all have, and what was burnt, is what there was.
    ///
    /// # Errors
    /// With both, where they differ.
    pub fn check_ether(&self) -> Result<(), WorkloadError> {
        let balances = self.state().values().map(|account| account.info.balance);
        let all = balances.fold(self.burnt, |all, balance| all + balance);
        if all == self.funded {
            return Ok(());
        }
        let (all, funded) = (all, self.funded);
        Err(WorkloadError(format!(
            "there are {all} wei, and there were {funded}"
        )))
    }

    fn state(&self) -> &AddressMap<revm::database::in_memory_db::DbAccount> {
        &self.evm.ctx.journaled_state.database.cache.accounts
    }
}
