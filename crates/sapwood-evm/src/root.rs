//! The state root: of all accounts and slots.

use alloy_primitives::B256;
use alloy_trie::{
    EMPTY_ROOT_HASH, TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use sapwood::{BlockBase, KeyRange, Result};

use crate::{
    account::{Account, StorageId},
    database::number,
    keys,
};

/// The root of a state's trie (yellow paper, 4.1), from all of its rows.
pub(crate) fn state_root(state: &dyn BlockBase) -> Result<B256> {
    let mut accounts = Vec::new();
    for row in state.range(&KeyRange::prefix(&keys::ACCOUNTS)) {
        let (key, value) = row?;
        let Some(address) = keys::address_of(&key) else {
            continue;
        };
        let account = Account::decode(&value)?;
        let storage_root = if account.storage == StorageId::NONE {
            EMPTY_ROOT_HASH
        } else {
            let slots = keys::storage(&address, account.storage);
            storage_root(state, slots.as_ref())?
        };
        let account = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.code_hash,
        };
        accounts.push((address, account));
    }
    Ok(state_root_unhashed(accounts))
}

fn storage_root(state: &dyn BlockBase, prefix: &[u8]) -> Result<B256> {
    let mut slots = Vec::new();
    for row in state.range(&KeyRange::prefix(prefix)) {
        let (key, value) = row?;
        if let Some(slot) = keys::slot_of(&key) {
            slots.push((slot, number(&value)));
        }
    }
    Ok(storage_root_unhashed(slots))
}
