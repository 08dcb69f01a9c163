//! x

mod address;
mod cache;
mod config;
mod end;
pub mod fuel;
mod host;
mod layout;
mod machine;
mod module;
mod receipt;
mod run;
mod state;
mod txn;

pub use address::ContractAddress;
pub use config::WasmConfig;
pub use layout::{Contract, contract_at, state_key};
pub use machine::WasmMachine;
pub use receipt::{Event, Failure, Receipt};
pub use txn::{WasmAction, WasmCall, WasmTxn};
