//! [`Rows`]: revm's `Database` over anything that Sapwood reads.

use alloy_primitives::{Address, B256, U256, map::AddressMap};
use revm::{Database, bytecode::Bytecode, state::AccountInfo};
use sapwood::{ReadView, Result, decode_cell};

use crate::{
    account::{Account, StorageId},
    code::CodeCache,
    error::StateError,
    keys,
};

/// The account of an address; `None` where there is none.
pub(crate) fn account(view: &impl ReadView, address: &Address) -> Result<Option<Account>> {
    let row = view.get(keys::account(address))?;
    row.map(|bytes| Account::decode(&bytes)).transpose()
}

/// A slot of a storage; 0 where nothing was set.
pub(crate) fn slot(
    view: &impl ReadView,
    address: &Address,
    storage: StorageId,
    slot: U256,
) -> Result<U256> {
    if storage == StorageId::NONE {
        return Ok(U256::ZERO);
    }
    let row = view.get(keys::slot(address, storage, &B256::from(slot)))?;
    Ok(row.map_or(U256::ZERO, |bytes| number(&bytes)))
}

/// A slot's value as it lies: without its leading zeros.
pub(crate) fn number(bytes: &[u8]) -> U256 {
    U256::try_from_be_slice(bytes).unwrap_or_default()
}

/// The hash of a block; 0 where it is not known.
pub(crate) fn block_hash(view: &impl ReadView, height: u64) -> Result<B256> {
    let row = view.get(keys::block_hash(height))?;
    Ok(row
        .and_then(|bytes| B256::try_from(&bytes[..]).ok())
        .unwrap_or_default())
}

/// What the beneficiary of a block got from its transactions so far.
pub(crate) fn fees(view: &impl ReadView) -> Result<U256> {
    let cell = view.get(keys::FEES)?;
    let fees = decode_cell(cell.as_deref())?;
    Ok(U256::from(u128::try_from(fees).unwrap_or_default()))
}

pub(crate) fn info(account: &Account) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        account_id: None,
        // Asked for by its hash, where it is needed.
        code: None,
    }
}

/// A view for revm, which keeps the accounts that were asked for.
pub(crate) struct Rows<'v, V> {
    pub(crate) view: &'v V,
    pub(crate) codes: &'v CodeCache,
    /// Who gets the fees of the block that is being executed.
    pub(crate) beneficiary: Option<Address>,
    /// As they lie in the state.
    pub(crate) loaded: AddressMap<Option<Account>>,
}

impl<'v, V: ReadView> Rows<'v, V> {
    pub(crate) fn new(view: &'v V, codes: &'v CodeCache, beneficiary: Option<Address>) -> Self {
        let loaded = AddressMap::default();
        Self {
            view,
            codes,
            beneficiary,
            loaded,
        }
    }

    fn load(&mut self, address: Address) -> Result<Option<Account>> {
        if let Some(loaded) = self.loaded.get(&address) {
            return Ok(*loaded);
        }
        let account = account(self.view, &address)?;
        self.loaded.insert(address, account);
        Ok(account)
    }
}

impl<V: ReadView> Database for Rows<'_, V> {
    type Error = StateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let mut account = self.load(address)?;
        if self.beneficiary == Some(address) {
            let fees = fees(self.view)?;
            if !fees.is_zero() {
                let account = account.get_or_insert_default();
                account.balance = account.balance.saturating_add(fees);
            }
        }
        Ok(account.map(|account| info(&account)))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateError> {
        Ok(self.codes.get(self.view, &hash)?)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, StateError> {
        match self.load(address)? {
            Some(account) => Ok(slot(self.view, &address, account.storage, index)?),
            None => Ok(U256::ZERO),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StateError> {
        Ok(block_hash(self.view, number)?)
    }
}
