//! [`Compiled`]: which modules can be contracts, and one that was compiled.
//!
//! **Floats are refused**, types and instructions, when a module is deployed: the bits of a NaN are left
//! open by WebAssembly, and contracts that count money need none. Making every NaN the same instead would
//! cost each operation, and would leave the rule to a switch of the interpreter. Refused too: start
//! functions (code that runs before anybody called it), SIMD, 64-bit and several memories, tail calls, and
//! imports that the host does not have.
//!
//! Each module has an engine of its own: an engine keeps the code of all that it ever compiled, so a
//! shared one would grow with every module that is forgotten.

use wasmi::{
    CompilationMode, Config, EnforcedLimits, Engine, ExternType, Module,
    errors::{ErrorKind as WasmError, InstantiationError},
};

use crate::{config::WasmConfig, host::HostFunction};

/// The name under which a contract exports its memory.
const MEMORY: &str = "memory";
/// The least that the interpreter allows for values.
const MIN_STACK_BYTES: usize = 1_024;

/// A module that can be instantiated.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) engine: Engine,
    pub(crate) module: Module,
    /// What it imports, in its order.
    pub(crate) imports: Vec<HostFunction>,
    /// The pages of memory that it begins with.
    pub(crate) pages: u64,
}

impl Compiled {
    /// Compiles a module that can be a contract; else says why it cannot.
    pub(crate) fn new(config: &WasmConfig, bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > config.max_module_bytes {
            return Err(format!(
                "it has {} bytes; at most {} are allowed",
                bytes.len(),
                config.max_module_bytes
            ));
        }
        let engine = Engine::new(&engine_config(config));
        // As a whole, before any of it is translated: the translator takes some things for granted that
        // the check of a function finds only at its end.
        Module::validate(&engine, bytes).map_err(|error| refusal(&error))?;
        let module = Module::new(&engine, bytes).map_err(|error| refusal(&error))?;
        let imports = imports_of(&module)?;
        let pages = pages_of(&module)?;
        if pages > u64::from(config.max_memory_pages) {
            return Err(format!(
                "it begins with {pages} pages of memory; at most {} are allowed",
                config.max_memory_pages
            ));
        }
        Ok(Self {
            engine,
            module,
            imports,
            pages,
        })
    }

    /// Whether it exports a function that takes nothing and gives nothing.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        matches!(
            self.module.get_export(name),
            Some(ExternType::Func(ty)) if ty.params().is_empty() && ty.results().is_empty()
        )
    }

    /// Whether it exports anything under a name.
    pub(crate) fn exports(&self, name: &str) -> bool {
        self.module.get_export(name).is_some()
    }
}

fn engine_config(limits: &WasmConfig) -> Config {
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // Compiled when deployed, not when first called: fuel must not depend on what was called before.
        .compilation_mode(CompilationMode::Eager)
        .enforced_limits(EnforcedLimits::strict())
        .ignore_custom_sections(true)
        .allow_start_fn(false)
        .floats(false)
        .wasm_saturating_float_to_int(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .set_max_recursion_depth(limits.max_call_depth)
        .set_min_stack_height(MIN_STACK_BYTES)
        .set_max_stack_height(limits.max_stack_bytes.max(MIN_STACK_BYTES));
    config
}

/// Why the interpreter refused a module, or an instance, in words that are the same each time: its own hold
/// numbers of stores here and there.
pub(crate) fn refusal(error: &wasmi::Error) -> String {
    match error.kind() {
        WasmError::Wasm(error) => format!("{} at byte {}", error.message(), error.offset()),
        WasmError::UserLimits(error) => error.to_string(),
        WasmError::ImplementationLimits(error) => error.to_string(),
        WasmError::Translation(error) => error.to_string(),
        WasmError::Memory(error) => error.to_string(),
        WasmError::Table(error) => error.to_string(),
        WasmError::Instantiation(error) => instance_refusal(error).to_owned(),
        _ => "the interpreter refused it".to_owned(),
    }
}

fn instance_refusal(error: &InstantiationError) -> &'static str {
    match error {
        InstantiationError::UnexpectedStartFn { .. } => "it has a start function",
        InstantiationError::ElementSegmentDoesNotFit { .. } => {
            "an element segment does not fit into its table"
        }
        InstantiationError::FailedToInstantiateMemory(_) => "its memory is too large",
        InstantiationError::FailedToInstantiateTable(_) => "its table is too large",
        InstantiationError::TooManyTables => "it has several tables",
        _ => "it cannot be instantiated",
    }
}

fn imports_of(module: &Module) -> Result<Vec<HostFunction>, String> {
    let imports = module.imports().map(|import| {
        let (module, name) = (import.module(), import.name());
        let function = HostFunction::named(module, name)
            .ok_or_else(|| format!("it imports {module:?} {name:?}, which contracts do not have"))?;
        let (params, results) = function.signature();
        match import.ty() {
            ExternType::Func(ty) if ty.params() == params && ty.results() == results => Ok(function),
            _ => Err(format!(
                "it imports {module:?} {name:?} as something else: it takes {params:?} and gives {results:?}"
            )),
        }
    });
    imports.collect()
}

fn pages_of(module: &Module) -> Result<u64, String> {
    match module.get_export(MEMORY) {
        Some(ExternType::Memory(memory)) => Ok(memory.minimum()),
        _ => Err(format!("it exports no memory named {MEMORY:?}")),
    }
}

/// The memory of an instance.
pub(crate) fn memory_of(
    store: impl wasmi::AsContext,
    instance: wasmi::Instance,
) -> Option<wasmi::Memory> {
    instance.get_memory(store, MEMORY)
}
