//! Where things lie in the state, and the record of a contract. Pure functions.
//!
//! ```text
//! "wasm/contract/" address: 32         format: 1 (1) | module hash: 32 | height: 8, big-endian | deployer
//! "wasm/module/" hash: 32              the module, as it was deployed; hash is its SHA-256
//! "wasm/state/" address: 32 key        what the contract set under its key
//! ```
//!
//! Addresses have one length, so no contract's keys begin with another's. A module is stored once, however
//! many contracts run it, and never changes.

use sapwood::{ReadView, Result, Timestamp, storage::KeyRange};

use crate::address::ContractAddress;

const CONTRACT: &[u8] = b"wasm/contract/";
const MODULE: &[u8] = b"wasm/module/";
const STATE: &[u8] = b"wasm/state/";
const FORMAT: u8 = 1;

/// The SHA-256 of a module.
pub(crate) type ModuleHash = [u8; 32];

/// A contract that was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contract {
    /// The SHA-256 of its module.
    pub module_hash: [u8; 32],
    /// The height at which it was deployed.
    pub height: Timestamp,
    /// Who did.
    pub deployer: Vec<u8>,
}

impl Contract {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let height = self.height.get().to_be_bytes();
        [&[FORMAT][..], &self.module_hash, &height, &self.deployer].concat()
    }

    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        let (format, rest) = record.split_first()?;
        let (module_hash, rest) = rest.split_first_chunk()?;
        let (height, deployer) = rest.split_first_chunk()?;
        (*format == FORMAT).then(|| Self {
            module_hash: *module_hash,
            height: Timestamp::new(u64::from_be_bytes(*height)),
            deployer: deployer.to_vec(),
        })
    }
}

/// The key of a contract's record.
pub(crate) fn contract_key(address: &ContractAddress) -> Vec<u8> {
    [CONTRACT, address.as_bytes()].concat()
}

/// The key of a module.
pub(crate) fn module_key(hash: &ModuleHash) -> Vec<u8> {
    [MODULE, hash].concat()
}

/// The key under which a state has what a contract set under `key`: to read it without running the
/// contract, or to ask for its history.
///
/// # Examples
/// ```
/// use sapwood::{Engine, ReadView};
/// use sapwood_wasm::{ContractAddress, state_key};
///
/// let engine = Engine::in_memory();
/// let token = ContractAddress::of(b"alice", b"token");
/// assert_eq!(engine.get(state_key(&token, b"balance/bob"))?, None);
/// # Ok::<(), sapwood::Error>(())
/// ```
pub fn state_key(address: &ContractAddress, key: &[u8]) -> Vec<u8> {
    [STATE, address.as_bytes(), key].concat()
}

/// What stands before a contract's own keys.
pub(crate) const STATE_PREFIX_BYTES: usize = STATE.len() + 32;

/// The keys of a contract that begin with `prefix`, from `from` on.
pub(crate) fn state_range(address: &ContractAddress, prefix: &[u8], from: &[u8]) -> KeyRange {
    let behind = KeyRange::new(state_key(address, from)..);
    KeyRange::prefix(&state_key(address, prefix)).intersection(behind)
}

/// The contract at an address, in a state of any height.
///
/// # Errors
/// As every call of [`ReadView`]; `None` where there is no contract.
pub fn contract_at(state: &impl ReadView, address: &ContractAddress) -> Result<Option<Contract>> {
    let record = state.get(contract_key(address))?;
    Ok(record.and_then(|record| Contract::decode(&record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_later_formats_do_not() {
        let contract = Contract {
            module_hash: [7; 32],
            height: Timestamp::new(300),
            deployer: b"alice".to_vec(),
        };
        let mut record = contract.encode();
        assert_eq!(Contract::decode(&record), Some(contract));
        assert_eq!(Contract::decode(&record[..40]), None);
        record[0] = 2;
        assert_eq!(Contract::decode(&record), None);
    }

    #[test]
    fn a_contracts_range_holds_no_others_keys() {
        let (low, high) = (
            ContractAddress::new([0; 32]),
            ContractAddress::new([0xFF; 32]),
        );
        for address in [low, high] {
            let all = state_range(&address, b"", b"");
            assert!(all.contains(&state_key(&address, b"")));
            assert!(all.contains(&state_key(&address, &[0xFF; 40])));
            let other = if address == low { high } else { low };
            assert!(!all.contains(&state_key(&other, b"a")));
            assert!(!all.contains(&contract_key(&address)) && !all.contains(b"x"));
        }
        let some = state_range(&low, b"ab", b"abc");
        assert!(some.contains(&state_key(&low, b"abc")) && some.contains(&state_key(&low, b"abd")));
        assert!(
            !some.contains(&state_key(&low, b"abb")) && !some.contains(&state_key(&low, b"ac"))
        );
    }
}
