//! The directory of a real database, changed: in its files, and in its rows below the engine. It opens or is refused;
//! what it then says is an answer or an error, and where only files were changed never a wrong answer.

use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock};

use arbitrary::Arbitrary;
use rocksdb::{DB, IteratorMode, Options};
use sapwood::{
    Engine, Isolation, PinOptions, Position, ReadView, RocksDBConfig, RocksDBStorage, Timestamp,
};

use super::{
    engines::{Row, directory, state, told},
    export::Edit,
};

/// The databases of `tests/fixtures` that inputs begin with.
const FIXTURES: [&str; 3] = ["format_1_front_coded", "format_1", "format_1_merged"];

const KEYSPACES: [&str; 6] = [
    "current", "history", "deleted", "commits", "meta", "default",
];

/// More of any list is not read.
const ITEMS_MAX: usize = 400;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    fixture: u8,
    rows: Vec<RowEdit<'a>>,
    files: Vec<FileEdit<'a>>,
    opening: Opening,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    ToWrite,
    ToRead,
    Beside,
}

/// A change of the rows below the engine. Rows are counted in order, again and again.
#[derive(Arbitrary, Debug)]
enum RowEdit<'a> {
    Value {
        keyspace: u8,
        row: u8,
        edit: Edit<'a>,
    },
    Key {
        keyspace: u8,
        row: u8,
        edit: Edit<'a>,
    },
    Delete {
        keyspace: u8,
        row: u8,
    },
    /// The value of another row.
    Copy {
        keyspace: u8,
        row: u8,
        of: u8,
    },
    Put {
        keyspace: u8,
        key: &'a [u8],
        value: &'a [u8],
    },
}

/// A change of the files, which are counted by their names, again and again.
#[derive(Arbitrary, Debug)]
enum FileEdit<'a> {
    Change { file: u8, edit: Edit<'a> },
    Swap { file: u8, other: u8 },
    Copy { file: u8, of: u8 },
    Remove { file: u8 },
}

type Files = BTreeMap<String, Vec<u8>>;

/// A database as it was made, and what can be seen in it.
struct Fixture {
    files: Files,
    states: BTreeMap<Timestamp, Vec<Row>>,
}

fn config(path: &Path) -> RocksDBConfig {
    RocksDBConfig {
        write_buffer_size: 64 << 10,
        block_cache_size: 1 << 20,
        ..RocksDBConfig::at(path.to_str().expect("a UTF-8 path"))
    }
}

fn write(files: &Files, path: &Path) {
    fs::create_dir(path).expect("create");
    for (name, bytes) in files {
        fs::write(path.join(name), bytes).expect("write");
    }
}

fn files_of(path: &Path) -> Files {
    let entries = fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"));
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| {
            let bytes = fs::read(entry.path()).expect("read");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect()
}

fn fixtures() -> &'static [Fixture] {
    static FOUND: OnceLock<Vec<Fixture>> = OnceLock::new();
    FOUND.get_or_init(|| FIXTURES.map(fixture).into())
}

fn fixture(name: &str) -> Fixture {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let files = files_of(&fixtures.join(name).join("db"));
    let directory = directory();
    let path = directory.path().join("db");
    write(&files, &path);
    let engine = Engine::open_with(config(&path)).expect("a database");
    let pins = engine
        .pins()
        .expect("pins")
        .into_iter()
        .map(|pin| pin.timestamp);
    let all = (engine.floor().get()..=engine.visible().get())
        .map(Timestamp::new)
        .chain(pins);
    let states = all
        .map(|at| (at, state(&engine, at).expect("a state")))
        .collect();
    Fixture { files, states }
}

pub(super) fn run(input: &[u8]) {
    let Some(input) = super::read::<Input<'_>>(input) else {
        return;
    };
    let fixture = &fixtures()[usize::from(input.fixture) % FIXTURES.len()];
    let directory = directory();
    let path = directory.path().join("db");
    let mut files = fixture.files.clone();
    if !input.rows.is_empty() {
        let below = directory.path().join("below");
        write(&files, &below);
        change_rows(&below, &input.rows);
        files = files_of(&below);
        files.retain(|name, _| {
            !name.starts_with("LOG") && !name.starts_with("OPTIONS") && name != "LOCK"
        });
    }
    for edit in &input.files {
        change_files(&mut files, edit);
    }
    write(&files, &path);
    let truth = input.rows.is_empty().then_some(&fixture.states);
    let opened = match input.opening {
        Opening::ToWrite => told(RocksDBStorage::new(config(&path))),
        Opening::ToRead => told(RocksDBStorage::open_read_only(config(&path))),
        Opening::Beside => told(RocksDBStorage::open_beside(config(&path))),
    };
    let is_whole = files == fixture.files;
    assert!(!is_whole || input.opening == Opening::ToRead || opened.is_some());
    let Some(storage) = opened else { return };
    let engine = Engine::new(&storage);
    read(&engine, truth);
    // Another process's commits may not be merged yet, and then only that can.
    if is_whole && input.opening == Opening::ToWrite {
        let report = engine.verify().expect("it is whole");
        assert!(report.is_clean(), "{report:?}");
    }
    if input.rows.len() % 2 == 1 {
        // A database that begins anew with what can be read.
        let repaired = config(&directory.path().join("repaired"));
        told(RocksDBStorage::repair(&storage, repaired, |_, _| {}));
    }
    use_it(&engine, &directory.path().join("export"));
    told(engine.close());
    drop((engine, storage));
    if let Some(again) = told(RocksDBStorage::new(config(&path))) {
        let engine = Engine::new(&again);
        told(engine.verify());
        told(engine.close());
    }
}

fn change_rows(path: &Path, edits: &[RowEdit<'_>]) {
    let db = DB::open_cf(&Options::default(), path, KEYSPACES).expect("open below the engine");
    for edit in edits {
        let (RowEdit::Value { keyspace, .. }
        | RowEdit::Key { keyspace, .. }
        | RowEdit::Delete { keyspace, .. }
        | RowEdit::Copy { keyspace, .. }
        | RowEdit::Put { keyspace, .. }) = edit;
        // The last of them is RocksDB's own.
        let name = KEYSPACES[usize::from(*keyspace) % (KEYSPACES.len() - 1)];
        let family = db.cf_handle(name).expect("a keyspace");
        let rows: Vec<_> = db
            .iterator_cf(family, IteratorMode::Start)
            .map(|row| row.expect("a row"))
            .collect();
        let nth = |row: u8| rows.get(usize::from(row) % rows.len().max(1));
        match edit {
            RowEdit::Value { row, edit, .. } => {
                if let Some((key, value)) = nth(*row) {
                    let mut value = value.to_vec();
                    edit.apply(&mut value);
                    db.put_cf(family, key, value).expect("put");
                }
            }
            RowEdit::Key { row, edit, .. } => {
                if let Some((key, value)) = nth(*row) {
                    db.delete_cf(family, key).expect("delete");
                    let mut key = key.to_vec();
                    edit.apply(&mut key);
                    db.put_cf(family, key, value).expect("put");
                }
            }
            RowEdit::Delete { row, .. } => {
                if let Some((key, _)) = nth(*row) {
                    db.delete_cf(family, key).expect("delete");
                }
            }
            RowEdit::Copy { row, of, .. } => {
                if let (Some((key, _)), Some((_, value))) = (nth(*row), nth(*of)) {
                    db.put_cf(family, key, value).expect("put");
                }
            }
            RowEdit::Put { key, value, .. } => db.put_cf(family, key, value).expect("put"),
        }
    }
}

fn change_files(files: &mut Files, edit: &FileEdit<'_>) {
    let names: Vec<_> = files.keys().cloned().collect();
    let Some(last) = names.len().checked_sub(1) else {
        return;
    };
    let name = |file: u8| &names[usize::from(file) % (last + 1)];
    match edit {
        FileEdit::Change { file, edit } => {
            if let Some(bytes) = files.get_mut(name(*file)) {
                edit.apply(bytes);
            }
        }
        FileEdit::Swap { file, other } => {
            let (a, b) = (files[name(*file)].clone(), files[name(*other)].clone());
            files.insert(name(*file).clone(), b);
            files.insert(name(*other).clone(), a);
        }
        FileEdit::Copy { file, of } => {
            let bytes = files[name(*of)].clone();
            files.insert(name(*file).clone(), bytes);
        }
        FileEdit::Remove { file } => {
            files.remove(name(*file));
        }
    }
}

/// Reads all there is to read. Where the truth is known, whatever is read is that.
fn read(engine: &Engine, truth: Option<&BTreeMap<Timestamp, Vec<Row>>>) {
    let (visible, floor) = (engine.visible(), engine.floor());
    let pins = told(engine.pins()).unwrap_or_default();
    let mut all = vec![visible, floor];
    all.extend(pins.iter().take(8).map(|pin| pin.timestamp));
    let mut keys = vec![Vec::new(), b"apple".to_vec(), b"none".to_vec()];
    for at in all {
        let Some(found) = told(state(engine, at)) else {
            continue;
        };
        if let Some(wanted) = truth.and_then(|states| states.get(&at)) {
            assert_eq!(&found, wanted, "the state at {at}");
        }
        let Some(snapshot) = told(engine.at(at)) else {
            continue;
        };
        let mut back = Vec::new();
        for row in snapshot.range(..).rev() {
            let Some((key, value)) = told(row) else { break };
            back.push((key.to_vec(), value.to_vec()));
        }
        back.reverse();
        assert_eq!(found, back, "forwards and backwards at {at}");
        for (key, value) in found.iter().take(ITEMS_MAX) {
            if let Some(read) = told(snapshot.get(key)) {
                assert_eq!(read.as_deref(), Some(value.as_slice()), "at {at}");
            }
        }
        keys.extend(found.into_iter().map(|(key, _)| key));
    }
    keys.sort();
    keys.dedup();
    keys.truncate(ITEMS_MAX);
    told(engine.multi_get(&keys));
    for key in &keys {
        told(engine.get(key));
        if let Some(versions) = told(engine.history(key, ..)) {
            versions.take(ITEMS_MAX).map_while(told).count();
        }
        if let Some(versions) = told(engine.history(key, ..)) {
            versions.rev().take(ITEMS_MAX).map_while(told).count();
        }
    }
    if let Some(changes) = told(engine.diff(floor, visible)) {
        changes.take(ITEMS_MAX).map_while(told).count();
    }
    if let Some(commits) = told(engine.commit_log(..)) {
        commits.take(ITEMS_MAX).map_while(told).count();
    }
    for from in [Timestamp::ZERO, floor] {
        if let Some(mut changes) = told(engine.changes(Position {
            timestamp: from,
            epoch: 0,
        })) {
            (0..ITEMS_MAX)
                .map_while(|_| told(changes.poll()).flatten())
                .count();
        }
    }
    told(engine.feeds());
    told(engine.position());
    told(engine.status());
    told(engine.retention_status());
    told(engine.sizes());
    told(engine.samples());
    told(engine.verify());
}

/// Changes it, as a program would that was told nothing of the damage.
fn use_it(engine: &Engine, export: &Path) {
    let visible = engine.visible();
    told(engine.export(engine.floor(), visible, export));
    told(engine.set("apple", "new"));
    told(engine.delete("apple pie"));
    if let Some(mut tx) = told(engine.begin(Isolation::Serializable)) {
        tx.range(..).take(ITEMS_MAX).map_while(told).count();
        told(tx.set("banana", "new"));
        told(tx.commit());
    }
    told(engine.pin("fuzz", visible, PinOptions::default()));
    told(engine.prune_before(visible));
    told(engine.flush());
    told(engine.compact());
    told(engine.unpin("fuzz"));
    told(engine.rollback_to(visible));
    told(engine.delete_range(..));
    read(engine, None);
}
