//! Answers for people. The form may change at any time; programs take `--json`.

use comfy_table::{Cell, Table};
use sapwood::{
    Applied, Backup, CommitRecord, Export, Feed, Pin, PruneReport, RepairReport, Status, Timestamp,
    VerifyReport,
};

use super::{
    clock, doctor, evm, metrics, retention,
    table::{bytes, number, optional, table},
};
use crate::{
    answer::{Answer, Imported, Stats},
    failure::Failure,
    language::text::printable,
};

/// A failure as a line.
pub(super) fn failure(failure: &Failure) -> String {
    format!("error: {} ({})", failure.message, failure.kind)
}

/// An answer as a line or a table.
pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Committed(timestamp) | Answer::Ended(Some(timestamp)) => {
            format!("committed at {timestamp}")
        }
        Answer::Ended(None) => "committed; nothing was written".to_owned(),
        Answer::Began(timestamp) => format!("begun; it reads the state at {timestamp}"),
        Answer::Value(Some(value)) => printable(value),
        Answer::Value(None) => "(no value)".to_owned(),
        Answer::Rows(rows) => {
            let mut shown = table(["key", "value"]);
            shown.add_rows(rows.iter().map(|(key, value)| [bytes(key), bytes(value)]));
            counted(&shown, rows.len(), "row")
        }
        Answer::Versions(versions) => {
            let mut shown = table(["from", "until", "value"]);
            shown.add_rows(versions.iter().map(|version| {
                [
                    number(&version.start),
                    version
                        .end
                        .map_or_else(|| Cell::new("now"), |end| number(&end)),
                    bytes(&version.value),
                ]
            }));
            counted(&shown, versions.len(), "version")
        }
        Answer::Changes(changes) => {
            let mut shown = table(["key", "old", "new"]);
            shown.add_rows(changes.iter().map(|change| {
                [
                    bytes(&change.key),
                    optional(change.old.as_deref()),
                    optional(change.new.as_deref()),
                ]
            }));
            counted(&shown, changes.len(), "change")
        }
        Answer::Pins(all) => counted(&pins(all), all.len(), "pin"),
        Answer::Retention(status) => retention::people(status).to_string(),
        Answer::Pruned(report) => pruned(report),
        Answer::RolledBack(report) => format!(
            "the state is that of {} again, in epoch {}",
            report.visible, report.epoch
        ),
        Answer::Checkpoint(timestamp) => format!("the state up to {timestamp} was copied"),
        Answer::Verified(report) => verified(report),
        Answer::Examined(findings) => doctor::people(findings),
        Answer::Restored { timestamp, .. } => {
            format!("the state up to {timestamp} was restored")
        }
        Answer::Repaired(report) => repaired(report),
        Answer::BackedUp(one) => {
            format!(
                "the state up to {} was backed up, as number {}",
                one.timestamp, one.id
            )
        }
        Answer::Backups(all) => counted(&backups(all), all.len(), "backup"),
        Answer::BackupsVerified(all) => counted(&backups(all), all.len(), "right backup"),
        Answer::Purged(all) => match all.len() {
            1 => "1 backup was removed".to_owned(),
            count => format!("{count} backups were removed"),
        },
        Answer::Commits {
            commits,
            position,
            with_old,
        } => {
            let shown = counted(&self::commits(commits, *with_old), commits.len(), "commit");
            format!("{shown}; the position behind them is {position}")
        }
        Answer::Feeds(all) => counted(&feeds(all), all.len(), "feed"),
        Answer::Exported(export) => exported(export),
        Answer::Applied(report) => applied(report),
        Answer::Done => "done".to_owned(),
        Answer::Status(counts) => status(counts).to_string(),
        Answer::Stats(all) => stats(all),
        Answer::Readings { readings, explain } => metrics::people(readings, *explain),
        Answer::Imported(report) => imported(report),
        Answer::Exploring(url) => format!("open {url} in a browser; Ctrl-C ends it"),
        Answer::Evm(answer) => evm::people(answer),
        Answer::Demo(report) => format!("{} states checked", report.states_checked),
    }
}

fn counted(table: &Table, count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    match count {
        0 => format!("no {what}s"),
        _ => format!("{table}\n{count} {what}{plural}"),
    }
}

fn pins(pins: &[Pin]) -> Table {
    let mut shown = table(["pin", "timestamp", "expires"]);
    shown.add_rows(pins.iter().map(|pin| {
        [
            bytes(pin.name.as_bytes()),
            number(&pin.timestamp),
            Cell::new(
                pin.expires
                    .map_or_else(|| "never".to_owned(), clock::expiry),
            ),
        ]
    }));
    shown
}

fn backups(all: &[Backup]) -> Table {
    let mut shown = table(["backup", "timestamp", "created", "size"]);
    shown.add_rows(all.iter().map(|backup| {
        let size = clock::size(backup.size_bytes);
        [
            number(&backup.id),
            number(&backup.timestamp),
            Cell::new(clock::expiry(backup.created)),
            if backup.is_whole {
                number(&size)
            } else {
                Cell::new("damaged")
            },
        ]
    }));
    shown
}

fn commits(commits: &[CommitRecord], with_old: bool) -> Table {
    let mut shown = if with_old {
        table(["timestamp", "time", "key", "old", "new"])
    } else {
        table(["timestamp", "time", "key", "new"])
    };
    for commit in commits {
        let head = || {
            vec![
                number(&commit.timestamp),
                Cell::new(clock::expiry(commit.time)),
            ]
        };
        if commit.changes.is_empty() {
            shown.add_row(head());
        }
        for change in &commit.changes {
            let mut row = head();
            row.push(bytes(&change.key));
            if with_old {
                row.push(optional(change.old.as_deref()));
            }
            row.push(optional(change.new.as_deref()));
            shown.add_row(row);
        }
    }
    shown
}

fn feeds(feeds: &[Feed]) -> Table {
    let mut shown = table(["feed", "position", "acknowledged", "bounds", "state"]);
    shown.add_rows(feeds.iter().map(|feed| {
        let lag = feed.options.max_lag.map(|lag| format!("{lag} behind"));
        let age = feed
            .options
            .max_age
            .map(|age| format!("{} s", age.as_secs()));
        let bounds: Vec<_> = lag.into_iter().chain(age).collect();
        [
            bytes(feed.name.as_bytes()),
            Cell::new(feed.position),
            Cell::new(clock::expiry(feed.acknowledged)),
            Cell::new(if bounds.is_empty() {
                "none".to_owned()
            } else {
                bounds.join(", ")
            }),
            Cell::new(if feed.is_let_go { "let go" } else { "holds" }),
        ]
    }));
    shown
}

fn exported(export: &Export) -> String {
    format!(
        "exported {} commits with {} changes, after {} up to {}",
        export.commits, export.changes, export.after, export.until
    )
}

fn applied(report: &Applied) -> String {
    let skipped = match report.skipped {
        0 => String::new(),
        skipped => format!(", after {skipped} that were there already"),
    };
    format!(
        "applied {} commits{skipped}; the newest timestamp is {}",
        report.commits, report.visible
    )
}

fn pruned(report: &PruneReport) -> String {
    let held = report.held_by.map_or_else(String::new, |oldest| {
        format!(" (held there by a snapshot, transaction or feed at {oldest})")
    });
    format!(
        "floor {}{held}: {} versions dropped, {} given back",
        report.floor,
        report.rows_dropped,
        clock::size(report.bytes_reclaimed()),
    )
}

fn verified(report: &VerifyReport) -> String {
    let read = report.rows.iter();
    let read: Vec<_> = read
        .map(|read| format!("{} of {}", read.rows, read.keyspace))
        .collect();
    let read = format!("rows read: {}", read.join(", "));
    if report.is_clean() {
        return format!("nothing is wrong up to {}; {read}", report.visible);
    }
    let mut shown = table(["rule", "what is wrong"]);
    shown.add_rows(report.violations.iter().map(|violation| {
        [
            Cell::new(violation.rule.name()),
            Cell::new(&violation.message),
        ]
    }));
    let found = report.violations_found;
    let listed = report.violations.len();
    let listed = if found > listed as u64 {
        format!("; the first {listed} are listed")
    } else {
        String::new()
    };
    format!("{shown}\n{found} violations{listed}; {read}")
}

fn repaired(report: &RepairReport) -> String {
    let kept: u64 = report.kept.iter().map(|read| read.rows).sum();
    format!(
        "{kept} rows kept; {} rows and {} parts that cannot be read dropped, see the file DROPPED\n{}",
        report.rows_dropped,
        report.parts_dropped,
        verified(&report.left)
    )
}

fn status(status: &Status) -> Table {
    let oldest = status.oldest_snapshot.map(|(timestamp, _)| timestamp);
    let mut shown = table(["status", ""]);
    shown.add_row([Cell::new("visible"), number(&status.visible)]);
    shown.add_row([Cell::new("epoch"), number(&status.epoch)]);
    shown.add_row([Cell::new("floor"), number(&status.floor)]);
    shown.add_row([Cell::new("keys"), number(&status.keys)]);
    shown.add_row([Cell::new("versions"), number(&status.versions)]);
    let oldest = oldest.map_or_else(
        || "-".to_owned(),
        |timestamp: Timestamp| timestamp.to_string(),
    );
    shown.add_row([Cell::new("oldest snapshot"), number(&oldest)]);
    if let Some(feed) = status.oldest_feed {
        shown.add_row([Cell::new("oldest feed"), number(&feed)]);
    }
    shown
}

fn stats(stats: &Stats) -> String {
    let mut sizes = table(["keyspace", "size"]);
    for size in &stats.sizes {
        sizes.add_row([
            Cell::new(size.keyspace),
            number(&clock::size(size.size_bytes)),
        ]);
    }
    let total = stats.sizes.iter().map(|size| size.size_bytes).sum();
    sizes.add_row([Cell::new("all"), number(&clock::size(total))]);
    let pins = counted(&pins(&stats.pins), stats.pins.len(), "pin");
    let kept = retention::people(&stats.retention);
    let metrics = metrics::people(&stats.readings, stats.explain);
    format!(
        "{}\n{sizes}\n{pins}\n{kept}\n{metrics}",
        status(&stats.status)
    )
}

fn imported(report: &Imported) -> String {
    let skipped = match report.skipped {
        0 => String::new(),
        skipped => format!(", after {skipped} that were there already"),
    };
    format!(
        "imported {} commits with {} writes{skipped}; the newest timestamp is {}",
        report.commits, report.writes, report.visible
    )
}
