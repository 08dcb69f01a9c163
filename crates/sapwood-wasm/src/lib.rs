//! WebAssembly contracts on [Sapwood](sapwood): deployed and called in ordered blocks that are executed in
//! parallel, and called read-only at every past height that is kept.
//!
//! Good starting points:
//! - [`WasmMachine`]: the [`VirtualMachine`](sapwood::VirtualMachine) to give a
//!   [`Runtime`](sapwood::Runtime).
//! - [`WasmTxn`], [`WasmCall`]: what it is asked; [`Receipt`], [`Failure`]: what it answers.
//! - [`WasmConfig`], [`fuel`]: the limits, and what things cost.
//!
//! ```
//! use sapwood::{MemoryStorage, Runtime, RuntimeConfig, Timestamp};
//! use sapwood_wasm::{ContractAddress, WasmCall, WasmMachine, WasmTxn};
//!
//! let module = wat::parse_str(r#"(module
//!     (import "sapwood" "input" (func $input (param i32 i32 i32)))
//!     (import "sapwood" "get" (func $get (param i32 i32 i32 i32) (result i64)))
//!     (import "sapwood" "set" (func $set (param i32 i32 i32 i32)))
//!     (import "sapwood" "output" (func $output (param i32 i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "greeting")
//!     (func (export "greet")
//!         (call $input (i32.const 8) (i32.const 0) (i32.const 5))
//!         (call $set (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 5)))
//!     (func (export "greeting")
//!         (drop (call $get (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 5)))
//!         (call $output (i32.const 8) (i32.const 5))))"#)?;
//!
//! let storage = MemoryStorage::new(); // or RocksDBStorage::new(..)?
//! let chain = Runtime::new(&storage, WasmMachine::default(), RuntimeConfig::default())?;
//! let hello = ContractAddress::of(b"ada", b"hello");
//! let greet = |words: &str| WasmTxn::call("ada", hello, "greet", words);
//! chain.execute_block(Timestamp::new(1), [WasmTxn::deploy("ada", "hello", module, ""), greet("hello")])?;
//! chain.execute_block(Timestamp::new(2), [greet("salut")])?;
//!
//! let greeting = WasmCall::new(hello, "greeting", "");
//! assert_eq!(chain.call_latest(&greeting)?.output, b"salut");
//! assert_eq!(chain.call_at(Timestamp::new(1), &greeting)?.output, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a contract is
//! A module that exports its memory as `memory`, and functions without parameters and results. Each call
//! gets a new instance; what is to last goes into the state. If it exports `init`, that is called when it
//! is deployed, and never again.
//!
//! It imports what it needs from `sapwood`. All numbers are `i32` but for heights and lengths that may be
//! missing, which are `i64`; pointers and lengths are unsigned; a pair of them is a place in its memory.
//!
//! | function | what it does |
//! |---|---|
//! | `height() -> i64` | the height of the block, or of the state that a call reads |
//! | `caller_len() -> i32`, `caller(into, from, len)` | who calls: its length; `len` bytes of it, from `from` on |
//! | `input_len() -> i32`, `input(into, from, len)` | the input, likewise |
//! | `get(key, key_len, into, room) -> i64` | the length of the value, -1 where there is none; as much of it as there is room for is written |
//! | `set(key, key_len, value, value_len)` | sets a key |
//! | `delete(key, key_len)` | deletes a key |
//! | `scan(prefix, prefix_len, from, from_len, limit, into, room) -> i64` | the rows whose keys begin with the prefix and are not below `from`: how many were written, up to `limit` and as far as there is room. Each is the lengths of key and value (4 bytes each, little-endian), the key, the value. If the first does not fit, the bytes it needs, negative |
//! | `event(topic, topic_len, data, data_len)` | tells the world |
//! | `output(from, len)` | gives out; the last one counts |
//! | `revert(from, len)` | takes back everything, with a message; does not return |
//!
//! A contract sees only keys of its own. They, modules and the records of contracts are ordinary keys of the
//! state, so that their history, differences and pins are those of any other:
//!
//! ```text
//! "wasm/contract/" address: 32         format: 1 (1) | module hash: 32 | height: 8, big-endian | deployer
//! "wasm/module/" hash: 32              the module, as it was deployed; hash is its SHA-256
//! "wasm/state/" address: 32 key        what the contract set under its key: see state_key
//! ```
//!
//! # What it may not be
//! Modules are checked and compiled when they are deployed. Those with floats are refused: the bits of a NaN
//! are left open by WebAssembly, and machines must agree on them. So are start functions, SIMD, 64-bit
//! and several memories, tail calls, imports that are not in the table, and what is over a
//! [limit](WasmConfig).
//!
//! # What can go wrong
//! A trap, too little fuel, a call of the host with pointers that point nowhere: the transaction is skipped, its
//! [`Receipt`] says [why](Failure), and nothing that it wrote stays. It pays for the fuel that it took; with too
//! little, for all that it brought. All this is decided by the transaction and the state alone: machines with
//! the same limits agree on it. What another machine would not agree on (the store fails, the system has
//! no memory) is an error, and fails the block instead.
//!
//! # What it deliberately is not
//! Contracts do not call each other. There are no signatures, nonces, balances or fees: a chain has its own, and
//! puts them around [`WasmMachine::run`].
//!
//! # Features
//! - `rocksdb-storage`: contracts on disk.

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
