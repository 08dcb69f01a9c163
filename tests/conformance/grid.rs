//! A small world as a grid of keys and timestamps, and the check that every way to read it agrees
//! with the grid.

use sapwood::{Engine, KeyRange, ReadView, Storage, Timestamp};

use crate::support::{Row, all_at, at, bytes, delete, kind, reversed, rows, set};

/// One line for each key; the column is the timestamp, from 0. A letter is the value that the key
/// has then, a dot means that it does not exist. Where the letter changes, a commit wrote.
#[derive(Clone, Copy)]
pub(crate) struct Grid(pub(crate) &'static [(&'static str, &'static str)]);

/// Keys that begin late, end early, come back, are overwritten at once, or never exist.
pub(crate) const WORLD: Grid = Grid(&[
    //         0123456789ABC
    ("ant", ".aaabbbcccccd"),
    ("antelope", "..ab..cc..dd."),
    ("bee", ".abcdefghijkl"),
    ("cat", ".aaaaaaaaaaaa"),
    ("dog", "...aa........"),
    ("eel", "...........a."),
    ("fox", ".a.b.c.d.e.f."),
    ("gnu", "............a"),
    ("hen", ".a..........."),
    ("ibis", ".aa.bbbbbbbbb"),
]);

impl Grid {
    /// The last column.
    pub(crate) fn last(self) -> u64 {
        self.0[0].1.len() as u64 - 1
    }

    /// The value of a line at a timestamp.
    pub(crate) fn value(line: &str, at: u64) -> Option<Vec<u8>> {
        let letter = line.as_bytes()[usize::try_from(at).expect("a column")];
        (letter != b'.').then(|| vec![letter])
    }

    /// The state at a timestamp, in key order.
    pub(crate) fn state(self, at: u64) -> Vec<Row> {
        let live = |(key, line): &(&str, &str)| Some((bytes(key), Self::value(line, at)?));
        self.0.iter().filter_map(live).collect()
    }

    /// The writes of the commit at a timestamp.
    pub(crate) fn writes(self, at: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let changed = |(key, line): &(&str, &str)| {
            let new = Self::value(line, at);
            (new != Self::value(line, at - 1)).then(|| match new {
                Some(value) => set(key, value),
                None => delete(key),
            })
        };
        self.0.iter().filter_map(changed).collect()
    }

    /// Commits every column.
    pub(crate) fn play(self, storage: &impl Storage) {
        self.play_to(storage, self.last());
    }

    /// Commits the columns up to one.
    pub(crate) fn play_to(self, storage: &impl Storage, last: u64) {
        for column in storage.visible().get() + 1..=last {
            let timestamp = storage.write_batch(self.writes(column)).expect("a commit");
            assert_eq!(timestamp, at(column));
        }
    }

    /// Checks every way to read every timestamp from `first` on.
    pub(crate) fn check_from(self, storage: &impl Storage, first: u64) {
        (first..=storage.visible().get()).for_each(|column| self.check_at(storage, column));
        self.check_latest(storage);
    }

    /// Checks every way to read one timestamp.
    pub(crate) fn check_at(self, storage: &impl Storage, column: u64) {
        let timestamp = at(column);
        let state = self.state(column);
        let keys: Vec<&[u8]> = self.0.iter().map(|(key, _)| key.as_bytes()).collect();
        let values: Vec<_> = self
            .0
            .iter()
            .map(|(_, line)| Self::value(line, column))
            .collect();
        for (key, value) in keys.iter().zip(&values) {
            let got = storage.get_at(key, timestamp).expect("get_at");
            assert_eq!(&got, value, "{} at {column}", key.escape_ascii());
            let exists = storage.contains_at(key, timestamp).expect("contains_at");
            assert_eq!(
                exists,
                value.is_some(),
                "{} at {column}",
                key.escape_ascii()
            );
        }
        assert_eq!(
            storage
                .multi_get_at(&keys, timestamp)
                .expect("multi_get_at"),
            values
        );
        assert_eq!(
            rows(all_at(storage, timestamp)),
            state,
            "forward at {column}"
        );
        let backward = rows(all_at(storage, timestamp).rev());
        assert_eq!(backward, reversed(state.clone()), "backward at {column}");
        assert_eq!(storage.scan_at(b"", timestamp).expect("scan_at"), state);
        check_view(
            &Engine::new(storage).at(timestamp).expect("at"),
            &keys,
            &values,
            &state,
        );
    }

    fn check_latest(self, storage: &impl Storage) {
        let column = storage.visible().get();
        let state = self.state(column);
        let keys: Vec<&[u8]> = self.0.iter().map(|(key, _)| key.as_bytes()).collect();
        let values: Vec<_> = self
            .0
            .iter()
            .map(|(_, line)| Self::value(line, column))
            .collect();
        for (key, value) in keys.iter().zip(&values) {
            assert_eq!(
                &storage.get(key).expect("get"),
                value,
                "{}",
                key.escape_ascii()
            );
            assert_eq!(storage.contains(key).expect("contains"), value.is_some());
        }
        assert_eq!(storage.multi_get(&keys).expect("multi_get"), values);
        assert_eq!(storage.scan(b"").expect("scan"), state);
        assert_eq!(
            rows(storage.range(KeyRange::all()).rev()),
            reversed(state.clone())
        );
        let engine = Engine::new(storage);
        check_view(&engine, &keys, &values, &state);
        check_view(
            &engine.snapshot().expect("snapshot"),
            &keys,
            &values,
            &state,
        );
    }

    /// Checks every way to read a view that shows one column.
    pub(crate) fn check_view(self, view: &impl ReadView, column: u64) {
        let keys: Vec<&[u8]> = self.0.iter().map(|(key, _)| key.as_bytes()).collect();
        let lines = self.0.iter();
        let values: Vec<_> = lines.map(|(_, line)| Self::value(line, column)).collect();
        check_view(view, &keys, &values, &self.state(column));
    }

    /// Checks that a timestamp is refused, by every way to read it, with the floor in the error.
    pub(crate) fn check_pruned(self, storage: &impl Storage, column: u64) {
        let timestamp = at(column);
        let floor = storage.floor();
        let wanted = sapwood::ErrorKind::Pruned {
            requested: timestamp,
            floor,
        };
        for (key, _) in self.0 {
            let error = storage
                .get_at(key.as_bytes(), timestamp)
                .expect_err("pruned");
            assert_eq!(error.kind(), &wanted);
            assert!(error.to_string().contains(&floor.to_string()), "{error}");
        }
        assert_eq!(kind(storage.multi_get_at(&[b"ant"], timestamp)), "pruned");
        assert_eq!(kind(storage.contains_at(b"ant", timestamp)), "pruned");
        assert_eq!(kind(storage.scan_at(b"", timestamp)), "pruned");
        let first = all_at(storage, timestamp).next().expect("an error");
        assert_eq!(first.expect_err("pruned").kind(), &wanted);
        assert_eq!(kind(Engine::new(storage).at(timestamp)), "pruned");
        assert_eq!(kind(storage.diff(timestamp, storage.visible())), "pruned");
    }
}

fn check_view(view: &impl ReadView, keys: &[&[u8]], values: &[Option<Vec<u8>>], state: &[Row]) {
    for (key, value) in keys.iter().zip(values) {
        assert_eq!(view.get(key).expect("get").as_deref(), value.as_deref());
        assert_eq!(view.contains(key).expect("contains"), value.is_some());
    }
    let got = view.multi_get(keys).expect("multi_get");
    assert_eq!(
        got,
        values
            .iter()
            .map(|value| value.clone().map(Into::into))
            .collect::<Vec<_>>()
    );
    assert_eq!(rows(view.range(..)), state);
    assert_eq!(rows(view.range(..).rev()), reversed(state.to_vec()));
    assert_eq!(rows(view.scan(b"")), state);
}

/// The timestamps of a grid, for tests that go over all of them.
pub(crate) fn columns(grid: Grid) -> impl Iterator<Item = Timestamp> {
    (0..=grid.last()).map(at)
}
