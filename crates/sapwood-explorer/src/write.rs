//! What may be changed, where that is allowed: keys, pins and the floor.

use std::time::Duration;

use sapwood::{Engine, PinOptions};
use serde::{Deserialize, Serialize};

use crate::{
    answer::At,
    failure::Result,
    hexadecimal::Hexadecimal,
    status::{self, PinRow},
};

/// A commit that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Committed {
    timestamp: At,
}

/// What is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetRequest {
    key: Hexadecimal,
    value: Hexadecimal,
}

/// Sets a key, as a commit of its own.
pub(crate) fn set(engine: &Engine, request: &SetRequest) -> Result<Committed> {
    let timestamp = At(engine.set(&request.key.0, &request.value.0)?);
    Ok(Committed { timestamp })
}

/// What is deleted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteRequest {
    key: Hexadecimal,
}

/// Deletes a key, as a commit of its own.
pub(crate) fn delete(engine: &Engine, request: &DeleteRequest) -> Result<Committed> {
    let timestamp = At(engine.delete(&request.key.0)?);
    Ok(Committed { timestamp })
}

/// The pins, after a change of them.
#[derive(Debug, Serialize)]
pub(crate) struct Pins {
    pins: Vec<PinRow>,
}

/// What is pinned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinRequest {
    name: String,
    at: At,
    ttl_seconds: Option<u64>,
}

/// Pins a timestamp.
pub(crate) fn pin(engine: &Engine, request: &PinRequest) -> Result<Pins> {
    let mut options = PinOptions::default();
    if let Some(seconds) = request.ttl_seconds {
        options = options.ttl(Duration::from_secs(seconds));
    }
    engine.pin(&request.name, request.at.0, options)?;
    let pins = status::pins(engine)?;
    Ok(Pins { pins })
}

/// What is unpinned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnpinRequest {
    name: String,
}

/// Removes a pin.
pub(crate) fn unpin(engine: &Engine, request: &UnpinRequest) -> Result<Pins> {
    engine.unpin(&request.name)?;
    let pins = status::pins(engine)?;
    Ok(Pins { pins })
}

/// How far is pruned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PruneRequest {
    before: At,
}

/// What a prune has done.
#[derive(Debug, Serialize)]
pub(crate) struct Pruned {
    floor: At,
    rows_dropped: u64,
    bytes_reclaimed: u64,
}

/// Prunes, and gives the space back.
pub(crate) fn prune(engine: &Engine, request: &PruneRequest) -> Result<Pruned> {
    let report = engine.prune_before(request.before.0)?;
    Ok(Pruned {
        floor: At(report.floor),
        rows_dropped: report.rows_dropped,
        bytes_reclaimed: report.bytes_reclaimed(),
    })
}
