//! What comes of a transaction or a call: [`Receipt`], with its events, or the [`Failure`].

use std::fmt;

use crate::address::ContractAddress;

/// What a contract told the world.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The contract.
    pub contract: ContractAddress,
    /// What it is about.
    pub topic: Vec<u8>,
    /// Its content.
    pub data: Vec<u8>,
}

/// What came of a transaction, or of a call that only reads.
///
/// The same for every run of the same transaction on the same state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The fuel that it took, whether or not it succeeded. All that it brought, where that was not enough.
    pub fuel_used: u64,
    /// What the contract gave out. Empty after a failure.
    pub output: Vec<u8>,
    /// Its events, in order. None after a failure.
    pub events: Vec<Event>,
    /// The contract that was deployed, for a deployment that succeeded.
    pub deployed: Option<ContractAddress>,
    /// Why it failed, if it did. Then it wrote nothing.
    pub failure: Option<Failure>,
}

impl Receipt {
    /// Whether what was asked for was done.
    pub fn is_success(&self) -> bool {
        self.failure.is_none()
    }
}

/// Why a transaction, or a call, failed. All of it is decided by the transaction and the state, so it is the
/// same wherever it is executed; only the texts may differ between versions of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It took more fuel than it brought.
    OutOfFuel,
    /// The contract trapped.
    Trap(String),
    /// The contract took back what it did, with this message.
    Reverted(Vec<u8>),
    /// The contract called its host with what cannot be: pointers out of its memory, a key over its limit.
    BadHostCall(String),
    /// The contract set or deleted a key in a call that only reads.
    ReadOnly,
    /// There is no contract at this address.
    NoContract(ContractAddress),
    /// The contract exports no function of this name that takes nothing and gives nothing.
    NoFunction(String),
    /// The module cannot be a contract.
    BadModule(String),
    /// There is a contract at this address already.
    ContractExists(ContractAddress),
    /// A field of the transaction, or of the call, is over its limit.
    TooLarge(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfFuel => f.write_str("out of fuel: bring more"),
            Self::Trap(reason) => write!(f, "the contract trapped: {reason}"),
            Self::Reverted(message) => write!(f, "reverted: {}", message.escape_ascii()),
            Self::BadHostCall(reason) => {
                write!(f, "the contract called its host wrongly: {reason}")
            }
            Self::ReadOnly => f.write_str("the contract wrote in a call that only reads"),
            Self::NoContract(address) => write!(f, "there is no contract at {address}"),
            Self::NoFunction(name) => write!(
                f,
                "the contract exports no function {name:?} without parameters and results"
            ),
            Self::BadModule(reason) => write!(f, "the module cannot be a contract: {reason}"),
            Self::ContractExists(address) => {
                write!(f, "there is a contract at {address}: choose another salt")
            }
            Self::TooLarge(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failure {}
