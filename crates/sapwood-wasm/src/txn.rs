//! What is asked of a machine: [`WasmTxn`] in a block, [`WasmCall`] of a past state.

use crate::address::ContractAddress;

/// A transaction of a block.
///
/// Who sends it is taken as given: signatures, nonces and fees are the chain's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasmTxn {
    /// Who sends it: any bytes.
    pub sender: Vec<u8>,
    /// The fuel that it may take.
    pub fuel: u64,
    /// What it does.
    pub action: WasmAction,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WasmAction {
    /// Deploys a module as the contract [`ContractAddress::of`] the sender and the salt. If it exports the
    /// function `init`, that is called, this once; if that fails, nothing was deployed.
    Deploy {
        /// The module, in binary form.
        module: Vec<u8>,
        /// Tells contracts of one sender apart.
        salt: Vec<u8>,
        /// The input of `init`.
        input: Vec<u8>,
    },
    /// Calls a function that a contract exports.
    Call {
        /// The contract.
        contract: ContractAddress,
        /// The function's name.
        function: String,
        /// Its input.
        input: Vec<u8>,
    },
}

impl WasmTxn {
    /// Deploys a module; see [`WasmAction::Deploy`].
    pub fn deploy(
        sender: impl Into<Vec<u8>>,
        salt: impl Into<Vec<u8>>,
        module: impl Into<Vec<u8>>,
        input: impl Into<Vec<u8>>,
    ) -> Self {
        let action = WasmAction::Deploy {
            module: module.into(),
            salt: salt.into(),
            input: input.into(),
        };
        Self {
            sender: sender.into(),
            fuel: u64::MAX,
            action,
        }
    }

    /// Calls a contract.
    pub fn call(
        sender: impl Into<Vec<u8>>,
        contract: ContractAddress,
        function: impl Into<String>,
        input: impl Into<Vec<u8>>,
    ) -> Self {
        let action = WasmAction::Call {
            contract,
            function: function.into(),
            input: input.into(),
        };
        Self {
            sender: sender.into(),
            fuel: u64::MAX,
            action,
        }
    }

    /// The same with so much fuel; without it, as much as the machine allows.
    #[must_use]
    pub fn fuel(mut self, fuel: u64) -> Self {
        self.fuel = fuel;
        self
    }
}

/// A question to a contract, answered from the state at some height. It may do all but write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasmCall {
    /// The contract.
    pub contract: ContractAddress,
    /// The name of the function that is called.
    pub function: String,
    /// Its input.
    pub input: Vec<u8>,
    /// Who the contract is told to be called by.
    pub caller: Vec<u8>,
    /// The fuel that it may take.
    pub fuel: u64,
}

impl WasmCall {
    /// Calls a function, by nobody, with as much fuel as the machine allows.
    pub fn new(
        contract: ContractAddress,
        function: impl Into<String>,
        input: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            contract,
            function: function.into(),
            input: input.into(),
            caller: Vec::new(),
            fuel: u64::MAX,
        }
    }
}
