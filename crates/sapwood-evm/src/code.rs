//! [`CodeCache`]: code that was looked through for its jump destinations, by its hash.
//!
//! It may be filled from runs that turn out to be in vain: what is kept under a hash is made of the bytes
//! that have this hash and of nothing else.

use std::fmt;

use alloy_primitives::{B256, Bytes};
use quick_cache::{Weighter, sync::Cache};
use revm::bytecode::Bytecode;
use sapwood::{Error, ErrorKind, ReadView, Result};

use crate::keys;

/// Codes up to a number of bytes.
pub(crate) struct CodeCache {
    codes: Cache<B256, Bytecode, Bytecodes>,
}

#[derive(Clone)]
struct Bytecodes;

impl Weighter<B256, Bytecode> for Bytecodes {
    fn weight(&self, _: &B256, code: &Bytecode) -> u64 {
        // The code, a bit for each of its bytes, and what keeping it takes.
        let bytes = code.len() as u64;
        bytes + bytes / 8 + 128
    }
}

/// What a code takes, for a cache to know how many it will hold.
const USUAL_BYTES: usize = 8 << 10;

impl CodeCache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let codes = Cache::with_weighter(max_bytes / USUAL_BYTES, max_bytes as u64, Bytecodes);
        Self { codes }
    }

    /// The code of a hash that an account has.
    ///
    /// # Errors
    /// Of reading; [`Corrupt`](ErrorKind::Corrupt) where it is not there.
    pub(crate) fn get(&self, view: &impl ReadView, hash: &B256) -> Result<Bytecode> {
        if let Some(code) = self.codes.get(hash) {
            return Ok(code);
        }
        let code = view.get(keys::code(hash))?.ok_or_else(|| {
            let at = format!("code {hash}");
            let message = "an account has this code, and it is not there";
            Error::of_machine(ErrorKind::Corrupt { at }, message)
        })?;
        let code = Bytes::copy_from_slice(&code);
        // What begins like a delegation and is none was there before delegations were.
        let code =
            Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code));
        self.codes.insert(*hash, code.clone());
        Ok(code)
    }
}

impl fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeCache")
            .field("codes", &self.codes.len())
            .finish()
    }
}
