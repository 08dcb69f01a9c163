//! What is kept, for programs and for people.

use comfy_table::{Cell, Table};
use sapwood::{FloorHold, RetentionPolicy, RetentionStatus};
use serde_json::{Value, json};

use super::{
    clock,
    table::{number, table},
};
use crate::language::text::printable;

/// The figures, for programs.
pub(super) fn json(status: &RetentionStatus) -> Value {
    let policy = &status.policy;
    json!({
        "policy": {
            "commits": policy.commits,
            "age_ms": policy.age.map(milliseconds),
            "history_bytes": policy.history_bytes,
            "at_least_commits": policy.at_least_commits,
            "debt_limit_bytes": policy.debt_limit_bytes,
            "debt_wait_ms": policy.debt_wait.map(milliseconds),
        },
        "floor": status.floor.get(),
        "wanted": status.wanted.get(),
        "debt_bytes": status.debt_bytes,
        "below_floor_bytes": status.below_floor_bytes,
        "pinned_bytes": status.pinned_bytes,
        "history_bytes": status.history_bytes,
        "is_estimate": status.is_estimate,
        "held_by": status.held_by.as_ref().map(hold),
        "oldest_snapshot": status.oldest_snapshot.map(|(timestamp, age)| json!({
            "timestamp": timestamp.get(),
            "age_ms": milliseconds(age),
        })),
        "oldest_pin": status.oldest_pin.as_ref().map(|pin| json!({
            "name": pin.name,
            "timestamp": pin.timestamp.get(),
            "age_ms": status.oldest_pin_age.map(milliseconds),
        })),
        "last_full_pass_ms": status.last_full_pass.map(milliseconds),
        "failure": status.failure,
    })
}

fn hold(hold: &FloorHold) -> Value {
    match hold {
        FloorHold::Snapshot { timestamp, age } => json!({
            "kind": "snapshot",
            "timestamp": timestamp.get(),
            "age_ms": milliseconds(*age),
        }),
        FloorHold::Feed {
            name,
            timestamp,
            age,
        } => json!({
            "kind": "feed",
            "name": name,
            "timestamp": timestamp.get(),
            "age_ms": milliseconds(*age),
        }),
        other => json!({ "kind": "other", "timestamp": other.timestamp().get() }),
    }
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The figures, for people.
pub(super) fn people(status: &RetentionStatus) -> Table {
    let mut shown = table(["retention", ""]);
    shown.add_row([Cell::new("policy"), Cell::new(policy(&status.policy))]);
    shown.add_row([Cell::new("floor"), number(&status.floor)]);
    shown.add_row([Cell::new("wanted floor"), number(&status.wanted)]);
    let none = || "-".to_owned();
    let held = status.held_by.as_ref();
    let held = held.map_or_else(none, |hold| printable(hold.to_string().as_bytes()));
    shown.add_row([Cell::new("held by"), Cell::new(held)]);
    let about = if status.is_estimate { "about " } else { "" };
    let sizes = [
        ("history", status.history_bytes),
        ("kept for nobody", status.debt_bytes),
        ("of it below the floor", status.below_floor_bytes),
        ("kept for pins", status.pinned_bytes),
    ];
    for (what, bytes) in sizes {
        let size = format!("{about}{}", clock::size(bytes));
        shown.add_row([Cell::new(what), number(&size)]);
    }
    let pin = status.oldest_pin.as_ref().map(|pin| {
        let name = printable(pin.name.as_bytes());
        let age = status.oldest_pin_age;
        let age = age.map_or_else(String::new, |age| format!(", for {} s", age.as_secs()));
        format!("{name} at {}{age}", pin.timestamp)
    });
    shown.add_row([Cell::new("oldest pin"), Cell::new(pin.unwrap_or_else(none))]);
    let snapshot = status.oldest_snapshot;
    let snapshot = snapshot.map(|(at, age)| format!("{at}, for {} s", age.as_secs()));
    shown.add_row([
        Cell::new("oldest snapshot"),
        Cell::new(snapshot.unwrap_or_else(none)),
    ]);
    let pass = status.last_full_pass;
    let pass = pass.map(|time| format!("{} s ago", time.as_secs()));
    shown.add_row([
        Cell::new("last full pass"),
        Cell::new(pass.unwrap_or_else(none)),
    ]);
    if let Some(failure) = &status.failure {
        shown.add_row([
            Cell::new("failure"),
            Cell::new(printable(failure.as_bytes())),
        ]);
    }
    shown
}

fn policy(policy: &RetentionPolicy) -> String {
    let limits = [
        policy
            .commits
            .map(|commits| format!("the last {commits} commits")),
        policy
            .age
            .map(|age| format!("the last {} s", age.as_secs_f64())),
        policy
            .history_bytes
            .map(|bytes| format!("{} of history", clock::size(bytes))),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let kept = if limits.is_empty() {
        "everything is kept".to_owned()
    } else {
        format!("at most {}", limits.join(", "))
    };
    let promised = policy.at_least_commits;
    let promised = promised.map(|commits| format!("at least the last {commits} commits"));
    let waiting = policy.debt_limit_bytes;
    let waiting = waiting.map(|bytes| format!("writers wait above {} of debt", clock::size(bytes)));
    let all: Vec<_> = [Some(kept), promised, waiting]
        .into_iter()
        .flatten()
        .collect();
    all.join("; ")
}
