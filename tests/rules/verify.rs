//! `verify`: what the rows of one moment owe each other (rules 4 and 11).
//!
//! Left out: that a real `verify` reads keyspace by keyspace while commits go on.

use std::collections::BTreeMap;

use sapwood::{Timestamp, storage::PruneRule};

use super::{
    disk::{KEYS, Key, Rows},
    mutant::Mutant,
    truth::Truth,
};

/// A version as its row tells it; the current one has no end.
#[derive(Clone, Copy, Debug)]
struct Told {
    start: Timestamp,
    end: Option<Timestamp>,
    previous_end: Timestamp,
}

/// Every way in which the rows cannot be right, by themselves. The rule is that of readers, as
/// loaded after the rows.
pub(crate) fn verify(rows: &Rows, rule: &PruneRule, mutant: Option<Mutant>) -> Vec<String> {
    let mut violations = Vec::new();
    for key in KEYS {
        let versions = versions(rows, key);
        chain(key, &versions, rule, mutant, &mut violations);
        deleted(rows, key, &versions, rule.floor(), &mut violations);
        listed(rows, key, &versions, rule.floor(), &mut violations);
    }
    violations
}

/// A key's versions, oldest first.
fn versions(rows: &Rows, key: Key) -> Vec<Told> {
    let history = rows
        .history
        .range((key, Timestamp::ZERO)..=(key, Timestamp::MAX));
    let ended = history.map(|((_, start), row)| Told {
        start: *start,
        end: Some(row.end),
        previous_end: row.previous_end,
    });
    let current = rows.current.get(&key).map(|row| Told {
        start: row.start,
        end: None,
        previous_end: row.previous_end,
    });
    ended.chain(current).collect()
}

/// Above the floor each version names the end of the one before; at or below it that one may be
/// gone, and its end forgotten.
fn chain(
    key: Key,
    versions: &[Told],
    rule: &PruneRule,
    mutant: Option<Mutant>,
    violations: &mut Vec<String>,
) {
    let mut before: Option<Told> = None;
    for version in versions {
        let end_before = before.and_then(|before| before.end).unwrap_or_default();
        if end_before > version.start {
            violations.push(format!("{key}: {before:?} and {version:?} overlap"));
        }
        let counts = |end: Timestamp| match mutant {
            Some(Mutant::VerifyDemandsBelowFloor) => end > Timestamp::ZERO,
            Some(Mutant::VerifyDemandsForPins) => rule.counts_previous_end(end),
            _ => end > rule.floor(),
        };
        let demanded = counts(version.previous_end) || counts(end_before);
        if demanded && version.previous_end != end_before {
            violations.push(format!("{key}: before {version:?} there is {before:?}"));
        }
        before = Some(*version);
    }
}

/// `deleted` has the end of the last version of every key that is not there, and of the last but
/// one where the key came back.
fn deleted(
    rows: &Rows,
    key: Key,
    versions: &[Told],
    floor: Timestamp,
    violations: &mut Vec<String>,
) {
    let deleted = rows.deleted.get(&key).copied().unwrap_or_default();
    let last = versions.last();
    let owed = match last {
        Some(Told { end: Some(end), .. }) => Some(*end),
        Some(Told {
            start,
            previous_end,
            ..
        }) if previous_end < start => Some(*previous_end),
        Some(_) => None,
        None => Some(Timestamp::ZERO),
    };
    let counts = |end: Timestamp| end > floor;
    if owed.is_some_and(|owed| owed != deleted && (counts(owed) || counts(deleted))) {
        violations.push(format!(
            "{key}: deleted at {deleted:?}, but the last version is {last:?}"
        ));
    }
}

/// Every change above the floor lies in `commits`, and left a start or an end.
fn listed(
    rows: &Rows,
    key: Key,
    versions: &[Told],
    floor: Timestamp,
    violations: &mut Vec<String>,
) {
    let mut listed: BTreeMap<Timestamp, bool> = BTreeMap::new();
    for ((at, _), part) in rows.commits.iter().filter(|((at, _), _)| *at > floor) {
        *listed.entry(*at).or_default() |= part.keys.contains(&key);
    }
    for (at, listed) in &listed {
        let told = versions
            .iter()
            .any(|told| told.start == *at || told.end == Some(*at));
        if *listed != told {
            violations.push(format!(
                "{key}: the commit {at:?} and its versions disagree"
            ));
        }
    }
}

/// Whether every row names the true end of the version before it, as far as that counts: a pe that
/// speaks of nothing legal may have been forgotten.
pub(crate) fn wrong_previous_ends(rows: &Rows, rule: &PruneRule, truth: &Truth) -> Vec<String> {
    let mut found = Vec::new();
    for key in KEYS {
        for told in versions(rows, key) {
            let right = truth.previous_end(key, told.start);
            let counted = |end| {
                if rule.counts_previous_end(end) {
                    end
                } else {
                    Timestamp::ZERO
                }
            };
            if counted(right) != counted(told.previous_end) {
                found.push(format!(
                    "{key}: {told:?}, but the version before ended at {right:?}"
                ));
            }
        }
    }
    found
}
