//! [`WasmMachine`]: transactions and calls from their first check to their receipt.
//!
//! What a transaction reads does not depend on what is remembered of earlier ones: the record of the
//! contract and its module are read each time, whether or not the compiled module is at hand. So access
//! sets, fuel and outcomes are those of any other machine.

use std::sync::Arc;

use sapwood::{BlockContext, ExecutionStatus, Result, Snapshot, Timestamp, Value, VirtualMachine};
use sha2::{Digest, Sha256};

use crate::{
    address::ContractAddress,
    cache::ModuleCache,
    config::WasmConfig,
    end::{End, Tank},
    fuel,
    layout::{Contract, ModuleHash, contract_key, module_key},
    module::Compiled,
    receipt::{Failure, Receipt},
    run::{Run, Told},
    state::{Past, State},
    txn::{WasmAction, WasmCall, WasmTxn},
};

/// The function that is called when a contract is deployed, and never again.
const INIT: &str = "init";

/// Executes WebAssembly contracts: the virtual machine of a [`Runtime`](sapwood::Runtime).
///
/// A transaction that fails is [skipped](ExecutionStatus::Skip): its [`Receipt`] says why, its fuel is
/// [charged](BlockContext::charge), nothing of it stays.
///
/// # Examples
/// See the [crate](crate).
#[derive(Debug)]
pub struct WasmMachine {
    config: WasmConfig,
    cache: ModuleCache,
}

impl Default for WasmMachine {
    fn default() -> Self {
        Self::new(WasmConfig::default())
    }
}

impl WasmMachine {
    /// A machine with these limits.
    pub fn new(config: WasmConfig) -> Self {
        Self {
            cache: ModuleCache::new(config.cache_bytes),
            config,
        }
    }

    /// Its limits.
    pub fn config(&self) -> &WasmConfig {
        &self.config
    }

    /// Executes a transaction inside another, for a machine that does more than contracts: takes a fee
    /// first, say. What fails leaves nothing behind; what was written before stays.
    ///
    /// # Errors
    /// Those of the context: they are no outcome, and must be handed on. [`Io`](sapwood::ErrorKind::Io)
    /// where the system has no memory for the contract, [`Corrupt`](sapwood::ErrorKind::Corrupt) for a
    /// contract whose module is gone.
    pub fn run(
        &self,
        ctx: &mut BlockContext<'_>,
        height: Timestamp,
        txn: &WasmTxn,
    ) -> Result<Receipt> {
        let mut tank = Tank::new(txn.fuel.min(self.config.max_fuel));
        let before = ctx.savepoint();
        let receipt = match self.act(ctx, height, txn, &mut tank) {
            Ok(receipt) => receipt,
            Err(End::Stopped(error)) => return Err(error),
            Err(End::Failed(failure)) => {
                ctx.rollback_to(&before)?;
                failed(failure, &mut tank)
            }
        };
        let receipt = paid(receipt, &tank);
        ctx.charge(receipt.fuel_used)?;
        Ok(receipt)
    }

    fn act(
        &self,
        state: &mut dyn State,
        height: Timestamp,
        txn: &WasmTxn,
        tank: &mut Tank,
    ) -> Result<Receipt, End> {
        match &txn.action {
            WasmAction::Call {
                contract,
                function,
                input,
            } => {
                let told = Told {
                    contract: *contract,
                    height,
                    caller: &txn.sender,
                    input,
                };
                self.call_contract(state, &told, function, tank)
            }
            WasmAction::Deploy {
                module,
                salt,
                input,
            } => {
                let told = Told {
                    contract: ContractAddress::of(&txn.sender, salt),
                    height,
                    caller: &txn.sender,
                    input,
                };
                tank.take(fuel::deploy(module.len()))?;
                self.check_sizes(&[("salt", salt)])?;
                self.deploy(state, &told, module, tank)
            }
        }
    }

    fn call_contract(
        &self,
        state: &mut dyn State,
        told: &Told<'_>,
        function: &str,
        tank: &mut Tank,
    ) -> Result<Receipt, End> {
        tank.take(fuel::call(0))?;
        self.check_sizes(&[
            ("function", function.as_bytes()),
            ("input", told.input),
            ("caller", told.caller),
        ])?;
        let (hash, module) = find(state, &told.contract)?;
        tank.take(fuel::call(module.len()) - fuel::call(0))?;
        let compiled = self.compiled(&hash, &module)?;
        if function == INIT || !compiled.has_function(function) {
            return Err(Failure::NoFunction(function.to_owned()).into());
        }
        let run = Run {
            config: &self.config,
            compiled: &compiled,
            told,
            function: Some(function),
        };
        run.on(state, tank)
    }

    fn deploy(
        &self,
        state: &mut dyn State,
        told: &Told<'_>,
        module: &[u8],
        tank: &mut Tank,
    ) -> Result<Receipt, End> {
        self.check_sizes(&[("input", told.input), ("sender", told.caller)])?;
        let place = contract_key(&told.contract);
        if state.get(&place)?.is_some() {
            return Err(Failure::ContractExists(told.contract).into());
        }
        if module.len() > self.config.max_module_bytes {
            // Before anybody hashes it.
            Compiled::new(&self.config, module).map_err(Failure::BadModule)?;
        }
        let module_hash = hash_of(module);
        let compiled = self.compiled(&module_hash, module)?;
        let has_init = compiled.has_function(INIT);
        if !has_init && compiled.exports(INIT) {
            return Err(Failure::BadModule(format!(
                "{INIT:?} must be a function without parameters and results"
            ))
            .into());
        }
        let module_place = module_key(&module_hash);
        if state.get(&module_place)?.is_none() {
            state.set(&module_place, module)?;
        }
        let contract = Contract {
            module_hash,
            height: told.height,
            deployer: told.caller.to_vec(),
        };
        state.set(&place, &contract.encode())?;
        // Instantiated in any case: a module that cannot be is no contract.
        let run = Run {
            config: &self.config,
            compiled: &compiled,
            told,
            function: has_init.then_some(INIT),
        };
        let mut receipt = run.on(state, tank)?;
        receipt.deployed = Some(told.contract);
        Ok(receipt)
    }

    fn compiled(&self, hash: &ModuleHash, module: &[u8]) -> Result<Arc<Compiled>, End> {
        self.cache.get_or(hash, module.len(), || {
            if hash_of(module) != *hash {
                return Err(End::corrupt("a module", "its bytes have another hash"));
            }
            let compiled = Compiled::new(&self.config, module);
            compiled.map_err(|reason| Failure::BadModule(reason).into())
        })
    }

    fn check_sizes(&self, fields: &[(&str, &[u8])]) -> Result<(), Failure> {
        let max = self.config.max_io_bytes;
        let over = fields.iter().find(|(_, field)| field.len() > max);
        over.map_or(Ok(()), |(name, field)| {
            Err(Failure::TooLarge(format!(
                "the {name} has {} bytes; at most {max} are allowed",
                field.len()
            )))
        })
    }
}

impl VirtualMachine for WasmMachine {
    type Txn = WasmTxn;
    type Output = Receipt;
    type Call = WasmCall;
    type Answer = Receipt;

    fn execute(
        &self,
        ctx: &mut BlockContext<'_>,
        height: Timestamp,
        txn: &WasmTxn,
    ) -> Result<ExecutionStatus<Receipt>> {
        let receipt = self.run(ctx, height, txn)?;
        Ok(if receipt.is_success() {
            ExecutionStatus::Success(receipt)
        } else {
            ExecutionStatus::Skip(receipt)
        })
    }

    fn call(&self, state: &Snapshot, call: &WasmCall) -> Result<Receipt> {
        let mut tank = Tank::new(call.fuel.min(self.config.max_fuel));
        let told = Told {
            contract: call.contract,
            height: state.timestamp(),
            caller: &call.caller,
            input: &call.input,
        };
        match self.call_contract(&mut Past(state), &told, &call.function, &mut tank) {
            Ok(receipt) => Ok(paid(receipt, &tank)),
            Err(End::Failed(failure)) => {
                let receipt = failed(failure, &mut tank);
                Ok(paid(receipt, &tank))
            }
            Err(End::Stopped(error)) => Err(error),
        }
    }
}

fn find(state: &dyn State, address: &ContractAddress) -> Result<(ModuleHash, Value), End> {
    let record = state.get(&contract_key(address))?;
    let record = record.ok_or(Failure::NoContract(*address))?;
    let contract = Contract::decode(&record).ok_or_else(|| {
        End::corrupt(
            format!("the record of contract {address}"),
            "it cannot be read",
        )
    })?;
    let module = state.get(&module_key(&contract.module_hash))?;
    let module = module.ok_or_else(|| {
        End::corrupt(format!("the contract {address}"), "its module is not there")
    })?;
    Ok((contract.module_hash, module))
}

fn hash_of(module: &[u8]) -> ModuleHash {
    Sha256::digest(module).into()
}

fn failed(failure: Failure, tank: &mut Tank) -> Receipt {
    if failure == Failure::OutOfFuel {
        // What was left did not do; how much that was is nobody's business.
        tank.left = 0;
    }
    Receipt {
        failure: Some(failure),
        ..Receipt::default()
    }
}

fn paid(receipt: Receipt, tank: &Tank) -> Receipt {
    Receipt {
        fuel_used: tank.brought - tank.left,
        ..receipt
    }
}
