//! [`Host`]: what a running contract can ask for. The table of functions is in the
//! [crate's documentation](crate).
//!
//! A host function pays first, then looks at what it was given, then does it. It returns an [`End`], which is
//! kept beside the instance: the interpreter sees only that it has to stop, and nothing that it makes of
//! that can turn an error of the context into a trap.

use std::fmt;

use wasmi::{
    Caller, Func, Memory, ResourceLimiter, Store, TrapCode, ValType,
    errors::{MemoryError, TableError},
};
use wasmi_core::LimiterError;

use crate::{
    config::WasmConfig,
    end::End,
    fuel,
    layout::{STATE_PREFIX_BYTES, state_key, state_range},
    receipt::{Event, Failure},
    run::Told,
    state::State,
};

/// The module that contracts import from.
const MODULE: &str = "sapwood";
/// What an event counts beside its bytes.
const EVENT_BYTES: usize = 32;
/// What a scan writes before each row.
const ROW_HEAD_BYTES: usize = 8;

/// What an instance works on.
pub(crate) struct Host<'s> {
    state: &'s mut dyn State,
    config: &'s WasmConfig,
    told: &'s Told<'s>,
    /// Set when the instance is there.
    pub(crate) memory: Option<Memory>,
    pub(crate) output: Vec<u8>,
    pub(crate) events: Vec<Event>,
    event_bytes: usize,
    /// Why the host ended the run, if it did.
    pub(crate) end: Option<End>,
}

/// A function of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFunction {
    Height,
    CallerLen,
    Caller,
    InputLen,
    Input,
    Get,
    Set,
    Delete,
    Scan,
    Event,
    Output,
    Revert,
}

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

impl HostFunction {
    /// The function that a module imports by this name.
    pub(crate) fn named(module: &str, name: &str) -> Option<Self> {
        let function = match name {
            "height" => Self::Height,
            "caller_len" => Self::CallerLen,
            "caller" => Self::Caller,
            "input_len" => Self::InputLen,
            "input" => Self::Input,
            "get" => Self::Get,
            "set" => Self::Set,
            "delete" => Self::Delete,
            "scan" => Self::Scan,
            "event" => Self::Event,
            "output" => Self::Output,
            "revert" => Self::Revert,
            _ => return None,
        };
        (module == MODULE).then_some(function)
    }

    /// What it takes and what it gives.
    pub(crate) fn signature(self) -> (&'static [ValType], &'static [ValType]) {
        match self {
            Self::Height => (&[], &[I64]),
            Self::CallerLen | Self::InputLen => (&[], &[I32]),
            Self::Caller | Self::Input => (&[I32, I32, I32], &[]),
            Self::Get => (&[I32, I32, I32, I32], &[I64]),
            Self::Set | Self::Event => (&[I32, I32, I32, I32], &[]),
            Self::Delete | Self::Output | Self::Revert => (&[I32, I32], &[]),
            Self::Scan => (&[I32, I32, I32, I32, I32, I32, I32], &[I64]),
        }
    }

    /// The function, for one instance.
    pub(crate) fn link<'s>(self, store: &mut Store<Host<'s>>) -> Func {
        type Call<'c, 's> = Caller<'c, Host<'s>>;
        match self {
            Self::Height => Func::wrap(store, |c: Call<'_, 's>| Guest(c).run(Guest::height)),
            Self::CallerLen => Func::wrap(store, |c: Call<'_, 's>| {
                Guest(c).run(|g| g.told_len(Given::Caller))
            }),
            Self::Caller => Func::wrap(store, |c: Call<'_, 's>, into: u32, from: u32, len: u32| {
                Guest(c).run(|g| g.told(Given::Caller, into, from, len))
            }),
            Self::InputLen => Func::wrap(store, |c: Call<'_, 's>| {
                Guest(c).run(|g| g.told_len(Given::Input))
            }),
            Self::Input => Func::wrap(store, |c: Call<'_, 's>, into: u32, from: u32, len: u32| {
                Guest(c).run(|g| g.told(Given::Input, into, from, len))
            }),
            Self::Get => Func::wrap(
                store,
                |c: Call<'_, 's>, key: u32, key_len: u32, into: u32, room: u32| {
                    Guest(c).run(|g| g.get(Span(key, key_len), Span(into, room)))
                },
            ),
            Self::Set => Func::wrap(
                store,
                |c: Call<'_, 's>, key: u32, key_len: u32, value: u32, value_len: u32| {
                    Guest(c).run(|g| g.set(Span(key, key_len), Span(value, value_len)))
                },
            ),
            Self::Delete => Func::wrap(store, |c: Call<'_, 's>, key: u32, len: u32| {
                Guest(c).run(|g| g.delete(Span(key, len)))
            }),
            Self::Scan => Func::wrap(
                store,
                |c: Call<'_, 's>,
                 prefix: u32,
                 prefix_len: u32,
                 from: u32,
                 from_len: u32,
                 limit: u32,
                 into: u32,
                 room: u32| {
                    let (prefix, from) = (Span(prefix, prefix_len), Span(from, from_len));
                    Guest(c).run(|g| g.scan(prefix, from, limit, Span(into, room)))
                },
            ),
            Self::Event => Func::wrap(
                store,
                |c: Call<'_, 's>, topic: u32, topic_len: u32, data: u32, data_len: u32| {
                    Guest(c).run(|g| g.event(Span(topic, topic_len), Span(data, data_len)))
                },
            ),
            Self::Output => Func::wrap(store, |c: Call<'_, 's>, from: u32, len: u32| {
                Guest(c).run(|g| g.output(Span(from, len)))
            }),
            Self::Revert => Func::wrap(store, |c: Call<'_, 's>, from: u32, len: u32| {
                Guest(c).run(|g| g.revert(Span(from, len)))
            }),
        }
    }
}

/// A place in a contract's memory, as the contract gave it: where, and how many bytes.
#[derive(Clone, Copy)]
struct Span(u32, u32);

/// What a contract is told in bytes.
#[derive(Clone, Copy)]
enum Given {
    Caller,
    Input,
}

/// Widening; there is no platform on which it would not fit.
fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn long(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Span {
    fn len(self) -> usize {
        wide(self.1)
    }

    fn bytes(self, memory: &[u8]) -> Result<&[u8], End> {
        let found = memory
            .get(wide(self.0)..)
            .and_then(|rest| rest.get(..self.len()));
        found.ok_or_else(|| self.outside())
    }

    fn bytes_mut(self, memory: &mut [u8]) -> Result<&mut [u8], End> {
        let found = memory.get_mut(wide(self.0)..);
        let found = found.and_then(|rest| rest.get_mut(..self.len()));
        found.ok_or_else(|| self.outside())
    }

    /// Its first bytes.
    fn first(self, len: usize) -> Self {
        Self(self.0, u32::try_from(len).unwrap_or(u32::MAX).min(self.1))
    }

    fn outside(self) -> End {
        bad(format!(
            "{} bytes at {} lie outside of its memory",
            self.1, self.0
        ))
    }
}

fn bad(reason: impl Into<String>) -> End {
    Failure::BadHostCall(reason.into()).into()
}

fn check_len(what: &str, len: usize, max: usize) -> Result<(), End> {
    if len > max {
        return Err(bad(format!(
            "{what} of {len} bytes; at most {max} are allowed"
        )));
    }
    Ok(())
}

/// A contract that called its host.
struct Guest<'c, 's>(Caller<'c, Host<'s>>);

impl<'s> Guest<'_, 's> {
    fn run<R>(mut self, work: impl FnOnce(&mut Self) -> Result<R, End>) -> Result<R, wasmi::Error> {
        work(&mut self).map_err(|end| {
            self.0.data_mut().end.get_or_insert(end);
            // Not looked at.
            TrapCode::UnreachableCodeReached.into()
        })
    }

    fn pay(&mut self, units: u64) -> Result<(), End> {
        let left = self.0.get_fuel().unwrap_or(0).checked_sub(units);
        let left = left.ok_or(Failure::OutOfFuel)?;
        let set = self.0.set_fuel(left);
        set.map_err(|error| bad(error.to_string()))
    }

    fn pay_call(&mut self, units: u64, bytes: usize) -> Result<(), End> {
        let bytes = fuel::bytes(fuel::BYTE, bytes);
        self.pay(fuel::HOST_CALL.saturating_add(units).saturating_add(bytes))
    }

    fn parts(&mut self) -> Result<(&mut [u8], &mut Host<'s>), End> {
        let memory = self.0.data().memory;
        let memory = memory.ok_or_else(|| bad("it has no memory yet"))?;
        Ok(memory.data_and_store_mut(&mut self.0))
    }

    fn height(&mut self) -> Result<u64, End> {
        self.pay_call(0, 0)?;
        Ok(self.0.data().told.height.get())
    }

    fn told_len(&mut self, given: Given) -> Result<u32, End> {
        self.pay_call(0, 0)?;
        let len = self.0.data().given(given).len();
        u32::try_from(len).map_err(|_| bad("what it asks for is too long"))
    }

    fn told(&mut self, given: Given, into: u32, from: u32, len: u32) -> Result<(), End> {
        self.pay_call(0, wide(len))?;
        let (memory, host) = self.parts()?;
        let told = host.given(given);
        let part = Span(from, len).bytes(told).map_err(|_| {
            bad(format!(
                "{len} bytes from {from} on, of {} that it was given",
                told.len()
            ))
        })?;
        Span(into, len).bytes_mut(memory)?.copy_from_slice(part);
        Ok(())
    }

    fn get(&mut self, key: Span, into: Span) -> Result<i64, End> {
        self.pay_call(fuel::READ, key.len())?;
        let (memory, host) = self.parts()?;
        let key = host.key(memory, key)?;
        let Some(value) = host.state.get(&key)? else {
            return Ok(-1);
        };
        let into = into.first(value.len());
        self.pay(fuel::bytes(fuel::BYTE, into.len()))?;
        let (memory, _) = self.parts()?;
        let room = into.bytes_mut(memory)?;
        for (to, from) in room.iter_mut().zip(value.iter()) {
            *to = *from;
        }
        i64::try_from(value.len()).map_err(|_| bad("the value is too long"))
    }

    fn set(&mut self, key: Span, value: Span) -> Result<(), End> {
        self.pay_call(fuel::WRITE, key.len())?;
        self.pay(fuel::bytes(fuel::WRITE_BYTE, value.len()))?;
        let (memory, host) = self.parts()?;
        let key = host.key(memory, key)?;
        check_len("a value", value.len(), host.config.max_value_bytes)?;
        let value = value.bytes(memory)?;
        host.check_writes()?;
        Ok(host.state.set(&key, value)?)
    }

    fn delete(&mut self, key: Span) -> Result<(), End> {
        self.pay_call(fuel::WRITE, key.len())?;
        let (memory, host) = self.parts()?;
        let key = host.key(memory, key)?;
        host.check_writes()?;
        Ok(host.state.delete(&key)?)
    }

    fn scan(&mut self, prefix: Span, from: Span, limit: u32, into: Span) -> Result<i64, End> {
        self.pay_call(fuel::READ, prefix.len().saturating_add(from.len()))?;
        let (memory, host) = self.parts()?;
        into.bytes(memory)?;
        check_len("a prefix", prefix.len(), host.config.max_key_bytes)?;
        // A key and one byte more: the first behind it.
        check_len(
            "a key to go on from",
            from.len(),
            host.config.max_key_bytes.saturating_add(1),
        )?;
        let (prefix, from) = (prefix.bytes(memory)?, from.bytes(memory)?);
        let range = state_range(&host.told.contract, prefix, from);
        let mut rows = host.state.range(range);
        let mut written = 0;
        for count in 0..limit {
            let Some((key, value)) = rows.next().transpose()? else {
                return Ok(count.into());
            };
            let key = key.get(STATE_PREFIX_BYTES..).unwrap_or_default();
            let needed = ROW_HEAD_BYTES + key.len() + value.len();
            self.pay(fuel::ROW.saturating_add(fuel::bytes(fuel::BYTE, needed)))?;
            let (memory, _) = self.parts()?;
            let room = into.bytes_mut(memory)?.get_mut(written..);
            let Some(room) = room.and_then(|room| room.get_mut(..needed)) else {
                let needed = i64::try_from(needed).unwrap_or(i64::MAX);
                return Ok(if count == 0 { -needed } else { count.into() });
            };
            let (key_len, value_len) = (long(key.len()), long(value.len()));
            let heads = (key_len | value_len << 32).to_le_bytes();
            let row = heads.iter().chain(key).chain(value.iter());
            room.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
            written += needed;
        }
        Ok(limit.into())
    }

    fn event(&mut self, topic: Span, data: Span) -> Result<(), End> {
        self.pay_call(fuel::EVENT, topic.len().saturating_add(data.len()))?;
        let (memory, host) = self.parts()?;
        let event = Event {
            contract: host.told.contract,
            topic: topic.bytes(memory)?.to_vec(),
            data: data.bytes(memory)?.to_vec(),
        };
        host.event_bytes += EVENT_BYTES + event.topic.len() + event.data.len();
        check_len("events", host.event_bytes, host.config.max_event_bytes)?;
        host.events.push(event);
        Ok(())
    }

    fn output(&mut self, from: Span) -> Result<(), End> {
        host_bytes(self, "an output", from).map(|output| self.0.data_mut().output = output)
    }

    fn revert(&mut self, from: Span) -> Result<(), End> {
        let message = host_bytes(self, "a message", from)?;
        Err(Failure::Reverted(message).into())
    }
}

/// What a contract gives out.
fn host_bytes(guest: &mut Guest<'_, '_>, what: &str, from: Span) -> Result<Vec<u8>, End> {
    guest.pay_call(0, from.len())?;
    let (memory, host) = guest.parts()?;
    check_len(what, from.len(), host.config.max_io_bytes)?;
    Ok(from.bytes(memory)?.to_vec())
}

impl<'s> Host<'s> {
    pub(crate) fn new(
        state: &'s mut dyn State,
        config: &'s WasmConfig,
        told: &'s Told<'s>,
    ) -> Self {
        Self {
            state,
            config,
            told,
            memory: None,
            output: Vec::new(),
            events: Vec::new(),
            event_bytes: 0,
            end: None,
        }
    }

    fn given(&self, given: Given) -> &'s [u8] {
        match given {
            Given::Caller => self.told.caller,
            Given::Input => self.told.input,
        }
    }

    /// The state's key for what the contract calls a key.
    fn key(&self, memory: &[u8], key: Span) -> Result<Vec<u8>, End> {
        check_len("a key", key.len(), self.config.max_key_bytes)?;
        Ok(state_key(&self.told.contract, key.bytes(memory)?))
    }

    fn check_writes(&self) -> Result<(), End> {
        if self.state.may_write() {
            return Ok(());
        }
        Err(Failure::ReadOnly.into())
    }
}

impl ResourceLimiter for Host<'_> {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(long(desired) <= u64::from(self.config.max_memory_pages) << 16)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(desired <= self.config.max_table_elements)
    }

    /// Another machine may have the memory: the contract must not see that this one has not.
    fn memory_grow_failed(&mut self, error: &MemoryError) -> Result<(), LimiterError> {
        match error {
            MemoryError::OutOfSystemMemory => self.out_of_memory(),
            _ => Ok(()),
        }
    }

    fn table_grow_failed(&mut self, error: &TableError) -> Result<(), LimiterError> {
        match error {
            TableError::OutOfSystemMemory => self.out_of_memory(),
            _ => Ok(()),
        }
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

impl Host<'_> {
    fn out_of_memory(&mut self) -> Result<(), LimiterError> {
        self.end.get_or_insert(End::out_of_memory());
        Err(LimiterError::ResourceLimiterDeniedAllocation)
    }
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("told", self.told)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
