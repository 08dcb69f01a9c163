//! [`Run`]: one instance, one call of one of its functions.

use sapwood::Timestamp;
use wasmi::{Extern, Instance, Store, TrapCode};

use crate::{
    address::ContractAddress,
    config::WasmConfig,
    end::{End, Tank},
    host::Host,
    module::{Compiled, memory_of, refusal},
    receipt::{Failure, Receipt},
    state::State,
};

/// What a contract is told of its call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) contract: ContractAddress,
    pub(crate) height: Timestamp,
    pub(crate) caller: &'a [u8],
    pub(crate) input: &'a [u8],
}

/// A call that can be made.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) config: &'a WasmConfig,
    pub(crate) compiled: &'a Compiled,
    pub(crate) told: &'a Told<'a>,
    /// Without one, the contract is instantiated and that is all.
    pub(crate) function: Option<&'a str>,
}

impl Run<'_> {
    /// Makes it. The instance is new, and gone after: a contract keeps nothing but its state.
    pub(crate) fn on(&self, state: &mut dyn State, tank: &mut Tank) -> Result<Receipt, End> {
        tank.take_pages(self.compiled.pages)?;
        let host = Host::new(state, self.config, self.told);
        let mut store = Store::new(&self.compiled.engine, host);
        let ended = self.call(&mut store, tank.left);
        tank.left = store.get_fuel().unwrap_or(0);
        let host = store.into_data();
        if let Some(end) = host.end {
            return Err(end);
        }
        ended.map_err(|error| end_of(&error))?;
        Ok(Receipt {
            output: host.output,
            events: host.events,
            ..Receipt::default()
        })
    }

    fn call(&self, store: &mut Store<Host<'_>>, fuel: u64) -> Result<(), wasmi::Error> {
        store.set_fuel(fuel)?;
        store.limiter(|host| host);
        let functions = self.compiled.imports.iter();
        let imports: Vec<Extern> = functions
            .map(|function| function.link(store).into())
            .collect();
        let instance = Instance::new(&mut *store, &self.compiled.module, &imports)?;
        let memory = memory_of(&*store, instance);
        store.data_mut().memory = memory;
        if let Some(function) = self.function {
            let function = instance.get_typed_func::<(), ()>(&*store, function)?;
            function.call(store, ())?;
        }
        Ok(())
    }
}

/// What the interpreter's error is.
fn end_of(error: &wasmi::Error) -> End {
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => Failure::OutOfFuel.into(),
        Some(TrapCode::OutOfSystemMemory) => End::out_of_memory(),
        Some(code) => Failure::Trap(code.trap_message().to_owned()).into(),
        None => Failure::BadModule(refusal(error)).into(),
    }
}
