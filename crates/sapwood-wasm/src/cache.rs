//! [`ModuleCache`]: compiled modules, by the hash of their bytes.
//!
//! It may be filled from runs that turn out to be in vain: what is kept under a hash is made of the bytes
//! that have this hash and of nothing else, so it is right whether or not anybody deployed them. It must
//! not show, either: whoever uses it has read the module from the state all the same, and has paid.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{layout::ModuleHash, module::Compiled};

/// Compiled modules up to a number of bytes; the least recently used go first.
pub(crate) struct ModuleCache {
    max_bytes: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    modules: HashMap<ModuleHash, Entry>,
    /// Of the modules, not of what they were compiled to.
    bytes: usize,
    uses: u64,
}

struct Entry {
    compiled: Arc<Compiled>,
    bytes: usize,
    used: u64,
}

impl ModuleCache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            held: Mutex::default(),
        }
    }

    /// The module with this hash, compiled by `compile` where it is not held. That runs without the lock:
    /// two that miss at a time both compile.
    pub(crate) fn get_or<E>(
        &self,
        hash: &ModuleHash,
        bytes: usize,
        compile: impl FnOnce() -> Result<Compiled, E>,
    ) -> Result<Arc<Compiled>, E> {
        if let Some(found) = self.with(|held| held.find(hash)) {
            return Ok(found);
        }
        let compiled = Arc::new(compile()?);
        self.with(|held| held.insert(*hash, Arc::clone(&compiled), bytes, self.max_bytes));
        Ok(compiled)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Held) -> R) -> R {
        // Nothing is half done where somebody could panic.
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn find(&mut self, hash: &ModuleHash) -> Option<Arc<Compiled>> {
        self.uses += 1;
        let entry = self.modules.get_mut(hash)?;
        entry.used = self.uses;
        Some(Arc::clone(&entry.compiled))
    }

    fn insert(&mut self, hash: ModuleHash, compiled: Arc<Compiled>, bytes: usize, max: usize) {
        if bytes > max || self.modules.contains_key(&hash) {
            return;
        }
        while self.bytes + bytes > max {
            let oldest = self.modules.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(hash, _)| *hash) else {
                break;
            };
            let gone = self.modules.remove(&oldest);
            self.bytes -= gone.map_or(0, |entry| entry.bytes);
        }
        let used = self.uses;
        self.bytes += bytes;
        self.modules.insert(
            hash,
            Entry {
                compiled,
                bytes,
                used,
            },
        );
    }
}

impl fmt::Debug for ModuleCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (modules, bytes) = self.with(|held| (held.modules.len(), held.bytes));
        f.debug_struct("ModuleCache")
            .field("modules", &modules)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WasmConfig;

    fn compile() -> Result<Compiled, String> {
        let module = wat::parse_str(r#"(module (memory (export "memory") 1))"#).unwrap();
        Compiled::new(&WasmConfig::default(), &module)
    }

    #[test]
    fn what_is_held_is_not_compiled_again_and_the_least_used_goes_first() {
        let cache = ModuleCache::new(10);
        let mut compiled = Vec::new();
        for name in [1, 2, 1, 3, 1, 2, 4] {
            let made = cache.get_or(&[name; 32], 4, || {
                compiled.push(name);
                compile()
            });
            made.unwrap();
        }
        // 3 pushed out 2, which pushed out 3; then 4 pushed out 1.
        assert_eq!(compiled, [1, 2, 3, 2, 4]);
        assert!(cache.with(|held| held.bytes == 8 && held.modules.len() == 2));
    }

    #[test]
    fn what_is_too_large_or_fails_is_not_held() {
        let cache = ModuleCache::new(10);
        cache.get_or(&[1; 32], 11, compile).unwrap();
        assert!(cache.get_or(&[2; 32], 1, || Err("no")).is_err());
        assert!(cache.with(|held| held.modules.is_empty() && held.bytes == 0));
    }
}
