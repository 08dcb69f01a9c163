//! [`EvmState`]: the state at a height.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Decodable;
use revm::{DatabaseRef, bytecode::Bytecode, primitives::hardfork::SpecId, state::AccountInfo};
use sapwood::{Engine, Error, ErrorKind, ReadView, Snapshot, Timestamp};

use crate::{
    account::{Account, StorageId},
    call::{self, EvmCall},
    code::CodeCache,
    database::{self, number},
    error::{EvmError, StateError},
    keys,
    root::state_root,
};

/// The timestamp of the commit of a block: one more than its height, since commits begin at 1 and blocks at 0.
///
/// # Examples
/// ```
/// use sapwood::Timestamp;
///
/// assert_eq!(sapwood_evm::timestamp_of(0), Timestamp::new(1));
/// ```
pub const fn timestamp_of(height: u64) -> Timestamp {
    Timestamp::new(height.saturating_add(1))
}

pub(crate) fn height_of(timestamp: Timestamp) -> u64 {
    timestamp.get().saturating_sub(1)
}

/// The code that a state keeps at hand that no chain has lent it.
const CODE_CACHE_BYTES: usize = 8 << 20;

/// The state of a chain at a height: as the block of this height left it.
///
/// It is revm's [`DatabaseRef`], so that whatever runs on revm runs on it. It holds a [`Snapshot`]: nothing that it
/// reads is pruned before it is dropped.
///
/// # Examples
/// See [`EvmChain`](crate::EvmChain).
#[derive(Clone)]
pub struct EvmState {
    snapshot: Arc<Snapshot>,
    codes: Arc<CodeCache>,
}

impl EvmState {
    /// The state at a height.
    ///
    /// # Errors
    /// [`EvmError::Pruned`], [`EvmError::NotYet`]; [`EvmError::Chain`] for a store without a chain.
    pub fn at(engine: &Engine, height: u64) -> Result<Self, EvmError> {
        Self::with_codes(engine, height, Arc::new(CodeCache::new(CODE_CACHE_BYTES)))
    }

    /// The newest state.
    ///
    /// # Errors
    /// As [`EvmState::at`].
    pub fn newest(engine: &Engine) -> Result<Self, EvmError> {
        Self::at(engine, height_of(engine.visible()))
    }

    pub(crate) fn with_codes(
        engine: &Engine,
        height: u64,
        codes: Arc<CodeCache>,
    ) -> Result<Self, EvmError> {
        let newest = engine.visible();
        if newest == Timestamp::ZERO {
            let message = "the store has no chain yet: make one with EvmChain::create";
            return Err(EvmError::Chain(message.to_owned()));
        }
        let timestamp = timestamp_of(height);
        if timestamp > newest {
            let newest = height_of(newest);
            return Err(EvmError::NotYet { height, newest });
        }
        let snapshot = engine.at(timestamp).map_err(|error| {
            // A prune may come between: what is told is what it left.
            let oldest = engine.floor();
            if timestamp < oldest {
                let oldest = height_of(oldest);
                return EvmError::Pruned { height, oldest };
            }
            EvmError::from(error)
        })?;
        let snapshot = Arc::new(snapshot);
        let state = Self { snapshot, codes };
        state.header()?;
        Ok(state)
    }

    /// The height.
    pub fn height(&self) -> u64 {
        height_of(self.snapshot.timestamp())
    }

    /// The rows that it reads.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The header of the block.
    ///
    /// # Errors
    /// [`EvmError::Chain`] where the store has something else than a chain.
    pub fn header(&self) -> Result<Header, EvmError> {
        let none = || {
            let message = "the store has commits, and no chain: take an empty one";
            EvmError::Chain(message.to_owned())
        };
        let header = self.snapshot.get(keys::HEADER)?.ok_or_else(none)?;
        Header::decode(&mut &header[..]).map_err(|error| {
            let at = format!("the header of block {}", self.height());
            Error::of_machine(ErrorKind::Corrupt { at }, error.to_string()).into()
        })
    }

    /// The hash of a block up to this one; `None` where there is none.
    ///
    /// # Errors
    /// Of reading.
    pub fn block_hash(&self, height: u64) -> Result<Option<B256>, EvmError> {
        let hash = database::block_hash(&*self.snapshot, height)?;
        Ok((!hash.is_zero()).then_some(hash))
    }

    /// An account; `None` where there is none.
    ///
    /// # Errors
    /// Of reading.
    pub fn account(&self, address: Address) -> Result<Option<Account>, EvmError> {
        Ok(database::account(&*self.snapshot, &address)?)
    }

    /// What an account has. Unit: wei.
    ///
    /// # Errors
    /// Of reading.
    pub fn balance(&self, address: Address) -> Result<U256, EvmError> {
        let account = self.account(address)?;
        Ok(account.map_or(U256::ZERO, |account| account.balance))
    }

    /// The code of an account; empty where it has none.
    ///
    /// # Errors
    /// Of reading.
    pub fn code(&self, address: Address) -> Result<Bytes, EvmError> {
        match self.account(address)? {
            Some(account) if account.has_code() => Ok(self
                .codes
                .get(&*self.snapshot, &account.code_hash)?
                .original_bytes()),
            _ => Ok(Bytes::new()),
        }
    }

    /// A slot of an account; 0 where nothing was set.
    ///
    /// # Errors
    /// Of reading.
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, EvmError> {
        let account = self.account(address)?;
        let storage = account.map_or(StorageId::NONE, |account| account.storage);
        Ok(database::slot(&*self.snapshot, &address, storage, slot)?)
    }

    /// All accounts, in the order of their addresses.
    pub fn accounts(&self) -> impl Iterator<Item = Result<(Address, Account), EvmError>> + use<> {
        let rows = self.snapshot.scan(keys::ACCOUNTS);
        rows.map(|row| {
            let (key, value) = row?;
            let address = keys::address_of(&key).unwrap_or_default();
            Ok((address, Account::decode(&value)?))
        })
    }

    /// The slots of an account that are not 0, in their order.
    ///
    /// # Errors
    /// Of reading the account; one of reading slots is an item.
    pub fn slots(
        &self,
        address: Address,
    ) -> Result<impl Iterator<Item = Result<(U256, U256), EvmError>> + use<>, EvmError> {
        let account = self.account(address)?;
        let storage = account.map_or(StorageId::NONE, |account| account.storage);
        let rows = self.snapshot.scan(keys::storage(&address, storage));
        Ok(rows.map(|row| {
            let (key, value) = row?;
            let slot = keys::slot_of(&key).unwrap_or_default();
            Ok((U256::from_be_bytes(slot.0), number(&value)))
        }))
    }

    /// The root of the state's trie, computed from all of its accounts and slots.
    ///
    /// # Errors
    /// Of reading.
    pub fn state_root(&self) -> Result<B256, EvmError> {
        Ok(state_root(&*self.snapshot)?)
    }

    /// The rules that the chain was made with: its identity, and the fork.
    ///
    /// # Errors
    /// [`EvmError::Chain`] where they are not those of a chain that this build knows.
    pub fn rules(&self) -> Result<(u64, SpecId), EvmError> {
        let row = self.snapshot.get(keys::CHAIN)?;
        let unknown = || {
            let message = "the store has no chain that this build knows";
            EvmError::Chain(message.to_owned())
        };
        let row = row.ok_or_else(unknown)?;
        let (chain_id, spec) = row.split_first_chunk::<8>().ok_or_else(unknown)?;
        let spec = match spec {
            [spec] => SpecId::try_from_u8(*spec).ok_or_else(unknown)?,
            _ => return Err(unknown()),
        };
        Ok((u64::from_be_bytes(*chain_id), spec))
    }

    /// Calls a contract, or makes one, on this state; nothing is kept.
    ///
    /// # Errors
    /// [`EvmError::InvalidTransaction`] for a call that cannot be begun, and of reading. A call that reverts, or runs out of
    /// gas, has a result that says so.
    pub fn call(&self, call: &EvmCall) -> Result<call::CallResult, EvmError> {
        call::call(self, &self.snapshot, &self.codes, call)
    }
}

impl std::fmt::Debug for EvmState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvmState")
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

impl DatabaseRef for EvmState {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let account = database::account(&*self.snapshot, &address)?;
        Ok(account.map(|account| database::info(&account)))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StateError> {
        Ok(self.codes.get(&*self.snapshot, &hash)?)
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StateError> {
        let account = database::account(&*self.snapshot, &address)?;
        let storage = account.map_or(StorageId::NONE, |account| account.storage);
        Ok(database::slot(&*self.snapshot, &address, storage, index)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        Ok(database::block_hash(&*self.snapshot, number)?)
    }
}
