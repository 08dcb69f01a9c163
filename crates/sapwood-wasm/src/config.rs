//! [`WasmConfig`]: the limits of contracts. They are rules of the chain: every machine that executes the
//! same blocks must have the same.

/// How a [`WasmMachine`](crate::WasmMachine) is made.
///
/// # Examples
/// ```
/// use sapwood_wasm::{WasmConfig, WasmMachine};
///
/// let mut config = WasmConfig::default();
/// config.max_fuel = 1_000_000;
/// let machine = WasmMachine::new(config);
/// # let _ = machine;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WasmConfig {
    /// The largest module that can be deployed.
    ///
    /// Unit: bytes. Default: 512 KiB.
    pub max_module_bytes: usize,
    /// The largest memory of a running contract. Growing beyond it fails in the
    /// contract as WebAssembly has it (`memory.grow` gives -1).
    ///
    /// Unit: pages of 64 KiB. Default: 256.
    pub max_memory_pages: u32,
    /// The most elements of a contract's table.
    ///
    /// Unit: elements. Default: 16,384.
    pub max_table_elements: usize,
    /// How deep a contract's functions may call each other; beyond it is a trap. It takes nothing of the
    /// thread's own stack.
    ///
    /// Unit: calls. Default: 512.
    pub max_call_depth: usize,
    /// The values that they may hold at one time; beyond it is the same trap.
    ///
    /// Unit: bytes. Default: 1 MiB.
    pub max_stack_bytes: usize,
    /// The longest key that a contract may use.
    ///
    /// Unit: bytes. Default: 1 KiB.
    pub max_key_bytes: usize,
    /// The longest value that it may set.
    ///
    /// Unit: bytes. Default: 64 KiB.
    pub max_value_bytes: usize,
    /// The longest input of a transaction, caller, name, salt and output of a contract.
    ///
    /// Unit: bytes. Default: 64 KiB.
    pub max_io_bytes: usize,
    /// The events of one transaction, topics and data together.
    ///
    /// Unit: bytes. Default: 64 KiB.
    pub max_event_bytes: usize,
    /// The fuel that one transaction or call may bring; more is cut to it.
    ///
    /// Unit: fuel. Default: 100,000,000.
    pub max_fuel: u64,
    /// How much of compiled modules stays in memory. The one limit that
    /// changes no result.
    ///
    /// Unit: bytes of the modules. Default: 32 MiB.
    pub cache_bytes: usize,
}

impl Default for WasmConfig {
    fn default() -> Self {
        Self {
            max_module_bytes: 512 << 10,
            max_memory_pages: 256,
            max_table_elements: 16_384,
            max_call_depth: 512,
            max_stack_bytes: 1 << 20,
            max_key_bytes: 1 << 10,
            max_value_bytes: 64 << 10,
            max_io_bytes: 64 << 10,
            max_event_bytes: 64 << 10,
            max_fuel: 100_000_000,
            cache_bytes: 32 << 20,
        }
    }
}
