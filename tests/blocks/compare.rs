//! A block in parallel beside its oracle; where they differ, the smallest part of the block that
//! still shows it.

use std::collections::BTreeSet;

use sapwood::{BlockExecutor, BlockStats, Key, KeyRange, TxnAccess};
use sha2::{Digest, Sha256};

use crate::{
    on_executor::{Ran, execute},
    oracle::{Access, Answer, Changes, Limits, Outcome, answer, within},
    shapes::Case,
};

/// How often a smaller block is tried before it is taken for right.
const TRIES: usize = 40;
/// How many smaller blocks are tried.
const SMALLER: usize = 400;
/// How many programs a failure shows.
const SHOWN: usize = 30;

/// Runs a case, and fails the test where anything that comes of it is not the oracle's answer.
pub(crate) fn check(
    executor: &BlockExecutor,
    case: &Case,
    limits: Limits,
    expected: &Answer,
) -> BlockStats {
    match compare(executor, case, expected) {
        Ok(stats) => stats,
        Err(difference) => {
            let (case, difference) = shrink(executor, case.clone(), limits, difference);
            let shown = if case.block.len() <= SHOWN {
                format!("{case:#?}")
            } else {
                format!("a block of {} that did not get smaller", case.block.len())
            };
            panic!("{difference}\nin {shown}\nunder {executor:?}");
        }
    }
}

/// Runs a case, and says where it differs from the oracle's answer.
pub(crate) fn compare(
    executor: &BlockExecutor,
    case: &Case,
    expected: &Answer,
) -> Result<BlockStats, String> {
    let ran = execute(executor, case);
    differences(case, expected, &ran)?;
    Ok(ran.stats)
}

/// Leaves out parts of the block, by halves, as long as what is left still differs.
fn shrink(
    executor: &BlockExecutor,
    case: Case,
    limits: Limits,
    difference: String,
) -> (Case, String) {
    let mut smallest = (case, difference);
    let mut part = smallest.0.block.len().div_ceil(2);
    let mut start = 0;
    for _ in 0..SMALLER {
        let length = smallest.0.block.len();
        if start >= length {
            if part <= 1 {
                break;
            }
            (part, start) = (part.div_ceil(2), 0);
        }
        let mut smaller = smallest.0.clone();
        smaller.block.drain(start..(start + part).min(length));
        let expected = answer(&smaller.base, &smaller.block, limits);
        let runs = (0..TRIES).map(|_| compare(executor, &smaller, &expected));
        match runs.into_iter().find_map(Result::err) {
            Some(difference) => smallest = (smaller, difference),
            None => start += part,
        }
    }
    smallest
}

/// Everything that is the same for every run of a block.
pub(crate) fn differences(case: &Case, expected: &Answer, ran: &Ran) -> Result<(), String> {
    same("where it ends", &ran.answer.end, &expected.end)?;
    // What comes after a transaction that refuses the block has no outcome.
    let executed = |outcome: &&Outcome| **outcome != Outcome::NotExecuted;
    let outcomes = ran.answer.outcomes.iter().take_while(executed);
    let wanted = expected.outcomes.iter().take_while(executed);
    for (index, (outcome, wanted)) in outcomes.clone().zip(wanted.clone()).enumerate() {
        same(&format!("the outcome of {index}"), outcome, wanted)?;
    }
    same("how many were executed", &outcomes.count(), &wanted.count())?;
    if ran.is_whole {
        let (outcomes, wanted) = (&ran.answer.outcomes, &expected.outcomes);
        same(
            "how many outcomes there are",
            &outcomes.len(),
            &wanted.len(),
        )?;
    }
    for (key, value) in &expected.changes {
        let found = ran.answer.changes.get(key);
        same(&format!("{}", key.escape_ascii()), &found, &Some(value))?;
    }
    same("the changes", &ran.answer.changes, &expected.changes)?;
    same("the digest", &ran.digest, &digest(&expected.changes))?;
    same("what was charged", &ran.answer.charged, &expected.charged)?;
    same(
        "how many have access sets",
        &ran.access.len(),
        &expected.access.len(),
    )?;
    let mut keys: BTreeSet<&[u8]> = case.base.keys().map(Vec::as_slice).collect();
    keys.extend(
        expected
            .access
            .iter()
            .flat_map(|access| access.writes.iter().map(Vec::as_slice)),
    );
    for (index, wanted) in (0..).zip(&expected.access) {
        let found = ran.access.get(index).ok_or("no access set")?;
        check_access(found, wanted, &keys).map_err(|what| format!("access of {index}: {what}"))?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: it is {found:?}, not {wanted:?}"))
}

/// The digest of changes, by its definition.
pub(crate) fn digest(changes: &Changes) -> [u8; 32] {
    let mut hash = Sha256::new();
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap().to_be_bytes();
    for (key, value) in changes {
        hash.update(length(key));
        hash.update(key);
        match value {
            None => hash.update([0]),
            Some(value) => {
                hash.update([1]);
                hash.update(length(value));
                hash.update(value);
            }
        }
    }
    hash.finalize().into()
}

fn check_access(
    found: TxnAccess<'_>,
    wanted: &Access,
    keys: &BTreeSet<&[u8]>,
) -> Result<(), String> {
    let set = |keys: Vec<&Key>| keys.iter().map(|key| key.to_vec()).collect::<BTreeSet<_>>();
    same("writes", &set(found.writes().collect()), &wanted.writes)?;
    let reads = set(found.reads().collect());
    let missing: Vec<_> = wanted.reads.difference(&reads).collect();
    same("reads that are missing", &missing, &Vec::new())?;
    let odd = reads.difference(&wanted.reads);
    let odd: Vec<_> = odd.filter(|key| !wanted.maybe.contains(*key)).collect();
    same("reads that were none", &odd, &Vec::new())?;
    if found.ranges().is_empty() && wanted.ranges.is_empty() {
        return Ok(());
    }
    for key in keys {
        let covered = found
            .ranges()
            .iter()
            .any(|range: &KeyRange| range.contains(key));
        let passed = wanted
            .ranges
            .iter()
            .any(|(start, end)| within(key, start, end));
        same(
            &format!("ranges over {}", key.escape_ascii()),
            &covered,
            &passed,
        )?;
    }
    Ok(())
}
