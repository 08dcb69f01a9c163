//! What differs between two states, page by page.
//!
//! Where the commits in between changed few keys, these are looked at; the engine lists them anew for each page. Else
//! both states are walked side by side, a bounded number of rows for each page: such a page may hold no change.

use std::ops::Bound;

use sapwood::{Engine, Iter, Key, KeyRange, ReadView, Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{At, Preview},
    failure::{Failure, Result},
    hexadecimal::Hexadecimal,
    page::{self, Room},
};

/// Where the commits in between changed more keys than this, they are not listed.
const CHANGED_MAX: u64 = 50_000;
/// Rows of the two states that a page looks at.
const LOOKED_AT_MAX: usize = 20_000;

/// Which part of which difference.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffQuery {
    old: At,
    new: At,
    prefix: Option<Hexadecimal>,
    after: Option<Hexadecimal>,
    limit: Option<usize>,
    preview: Option<usize>,
}

/// Changes, in key order.
#[derive(Debug, Default, Serialize)]
pub(crate) struct DiffPage {
    changes: Vec<ChangeRow>,
    /// The last key that was looked at, where there may be changes behind it.
    next: Option<Hexadecimal>,
}

#[derive(Debug, Serialize)]
struct ChangeRow {
    key: Hexadecimal,
    old: Option<Preview>,
    new: Option<Preview>,
}

impl DiffPage {
    fn push(&mut self, key: &Key, old: Option<&Value>, new: Option<&Value>, room: &mut Room) {
        let preview = |value: Option<&Value>| value.map(|value| Preview::new(value, room.preview));
        let row = ChangeRow {
            key: Hexadecimal(key.to_vec()),
            old: preview(old),
            new: preview(new),
        };
        let size = |value: Option<&Value>| value.map_or(0, Value::len);
        room.take_row(key.len() + size(old) + size(new));
        self.changes.push(row);
    }
}

/// A page of what differs between two states.
pub(crate) fn diff(engine: &Engine, query: DiffQuery) -> Result<DiffPage> {
    let (At(old), At(new)) = (query.old, query.new);
    if old > new {
        return Err(Failure::invalid(format!(
            "a difference goes from the older state to the newer; {old} is after {new}"
        )));
    }
    let room = Room::new(query.limit, query.preview)?;
    let range = page::keys(query.prefix, query.after.as_ref());
    if has_few_changes(engine, old, new, CHANGED_MAX)? {
        changed(engine, (old, new), &range, room)
    } else {
        walked(engine, (old, new), range, room, LOOKED_AT_MAX)
    }
}

/// Whether the engine lists what changed between two states from the records of commits, and these are short.
fn has_few_changes(engine: &Engine, old: Timestamp, new: Timestamp, most: u64) -> Result<bool> {
    let mut changed = 0;
    for commit in engine.commit_log((Bound::Excluded(old), Bound::Included(new)))? {
        let commit = commit?;
        // One that changed nothing has a record, too.
        changed += (commit.sets + commit.deletes).max(1);
        if changed > most {
            return Ok(false);
        }
    }
    // Below the floor there are no records: the engine would walk both states to their ends.
    Ok(old >= engine.floor())
}

/// The changes among the keys that commits in between have changed.
fn changed(
    engine: &Engine,
    (old, new): (Timestamp, Timestamp),
    range: &KeyRange,
    mut room: Room,
) -> Result<DiffPage> {
    let mut page = DiffPage::default();
    for change in engine.diff(old, new)? {
        let change = change?;
        if !range.contains(&change.key) {
            continue;
        }
        if !room.is_left() {
            page.next = page.changes.last().map(|row| row.key.clone());
            break;
        }
        page.push(
            &change.key,
            change.old.as_ref(),
            change.new.as_ref(),
            &mut room,
        );
    }
    Ok(page)
}

/// The changes among the next rows of the two states.
fn walked(
    engine: &Engine,
    (old, new): (Timestamp, Timestamp),
    range: KeyRange,
    mut room: Room,
    rows: usize,
) -> Result<DiffPage> {
    let mut states = States {
        old: Side::new(engine.at(old)?.range(range.clone())),
        new: Side::new(engine.at(new)?.range(range)),
    };
    let mut page = DiffPage::default();
    let mut last = None;
    for _ in 0..rows {
        if !room.is_left() {
            break;
        }
        let Some((key, old, new)) = states.step()? else {
            return Ok(page);
        };
        if old == new {
            room.take_bytes(key.len() + old.as_ref().map_or(0, |value| value.len() * 2));
        } else {
            page.push(&key, old.as_ref(), new.as_ref(), &mut room);
        }
        last = Some(key);
    }
    page.next = last.map(|key| Hexadecimal(key.to_vec()));
    Ok(page)
}

/// A key of either state, and its values in both.
type Pair = (Key, Option<Value>, Option<Value>);

/// Two states, side by side.
struct States {
    old: Side,
    new: Side,
}

/// The rows of one state, and the next of them.
struct Side {
    rows: Iter,
    next: Option<(Key, Value)>,
}

impl Side {
    fn new(rows: Iter) -> Self {
        Self { rows, next: None }
    }

    fn key(&mut self) -> Result<Option<Key>> {
        if self.next.is_none() {
            self.next = self.rows.next().transpose()?;
        }
        Ok(self.next.as_ref().map(|(key, _)| key.clone()))
    }

    /// The value of the next row, where that is the row of this key.
    fn take(&mut self, key: &Key) -> Option<Value> {
        let next = self.next.take_if(|(next, _)| next == key);
        next.map(|(_, value)| value)
    }
}

impl States {
    /// The next key of either state, and its values in both.
    fn step(&mut self) -> Result<Option<Pair>> {
        let key = match (self.old.key()?, self.new.key()?) {
            (Some(old), Some(new)) => old.min(new),
            (Some(key), None) | (None, Some(key)) => key,
            (None, None) => return Ok(None),
        };
        let (old, new) = (self.old.take(&key), self.new.take(&key));
        Ok(Some((key, old, new)))
    }
}

#[cfg(test)]
mod tests {
    use sapwood::PinOptions;

    use super::*;

    type Told = Vec<(String, bool, bool)>;

    /// All pages, each of so many changes, one way or the other.
    fn pages(page: impl Fn(KeyRange, Room) -> DiffPage, limit: usize) -> Told {
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let room = Room::new(Some(limit), None).unwrap();
            let page = page(page::keys(None, after.as_ref()), room);
            assert!(page.changes.len() <= limit);
            told.extend(page.changes.into_iter().map(|row| {
                let key = String::from_utf8(row.key.0).unwrap();
                (key, row.old.is_some(), row.new.is_some())
            }));
            after = page.next;
            if after.is_none() {
                return told;
            }
        }
    }

    #[test]
    fn both_ways_give_the_same_on_every_page_size() {
        let engine = Engine::in_memory();
        for number in 0..40 {
            engine.set(format!("{number:02}"), "old").unwrap();
        }
        let old = engine.visible();
        for number in (0..40).step_by(3) {
            engine.set(format!("{number:02}"), "new").unwrap();
            engine.delete(format!("{:02}", number + 1)).unwrap();
            engine.set(format!("{number:02}x"), "new").unwrap();
        }
        let new = engine.visible();
        let expected: Told = engine
            .diff(old, new)
            .unwrap()
            .map(|change| {
                let change = change.unwrap();
                let key = String::from_utf8(change.key.to_vec()).unwrap();
                (key, change.old.is_some(), change.new.is_some())
            })
            .collect();
        assert_eq!(expected.len(), 41);
        for limit in [1, 2, 7, 100] {
            let by_commits = pages(
                |range, room| changed(&engine, (old, new), &range, room).unwrap(),
                limit,
            );
            assert_eq!(by_commits, expected);
            for rows in [1, 5, 1000] {
                let by_rows = pages(
                    |range, room| walked(&engine, (old, new), range, room, rows).unwrap(),
                    limit,
                );
                assert_eq!(by_rows, expected, "{rows} rows");
            }
        }
    }

    #[test]
    fn long_records_and_pruned_ones_are_not_listed() {
        let engine = Engine::in_memory();
        for _ in 0..10 {
            engine.set("a", "1").unwrap();
        }
        let at = Timestamp::new;
        assert!(has_few_changes(&engine, at(2), at(10), 8).unwrap());
        assert!(!has_few_changes(&engine, at(2), at(10), 7).unwrap());
        engine.pin("p", at(2), PinOptions::default()).unwrap();
        engine.prune_before(at(9)).unwrap();
        assert!(!has_few_changes(&engine, at(2), at(10), 100).unwrap());
        assert!(has_few_changes(&engine, at(9), at(10), 100).unwrap());
    }
}
