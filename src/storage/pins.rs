//! Pins: named, durable holds on single timestamps.
//!
//! A pin keeps exactly what its timestamp sees, however far the prune floor moves beyond it.
//!
//! **Invariant:** a pin in memory is durable in `meta`. A pin is made durable before it counts and
//! before its maker is told; it is removed durably before it stops counting.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    backend::{Access, Backend, Keyspace, Scope, WriteBatch},
    codec::meta,
    config::Durability,
    error::{Error, Result},
    limits::{PIN_NAME_MAX_BYTES, PINS_MAX},
    timestamp::Timestamp,
};

/// A named hold on one timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// The timestamp whose state it keeps.
    pub timestamp: Timestamp,
    /// When it may be let go, if ever. It holds at least until then.
    pub expires: Option<SystemTime>,
    /// When it was set, by the clock of its machine; `None` for one that was set before this was noted.
    pub created: Option<SystemTime>,
}

/// How a pin is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinOptions {
    /// For how long it holds, at least: the next call that looks at pins or prunes lets it go.
    ///
    /// Unit: a duration. Default: `None`, until it is removed.
    pub ttl: Option<Duration>,
}

impl PinOptions {
    /// Holds for this long.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

/// The pins of a store, by name, and how many hold each timestamp.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    by_name: BTreeMap<String, Pin>,
    held: BTreeMap<Timestamp, usize>,
}

impl Pins {
    /// Reads all pins from `meta`.
    pub(crate) fn load(backend: &dyn Backend) -> Result<Self> {
        let mut pins = Self::default();
        let scope = Scope {
            start: meta::PIN_PREFIX.to_vec(),
            end: None,
        };
        let mut cursor = backend.cursor(Keyspace::Meta, scope, Access::Scan)?;
        cursor.seek_to_first()?;
        while let Some((key, value)) = cursor.row() {
            let Some(name) = key.strip_prefix(meta::PIN_PREFIX) else {
                break;
            };
            let corrupt =
                |what: &str| Error::corrupt(format!("the pin {}", name.escape_ascii()), what);
            let (timestamp, expires_ms, created_ms) =
                meta::decode_pin(value).map_err(|error| corrupt(error.0))?;
            let name = std::str::from_utf8(name).map_err(|_| corrupt("its name is not UTF-8"))?;
            pins.insert(Pin {
                name: name.to_owned(),
                timestamp,
                // A time that the system's clock cannot say is never reached.
                expires: expires_ms.and_then(time_of),
                created: created_ms.and_then(time_of),
            });
            cursor.next()?;
        }
        Ok(pins)
    }

    pub(crate) fn insert(&mut self, pin: Pin) {
        *self.held.entry(pin.timestamp).or_default() += 1;
        self.by_name.insert(pin.name.clone(), pin);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let Some(pin) = self.by_name.remove(name) else {
            return;
        };
        if let Some(count) = self.held.get_mut(&pin.timestamp) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&pin.timestamp);
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Pin> {
        self.by_name.get(name)
    }

    pub(crate) fn holds(&self, timestamp: Timestamp) -> bool {
        self.held.contains_key(&timestamp)
    }

    pub(crate) fn timestamps(&self) -> impl Iterator<Item = Timestamp> {
        self.held.keys().copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pin> {
        self.by_name.values()
    }

    /// The names of the pins that have expired at `now`.
    pub(crate) fn expired(&self, now: SystemTime) -> Vec<String> {
        let expired = |pin: &&Pin| pin.expires.is_some_and(|expires| expires <= now);
        self.by_name
            .values()
            .filter(expired)
            .map(|pin| pin.name.clone())
            .collect()
    }

    /// Checks a new pin against the names that are taken and the limits.
    pub(crate) fn check_new(&self, name: &str) -> Result<()> {
        if name.is_empty() || name.len() > PIN_NAME_MAX_BYTES {
            return Err(Error::invalid(format!(
                "the name of a pin has 1 to {PIN_NAME_MAX_BYTES} bytes, not {}",
                name.len()
            )));
        }
        if self.by_name.contains_key(name) {
            return Err(Error::invalid(format!(
                "there is a pin named {name:?} already; unpin it first, or take another name"
            )));
        }
        if self.by_name.len() >= PINS_MAX {
            return Err(Error::too_large(format!(
                "there are {PINS_MAX} pins already; unpin some"
            )));
        }
        Ok(())
    }
}

/// Makes a pin durable.
pub(crate) fn write(backend: &dyn Backend, pin: &Pin) -> Result<()> {
    let expires_ms = pin.expires.map(|expires| {
        // Rounded up: a pin never holds for less than it was asked to.
        let since = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos().div_ceil(1_000_000))
            .unwrap_or(u64::MAX)
            .max(1)
    });
    let created_ms = pin.created.map(milliseconds);
    let mut batch = WriteBatch::default();
    let value = meta::encode_pin(pin.timestamp, expires_ms, created_ms);
    batch.put(Keyspace::Meta, &[&meta::pin_key(&pin.name)], &[&value]);
    backend.write(batch, Durability::Sync)
}

/// Removes pins durably.
pub(crate) fn erase(backend: &dyn Backend, names: &[String]) -> Result<()> {
    let mut batch = WriteBatch::default();
    for name in names {
        batch.remove(Keyspace::Meta, &meta::pin_key(name));
    }
    backend.write(batch, Durability::Sync)
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time_of(ms: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms))
}

/// A time as it is when it is read again: in whole milliseconds.
pub(super) fn as_stored(time: SystemTime) -> Option<SystemTime> {
    time_of(milliseconds(time))
}
