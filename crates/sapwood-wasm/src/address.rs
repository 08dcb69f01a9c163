//! [`ContractAddress`]: what a contract is called by.

use std::fmt;

use sha2::{Digest, Sha256};

/// The address of a contract: known before it is deployed, from who deploys it and a salt of their choice.
///
/// # Examples
/// ```
/// use sapwood_wasm::ContractAddress;
///
/// let token = ContractAddress::of(b"alice", b"token");
/// assert_ne!(token, ContractAddress::of(b"alice", b"token 2"));
/// assert_ne!(token, ContractAddress::of(b"bob", b"token"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractAddress([u8; 32]);

impl ContractAddress {
    /// The address of what `deployer` deploys under `salt`: SHA-256 over `sapwood contract`, the length of
    /// the deployer (8 bytes, big-endian), the deployer and the salt.
    pub fn of(deployer: &[u8], salt: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"sapwood contract");
        hash.update((deployer.len() as u64).to_be_bytes());
        hash.update(deployer);
        hash.update(salt);
        Self(hash.finalize().into())
    }

    /// The address with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContractAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContractAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
