//! [`Account`]: the record of an account.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use sapwood::{Error, ErrorKind, Result};

/// Which storage of an address its slots are in: a contract that is created gets a new one, so that what one
/// before it left is out of its reach at once, however much that is.
///
/// It tells where it was made: the height and the position in the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageId(u64);

impl StorageId {
    /// Of accounts that never had a slot.
    pub const NONE: Self = Self(0);

    /// The bits that tell positions in a block apart: as many as a block may have transactions.
    const POSITION_BITS: u32 = 24;

    /// The storage of an account that is made at this height, at this position of its block.
    pub(crate) fn new(height: u64, position: u32) -> Self {
        let height = height.wrapping_add(1) << Self::POSITION_BITS;
        Self(height | u64::from(position))
    }

    /// As it lies in keys and records: 8 bytes, big-endian.
    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// An account, as it lies in the state.
///
/// ```text
/// nonce: 8, big-endian | balance: 32, big-endian                                  nobody's code, no slots
/// nonce: 8, big-endian | balance: 32, big-endian | storage: 8 | code hash: 32     others
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// How many transactions it has sent, or contracts it has made.
    pub nonce: u64,
    /// What it has. Unit: wei.
    pub balance: U256,
    /// The Keccak-256 of its code; of no bytes where it has none.
    pub code_hash: B256,
    /// Where its slots are.
    pub storage: StorageId,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK256_EMPTY,
            storage: StorageId::NONE,
        }
    }
}

const PLAIN_BYTES: usize = 8 + 32;
const FULL_BYTES: usize = PLAIN_BYTES + 8 + 32;

impl Account {
    /// Whether it has code.
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY
    }

    /// Whether it is as if it did not exist (EIP-161).
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && !self.has_code()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FULL_BYTES);
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.extend_from_slice(&self.balance.to_be_bytes::<32>());
        if self.has_code() || self.storage != StorageId::NONE {
            bytes.extend_from_slice(&self.storage.bytes());
            bytes.extend_from_slice(self.code_hash.as_slice());
        }
        bytes
    }

    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) for bytes of another length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || {
            let at = "the record of an account".to_owned();
            let message = format!("an account has 40 or 80 bytes, this one {}", bytes.len());
            Error::of_machine(ErrorKind::Corrupt { at }, message)
        };
        if bytes.len() != PLAIN_BYTES && bytes.len() != FULL_BYTES {
            return Err(damaged());
        }
        let (nonce, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (balance, rest) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
        let mut account = Self {
            nonce: u64::from_be_bytes(*nonce),
            balance: U256::from_be_bytes(*balance),
            ..Self::default()
        };
        if let Some((storage, code_hash)) = rest.split_first_chunk::<8>() {
            account.storage = StorageId(u64::from_be_bytes(*storage));
            account.code_hash = B256::try_from(code_hash).map_err(|_| damaged())?;
        }
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_come_back_as_they_were() {
        let plain = Account {
            nonce: 3,
            balance: U256::MAX,
            ..Account::default()
        };
        assert_eq!(plain.encode().len(), 40);
        let contract = Account {
            code_hash: B256::repeat_byte(5),
            storage: StorageId::new(9, 2),
            ..plain
        };
        let without_code = Account {
            storage: StorageId::new(0, 0),
            ..plain
        };
        assert_eq!(contract.encode().len(), 80);
        for account in [plain, contract, without_code, Account::default()] {
            assert_eq!(Account::decode(&account.encode()).unwrap(), account);
        }
        assert!(Account::decode(&[0; 41]).is_err());
        assert!(Account::decode(&[]).is_err());
    }

    #[test]
    fn storages_of_other_blocks_and_positions_are_others() {
        let ids = [(0, 0), (0, 1), (1, 0), (1, (1 << 24) - 1), (2, 0)];
        let ids: Vec<_> = ids.map(|(height, at)| StorageId::new(height, at)).into();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        assert!(!ids.contains(&StorageId::NONE));
    }
}
