//! The contracts of `contracts/`: their interfaces, and what creates them.

#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::pedantic,
    reason = "the interfaces are made from contracts/*.abi.json, the documents are in contracts/*.sol"
)]

use alloy_primitives::{Address, Bytes, U256, hex};
use alloy_sol_types::{SolConstructor, sol};

use super::WorkloadError;

sol!(Token, "contracts/Token.abi.json");
sol!(Exchange, "contracts/Exchange.abi.json");

/// The first line is what creates a contract, the second one what is stored of it.
const TOKEN: &str = include_str!("../../contracts/Token.bin");
const EXCHANGE: &str = include_str!("../../contracts/Exchange.bin");

fn creation(file: &str, arguments: &[u8]) -> Bytes {
    // The files are checked by a test.
    let code = file.lines().next().unwrap_or_default();
    let mut bytes = hex::decode(code).unwrap_or_default();
    bytes.extend_from_slice(arguments);
    bytes.into()
}

/// What creates a token, whose supply belongs to who sends it.
pub(super) fn create_token(name: &str, symbol: &str, supply: U256) -> Bytes {
    let arguments = Token::constructorCall {
        name_: name.to_owned(),
        symbol_: symbol.to_owned(),
        supply,
    };
    creation(TOKEN, &arguments.abi_encode())
}

/// What creates an exchange of two tokens.
pub(super) fn create_exchange(token0: Address, token1: Address) -> Bytes {
    let arguments = Exchange::constructorCall {
        token0_: token0,
        token1_: token1,
    };
    creation(EXCHANGE, &arguments.abi_encode())
}

/// The arguments of `root` that are not what they should be.
pub(super) fn expect<T: PartialEq + std::fmt::Debug>(
    what: impl FnOnce() -> String,
    got: T,
    wanted: T,
) -> Result<(), WorkloadError> {
    if got == wanted {
        return Ok(());
    }
    let what = what();
    Err(WorkloadError(format!(
        "{what}: {got:?} instead of {wanted:?}"
    )))
}
