//! [`Merged`]: stored rows with others over them, from both ends.

use std::{cmp::Ordering, ops::Bound};

use imbl::OrdMap;

use super::{base::BaseRows, changes::Row, stop::Stop};
use crate::storage::{Key, KeyRange, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

/// Rows that cover stored ones; `None` hides the stored row.
pub(super) trait Over {
    /// The first, or last, between two bounds.
    fn next(
        &mut self,
        between: (Bound<&Key>, Bound<&Key>),
        end: End,
    ) -> Result<Option<(Key, Option<Value>)>, Stop>;

    /// The row that was given last was used.
    fn taken(&mut self, end: End) {
        let _ = end;
    }
}

pub(super) type Rows = OrdMap<Key, Option<Value>>;

/// Rows that do not change.
pub(super) struct Fixed(Rows);

impl Fixed {
    pub(super) fn new(rows: Rows) -> Self {
        Self(rows)
    }
}

impl Over for Fixed {
    fn next(
        &mut self,
        between: (Bound<&Key>, Bound<&Key>),
        end: End,
    ) -> Result<Option<(Key, Option<Value>)>, Stop> {
        Ok(end_of(&self.0, between, end))
    }
}

/// The first, or last, row between two bounds.
pub(super) fn end_of(
    rows: &Rows,
    between: (Bound<&Key>, Bound<&Key>),
    end: End,
) -> Option<(Key, Option<Value>)> {
    let mut rows = rows.range::<_, Key>(between);
    let row = match end {
        End::Front => rows.next(),
        End::Back => rows.next_back(),
    };
    row.map(|(key, value)| (key.clone(), value.clone()))
}

pub(super) struct Merged<O> {
    stored: BaseRows,
    /// Rows that were taken from either end of `stored`, and not given out yet.
    front: Option<(Key, Value)>,
    back: Option<(Key, Value)>,
    over: O,
    /// What lies between the two ends.
    from: Bound<Key>,
    to: Bound<Key>,
    is_over: bool,
}

impl<O: Over> Merged<O> {
    pub(super) fn new(stored: BaseRows, over: O, range: &KeyRange) -> Self {
        let end = range.end.as_ref();
        Self {
            stored,
            front: None,
            back: None,
            over,
            from: Bound::Included(Key::copy_from_slice(&range.start)),
            to: end.map_or(Bound::Unbounded, |end| {
                Bound::Excluded(Key::copy_from_slice(end))
            }),
            is_over: range.is_empty(),
        }
    }

    pub(super) fn over(&mut self) -> &mut O {
        &mut self.over
    }

    /// The next row at one end; after `None` or an error there are no more.
    pub(super) fn step(&mut self, end: End) -> Result<Option<(Key, Value)>, Stop> {
        if self.is_over {
            return Ok(None);
        }
        let row = self.next_row(end);
        self.is_over = !matches!(row, Ok(Some(_)));
        row
    }

    fn next_row(&mut self, end: End) -> Result<Option<(Key, Value)>, Stop> {
        loop {
            self.peek(end)?;
            let covering = self
                .over
                .next((self.from.as_ref(), self.to.as_ref()), end)?;
            let stored = match end {
                End::Front => &mut self.front,
                End::Back => &mut self.back,
            };
            let order = match (&stored, &covering) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((stored, _)), Some((covering, _))) => match end {
                    End::Front => stored.cmp(covering),
                    End::Back => covering.cmp(stored),
                },
            };
            // The row above covers the stored row of the same key.
            let taken = if order == Ordering::Greater {
                None
            } else {
                stored.take()
            };
            let (key, value) = match (order, covering) {
                (Ordering::Equal | Ordering::Greater, Some(row)) => {
                    self.over.taken(end);
                    row
                }
                _ => match taken {
                    Some((key, value)) => (key, Some(value)),
                    None => return Ok(None),
                },
            };
            match end {
                End::Front => self.from = Bound::Excluded(key.clone()),
                End::Back => self.to = Bound::Excluded(key.clone()),
            }
            if let Some(value) = value {
                return Ok(Some((key, value)));
            }
        }
    }

    /// Takes the next stored row at one end, if none is at hand: the last one may have been taken from
    /// the other end.
    fn peek(&mut self, end: End) -> Result<(), Stop> {
        let (here, there) = match end {
            End::Front => (&mut self.front, &mut self.back),
            End::Back => (&mut self.back, &mut self.front),
        };
        if here.is_none() {
            let next = match end {
                End::Front => self.stored.next(),
                End::Back => self.stored.next_back(),
            };
            *here = match next {
                Some(row) => Some(row?),
                None => there.take(),
            };
        }
        Ok(())
    }
}

impl<O: Over> Iterator for Merged<O> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.step(End::Front)
            .map_err(|stop| stop.error())
            .transpose()
    }
}

impl<O: Over> DoubleEndedIterator for Merged<O> {
    fn next_back(&mut self) -> Option<Row> {
        self.step(End::Back)
            .map_err(|stop| stop.error())
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn both_ends_give_the_rows_of_the_union(
            stored in proptest::collection::btree_map(0u8..12, 0u8..3, 0..8),
            over in proptest::collection::btree_map(0u8..12, proptest::option::of(3u8..6), 0..8),
            ends in proptest::collection::vec(any::<bool>(), 0..20),
            (start, end) in (0u8..12, 0u8..13),
        ) {
            let key = |key: u8| Key::copy_from_slice(&[key]);
            let range = KeyRange::new(vec![start]..vec![end]);
            let mut expected: BTreeMap<u8, u8> = stored.clone();
            for (key, value) in &over {
                match value {
                    Some(value) => expected.insert(*key, *value),
                    None => expected.remove(key),
                };
            }
            expected.retain(|key, _| range.contains(&[*key]));
            let inside = |k: &u8| range.contains(&[*k]);
            let rows: Vec<Row> = stored.iter().filter(|(k, _)| inside(k))
                .map(|(k, v)| Ok((key(*k), key(*v)))).collect();
            let over: Rows = over.iter().map(|(k, v)| (key(*k), v.map(key))).collect();
            let mut merged = Merged::new(Box::new(rows.into_iter()), Fixed::new(over), &range);
            let mut expected = expected.into_iter().map(|(k, v)| (key(k), key(v)));
            for is_front in ends {
                let (row, other) = if is_front {
                    (merged.next(), expected.next())
                } else {
                    (merged.next_back(), expected.next_back())
                };
                prop_assert_eq!(row.map(Result::unwrap), other);
            }
        }
    }
}
