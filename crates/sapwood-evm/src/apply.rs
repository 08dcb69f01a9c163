//! What revm says that a transaction changes, as rows of the state.

use alloy_primitives::{Address, B256, U256};
use revm::state::{Account as Changed, EvmState as Changes};
use sapwood::{Batch, BlockBase, BlockContext, ErrorKind, KeyRange, ReadView, Result};

use crate::{
    account::{Account, StorageId},
    database::{self, Rows},
    keys,
    machine::Ran,
};

/// Writes what a run has changed, and gives the beneficiary its fees.
pub(crate) fn apply(
    ctx: &mut BlockContext<'_>,
    storage: StorageId,
    beneficiary: Address,
    changes: &Changes,
    loaded: &Loaded,
    fees: U256,
) -> Result<()> {
    for (address, changed) in changes {
        if changed.is_touched() {
            let was = loaded.get(address);
            let is_beneficiary = *address == beneficiary;
            apply_account(ctx, storage, is_beneficiary, *address, changed, was)?;
        }
    }
    // An account that is destroyed takes its fees with it.
    let is_destroyed = changes
        .get(&beneficiary)
        .is_some_and(Changed::is_selfdestructed);
    if is_destroyed {
        return Ok(());
    }
    pay(ctx, &beneficiary, fees)
}

/// Writes what a transaction has changed that somebody else has run, fees and all.
pub(crate) fn apply_foreign(
    ctx: &mut BlockContext<'_>,
    storage: StorageId,
    changes: &Changes,
) -> Result<()> {
    for (address, changed) in changes {
        if changed.is_touched() {
            let was = database::account(ctx, address)?;
            apply_account(ctx, storage, false, *address, changed, was)?;
        }
    }
    Ok(())
}

/// The accounts that a run read, as they lay in the state.
pub(crate) struct Loaded(alloy_primitives::map::AddressMap<Option<Account>>);

impl Loaded {
    fn get(&self, address: &Address) -> Option<Account> {
        self.0.get(address).copied().flatten()
    }
}

impl<V> Ran<'_, V> {
    /// Lets go of the view: what is left can be applied to it.
    pub(crate) fn into_parts(
        self,
    ) -> (
        revm::context::result::ExecutionResult,
        Changes,
        U256,
        Loaded,
    ) {
        let Rows { loaded, .. } = self.rows;
        (self.result, self.changes, self.fees, Loaded(loaded))
    }
}

fn apply_account(
    ctx: &mut BlockContext<'_>,
    new_storage: StorageId,
    is_beneficiary: bool,
    address: Address,
    changed: &Changed,
    was: Option<Account>,
) -> Result<()> {
    let key = keys::account(&address);
    let old_storage = was.map_or(StorageId::NONE, |was| was.storage);
    if changed.is_selfdestructed() || changed.is_empty() {
        if was.is_some() {
            ctx.delete(key)?;
            wipe(ctx, &address, old_storage)?;
        }
        if is_beneficiary && ctx.contains(keys::FEES)? {
            ctx.delete(keys::FEES)?;
        }
        return Ok(());
    }
    let mut storage = old_storage;
    if changed.is_created() {
        wipe(ctx, &address, old_storage)?;
        storage = StorageId::NONE;
    }
    let mut slots = changed.changed_storage_slots().peekable();
    let needs_storage = changed.is_created() || slots.peek().is_some();
    if needs_storage && storage == StorageId::NONE {
        storage = new_storage;
    }
    for (slot, value) in slots {
        let key = keys::slot(&address, storage, &B256::from(*slot));
        if value.present_value.is_zero() {
            ctx.delete(key)?;
        } else {
            ctx.set(key, value.present_value.to_be_bytes_trimmed_vec())?;
        }
    }
    let info = &changed.info;
    let now = Account {
        nonce: info.nonce,
        balance: info.balance,
        code_hash: info.code_hash,
        storage,
    };
    if was.is_none_or(|was| was.code_hash != now.code_hash)
        && let Some(code) = info.code.as_ref().filter(|_| now.has_code())
    {
        let key = keys::code(&now.code_hash);
        if !ctx.contains(key)? {
            ctx.set(key, code.original_byte_slice())?;
        }
    }
    if !is_beneficiary {
        return if was == Some(now) {
            Ok(())
        } else {
            ctx.set(key, now.encode())
        };
    }
    // What it was seen to have had the block's fees in it.
    let fees = database::fees(ctx)?;
    let had = was.unwrap_or_default();
    let had = Account {
        balance: had.balance.saturating_add(fees),
        ..had
    };
    if had != now {
        ctx.set(key, now.encode())?;
        if !fees.is_zero() {
            ctx.delete(keys::FEES)?;
        }
    }
    Ok(())
}

/// Puts a storage out of reach; its slots go later, some with each block.
fn wipe(ctx: &mut BlockContext<'_>, address: &Address, storage: StorageId) -> Result<()> {
    if storage == StorageId::NONE {
        return Ok(());
    }
    ctx.set(keys::wiped(address, storage), b"")
}

/// Gives the beneficiary fees, without reading what it has.
fn pay(ctx: &mut BlockContext<'_>, beneficiary: &Address, fees: U256) -> Result<()> {
    if fees.is_zero() {
        return Ok(());
    }
    let Ok(delta) = i128::try_from(fees) else {
        return credit(ctx, beneficiary, fees);
    };
    match ctx.add(keys::FEES, delta) {
        // More than there will ever be of ether.
        Err(error) if matches!(error.kind(), ErrorKind::Invalid) => credit(ctx, beneficiary, fees),
        ended => ended,
    }
}

/// Adds to what an account has.
fn credit(ctx: &mut BlockContext<'_>, address: &Address, amount: U256) -> Result<()> {
    if amount.is_zero() {
        return Ok(());
    }
    let mut account = database::account(ctx, address)?.unwrap_or_default();
    account.balance = account.balance.saturating_add(amount);
    ctx.set(keys::account(address), account.encode())
}

/// What is done after a block's transactions: withdrawals, given in wei, and the fees go to accounts.
pub(crate) fn settle(
    ctx: &mut BlockContext<'_>,
    withdrawals: impl IntoIterator<Item = (Address, U256)>,
    beneficiary: &Address,
) -> Result<()> {
    for (address, amount) in withdrawals {
        credit(ctx, &address, amount)?;
    }
    let fees = database::fees(ctx)?;
    if !fees.is_zero() {
        credit(ctx, beneficiary, fees)?;
        ctx.delete(keys::FEES)?;
    }
    Ok(())
}

/// Deletes up to so many rows of slots of storages that were wiped before the block that is being committed.
///
/// Not a part of executing it: nobody can see these rows.
pub(crate) fn sweep(base: &dyn BlockBase, mut slots: usize, batch: &mut Batch) -> Result<()> {
    if slots == 0 {
        return Ok(());
    }
    for row in base.range(&KeyRange::prefix(&keys::ALL_WIPED)) {
        let (wiped, _) = row?;
        let Some(prefix) = keys::slots_of_wiped(&wiped) else {
            continue;
        };
        for dead in base.range(&KeyRange::prefix(&prefix)) {
            if slots == 0 {
                return Ok(());
            }
            batch.delete(dead?.0);
            slots -= 1;
        }
        batch.delete(wiped);
    }
    Ok(())
}
