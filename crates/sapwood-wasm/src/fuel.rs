//! What things cost, in fuel. One instruction of WebAssembly costs 1 (filling and copying memory more, by
//! its bytes; growing it too); this is what is added to that. Rules of the chain, like the limits.

/// A call of a host function.
pub const HOST_CALL: u64 = 20;
/// A byte that goes between a contract and its host, either way.
pub const BYTE: u64 = 1;
/// Reading a key, or opening a scan.
pub const READ: u64 = 300;
/// A row of a scan.
pub const ROW: u64 = 100;
/// Setting or deleting a key.
pub const WRITE: u64 = 600;
/// A byte that is set.
pub const WRITE_BYTE: u64 = 4;
/// An event.
pub const EVENT: u64 = 300;
/// Calling a contract: finding and instantiating it.
pub const CALL: u64 = 2_000;
/// Each KiB of a module that is called, begun ones counted: it is read, and compiled where it is not
/// remembered. Paid whether or not it is: what is remembered must not show.
pub const CALL_KIB: u64 = 200;
/// Each page of memory that a contract begins with.
pub const PAGE: u64 = 1_000;
/// Deploying a contract.
pub const DEPLOY: u64 = 20_000;
/// A byte of the module that is deployed.
pub const DEPLOY_BYTE: u64 = 20;

/// What some bytes cost.
pub(crate) fn bytes(each: u64, count: usize) -> u64 {
    each.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX))
}

/// What begins a call of a module.
pub(crate) fn call(module_bytes: usize) -> u64 {
    CALL.saturating_add(bytes(CALL_KIB, module_bytes.div_ceil(1 << 10)))
}

/// What deploys a module.
pub(crate) fn deploy(module_bytes: usize) -> u64 {
    DEPLOY.saturating_add(bytes(DEPLOY_BYTE, module_bytes))
}
