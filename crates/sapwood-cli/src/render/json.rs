//! Answers for programs: one JSON object each, with the field names of the shell's table.

use sapwood::{
    Applied, Backup, CommitRecord, Export, Feed, Pin, RepairReport, Status, Timestamp, VerifyReport,
};
use serde_json::{Map, Value, json};

use super::{clock, doctor, evm, metrics, retention};
use crate::{
    answer::{Answer, Stats},
    failure::{Failure, Result},
    language::text::escape,
};

/// An answer or a failure as one object.
pub(super) fn answer(answer: &Result<Answer>) -> Value {
    match answer {
        Ok(answer) => {
            let mut object = Map::new();
            object.insert("ok".to_owned(), true.into());
            if let Value::Object(fields) = fields(answer) {
                object.extend(fields);
            }
            Value::Object(object)
        }
        Err(error) => failure(error),
    }
}

/// A failure as one object.
pub(super) fn failure(failure: &Failure) -> Value {
    json!({ "ok": false, "error": { "kind": failure.kind, "message": failure.message } })
}

fn fields(answer: &Answer) -> Value {
    match answer {
        Answer::Committed(timestamp) | Answer::Checkpoint(timestamp) => at(*timestamp),
        Answer::Began(timestamp) => json!({ "snapshot": timestamp.get() }),
        Answer::Ended(timestamp) => json!({ "timestamp": timestamp.map(Timestamp::get) }),
        Answer::Value(value) => json!({ "value": optional(value.as_deref()) }),
        Answer::Rows(rows) => {
            let rows = rows
                .iter()
                .map(|(key, value)| json!([escape(key), escape(value)]));
            json!({ "rows": rows.collect::<Vec<_>>() })
        }
        Answer::Versions(versions) => {
            let versions = versions.iter().map(|version| {
                json!({
                    "start": version.start.get(),
                    "end": version.end.map(Timestamp::get),
                    "value": escape(&version.value),
                })
            });
            json!({ "versions": versions.collect::<Vec<_>>() })
        }
        Answer::Changes(changes) => {
            let changes = changes.iter().map(|change| {
                json!({
                    "key": escape(&change.key),
                    "old": optional(change.old.as_deref()),
                    "new": optional(change.new.as_deref()),
                })
            });
            json!({ "changes": changes.collect::<Vec<_>>() })
        }
        Answer::Pins(all) => json!({ "pins": pins(all) }),
        Answer::Retention(status) => retention::json(status),
        Answer::Pruned(report) => json!({
            "floor": report.floor.get(),
            "rows_dropped": report.rows_dropped,
            "bytes_reclaimed": report.bytes_reclaimed(),
        }),
        Answer::RolledBack(report) => json!({
            "visible": report.visible.get(),
            "epoch": report.epoch,
        }),
        Answer::Verified(report) => verified(report),
        Answer::Examined(findings) => doctor::json(findings),
        Answer::Restored { timestamp, epoch } => json!({
            "timestamp": timestamp.get(),
            "epoch": epoch,
        }),
        Answer::Repaired(report) => repaired(report),
        Answer::BackedUp(one) => backup(one),
        Answer::Backups(all) => json!({ "backups": backups(all) }),
        Answer::BackupsVerified(all) => json!({ "verified": ids(all) }),
        Answer::Purged(all) => json!({ "purged": ids(all) }),
        Answer::Commits {
            commits,
            position,
            with_old,
        } => json!({
            "commits": commits.iter().map(|it| commit(it, *with_old)).collect::<Vec<_>>(),
            "position": position.to_string(),
        }),
        Answer::Feeds(all) => json!({ "feeds": feeds(all) }),
        Answer::Exported(one) => export(one),
        Answer::Applied(one) => applied(one),
        Answer::Done => json!({}),
        Answer::Status(counts) => status(counts),
        Answer::Stats(all) => stats(all),
        Answer::Readings { readings, explain } => json!({
            "metrics": metrics::json(readings, *explain),
        }),
        Answer::Imported(imported) => json!({
            "commits": imported.commits,
            "skipped": imported.skipped,
            "writes": imported.writes,
            "visible": imported.visible.get(),
        }),
        Answer::Exploring(url) => json!({ "url": url }),
        Answer::Evm(answer) => evm::json(answer),
        Answer::Demo(report) => json!({
            "commits": report.commits,
            "states_checked": report.states_checked,
            "versions": { "before": report.versions[0], "after": report.versions[1] },
            "size_bytes": { "before": report.size_bytes[0], "after": report.size_bytes[1] },
        }),
    }
}

/// What `stats` tells.
fn stats(stats: &Stats) -> Value {
    let mut object = status(&stats.status);
    let sizes = stats.sizes.iter();
    let sizes = sizes.map(|size| (size.keyspace.to_owned(), size.size_bytes.into()));
    if let Value::Object(fields) = &mut object {
        fields.insert("sizes_bytes".to_owned(), Value::Object(sizes.collect()));
        fields.insert("pins".to_owned(), pins(&stats.pins));
        fields.insert("retention".to_owned(), retention::json(&stats.retention));
        let metrics = metrics::json(&stats.readings, stats.explain);
        fields.insert("metrics".to_owned(), metrics);
    }
    object
}

fn at(timestamp: Timestamp) -> Value {
    json!({ "timestamp": timestamp.get() })
}

fn backup(backup: &Backup) -> Value {
    json!({
        "id": backup.id,
        "timestamp": backup.timestamp.get(),
        "epoch": backup.epoch,
        "created": clock::expiry(backup.created),
        "whole": backup.is_whole,
        "size_bytes": backup.size_bytes,
        "files": backup.files,
    })
}

fn commit(commit: &CommitRecord, with_old: bool) -> Value {
    let changes = commit.changes.iter().map(|change| {
        let (key, new) = (escape(&change.key), optional(change.new.as_deref()));
        if with_old {
            json!({ "key": key, "old": optional(change.old.as_deref()), "new": new })
        } else {
            json!({ "key": key, "new": new })
        }
    });
    json!({
        "timestamp": commit.timestamp.get(),
        "epoch": commit.epoch,
        "time": clock::expiry(commit.time),
        "changes": changes.collect::<Vec<_>>(),
    })
}

fn export(export: &Export) -> Value {
    json!({
        "after": export.after.get(),
        "until": export.until.get(),
        "epoch": export.epoch,
        "commits": export.commits,
        "changes": export.changes,
    })
}

fn applied(applied: &Applied) -> Value {
    json!({
        "commits": applied.commits,
        "skipped": applied.skipped,
        "visible": applied.visible.get(),
    })
}

fn feeds(all: &[Feed]) -> Value {
    all.iter().map(feed).collect()
}

fn feed(feed: &Feed) -> Value {
    json!({
        "name": escape(feed.name.as_bytes()),
        "position": feed.position.to_string(),
        "acknowledged": clock::expiry(feed.acknowledged),
        "max_lag": feed.options.max_lag,
        "max_age_seconds": feed.options.max_age.map(|age| age.as_secs()),
        "let_go": feed.is_let_go,
    })
}

fn backups(all: &[Backup]) -> Value {
    all.iter().map(backup).collect()
}

fn ids(all: &[Backup]) -> Value {
    all.iter().map(|backup| Value::from(backup.id)).collect()
}

fn optional(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| escape(bytes).into())
}

fn status(status: &Status) -> Value {
    let mut object = json!({
        "visible": status.visible.get(),
        "epoch": status.epoch,
        "floor": status.floor.get(),
        "keys": status.keys,
        "versions": status.versions,
        "oldest_snapshot": status.oldest_snapshot.map(|(timestamp, _)| timestamp.get()),
    });
    // Only where there is one.
    if let (Some(at), Value::Object(fields)) = (status.oldest_feed, &mut object) {
        fields.insert("oldest_feed".to_owned(), at.get().into());
    }
    object
}

fn verified(report: &VerifyReport) -> Value {
    let violations = report.violations.iter().map(|violation| {
        json!({
            "rule": violation.rule.name(),
            "key": optional(violation.key.as_deref()),
            "message": violation.message,
        })
    });
    let violations: Vec<_> = violations.collect();
    // Only where not all are listed.
    match report.violations_found {
        found if found > violations.len() as u64 => {
            json!({ "violations": violations, "violations_found": found })
        }
        _ => json!({ "violations": violations }),
    }
}

fn repaired(report: &RepairReport) -> Value {
    let mut object = verified(&report.left);
    if let Value::Object(fields) = &mut object {
        fields.insert("rows_dropped".to_owned(), report.rows_dropped.into());
        fields.insert("parts_dropped".to_owned(), report.parts_dropped.into());
        fields.insert("deletes_added".to_owned(), report.deletes_added.into());
        fields.insert("floor".to_owned(), report.floor.get().into());
    }
    object
}

fn pins(pins: &[Pin]) -> Value {
    let pins = pins.iter().map(|pin| {
        json!({
            "name": escape(pin.name.as_bytes()),
            "timestamp": pin.timestamp.get(),
            "expires": pin.expires.map(clock::expiry),
        })
    });
    pins.collect()
}
