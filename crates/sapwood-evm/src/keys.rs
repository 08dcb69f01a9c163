//! Where things lie in the state: one letter, and what tells them apart, in fixed lengths.
//!
//! Keys of a kind lie beside each other in the order of what follows the letter; numbers are big-endian.

use alloy_primitives::{Address, B256};

use crate::account::StorageId;

/// The record of an account.
const ACCOUNT: u8 = b'a';
/// A slot of a storage.
const SLOT: u8 = b's';
/// Code, by its hash.
const CODE: u8 = b'c';
/// The hash of a block.
const BLOCK_HASH: u8 = b'h';
/// A storage that was wiped, and has slots yet.
const WIPED: u8 = b'w';

/// The header of the newest block.
pub(crate) const HEADER: &[u8] = b"H";
/// What the chain is, that is not to change.
pub(crate) const CHAIN: &[u8] = b"C";
/// What the block's beneficiary got since the block began: an integer cell. Not there between blocks.
pub(crate) const FEES: &[u8] = b"F";

/// The bytes of an address.
pub(crate) const ADDRESS_BYTES: usize = 20;
const STORAGE_BYTES: usize = 1 + ADDRESS_BYTES + 8;

/// A key of at most so many bytes: no memory of its own.
#[derive(Clone, Copy)]
pub(crate) struct FixedKey<const N: usize>([u8; N]);

impl<const N: usize> FixedKey<N> {
    fn new(kind: u8, parts: [&[u8]; 3]) -> Self {
        let mut bytes = [0; N];
        let all = [kind]
            .into_iter()
            .chain(parts.into_iter().flatten().copied());
        for (to, from) in bytes.iter_mut().zip(all) {
            *to = from;
        }
        Self(bytes)
    }
}

impl<const N: usize> AsRef<[u8]> for FixedKey<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Every account begins with it.
pub(crate) const ACCOUNTS: [u8; 1] = [ACCOUNT];
/// Every wiped storage begins with it.
pub(crate) const ALL_WIPED: [u8; 1] = [WIPED];

pub(crate) fn account(address: &Address) -> FixedKey<{ 1 + ADDRESS_BYTES }> {
    FixedKey::new(ACCOUNT, [address.as_slice(), &[], &[]])
}

/// The address of an account's key.
pub(crate) fn address_of(key: &[u8]) -> Option<Address> {
    match key {
        [ACCOUNT, address @ ..] => Address::try_from(address).ok(),
        _ => None,
    }
}

/// Every slot of a storage begins with it.
pub(crate) fn storage(address: &Address, storage: StorageId) -> FixedKey<STORAGE_BYTES> {
    FixedKey::new(SLOT, [address.as_slice(), &storage.bytes(), &[]])
}

pub(crate) fn slot(
    address: &Address,
    storage: StorageId,
    slot: &B256,
) -> FixedKey<{ STORAGE_BYTES + 32 }> {
    FixedKey::new(
        SLOT,
        [address.as_slice(), &storage.bytes(), slot.as_slice()],
    )
}

/// The slot of a slot's key.
pub(crate) fn slot_of(key: &[u8]) -> Option<B256> {
    B256::try_from(key.get(STORAGE_BYTES..)?).ok()
}

pub(crate) fn wiped(address: &Address, storage: StorageId) -> FixedKey<STORAGE_BYTES> {
    FixedKey::new(WIPED, [address.as_slice(), &storage.bytes(), &[]])
}

/// The beginning of the slots of the storage that a key says was wiped.
pub(crate) fn slots_of_wiped(key: &[u8]) -> Option<Vec<u8>> {
    let (WIPED, rest) = key.split_first().map(|(kind, rest)| (*kind, rest))? else {
        return None;
    };
    let mut prefix = Vec::with_capacity(STORAGE_BYTES);
    prefix.push(SLOT);
    prefix.extend_from_slice(rest);
    (prefix.len() == STORAGE_BYTES).then_some(prefix)
}

pub(crate) fn code(hash: &B256) -> FixedKey<33> {
    FixedKey::new(CODE, [hash.as_slice(), &[], &[]])
}

pub(crate) fn block_hash(height: u64) -> FixedKey<9> {
    FixedKey::new(BLOCK_HASH, [&height.to_be_bytes(), &[], &[]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_fixed_lengths_and_tell_what_they_are_of() {
        let address = Address::repeat_byte(0x11);
        let storage_id = StorageId::new(7, 3);
        let at = B256::repeat_byte(0x22);
        let account = account(&address);
        assert_eq!(account.as_ref().len(), 21);
        assert_eq!(address_of(account.as_ref()), Some(address));
        assert_eq!(address_of(&account.as_ref()[..20]), None);
        let slot = slot(&address, storage_id, &at);
        assert_eq!(slot.as_ref().len(), 61);
        assert!(
            slot.as_ref()
                .starts_with(storage(&address, storage_id).as_ref())
        );
        assert_eq!(slot_of(slot.as_ref()), Some(at));
        let wiped = wiped(&address, storage_id);
        let slots = slots_of_wiped(wiped.as_ref()).unwrap();
        assert_eq!(slots, storage(&address, storage_id).as_ref());
        assert_eq!(slots_of_wiped(slot.as_ref()), None);
        assert_eq!(block_hash(258).as_ref(), b"h\0\0\0\0\0\0\x01\x02");
        assert_eq!(code(&at).as_ref().len(), 33);
    }
}
