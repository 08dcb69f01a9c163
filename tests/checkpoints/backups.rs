//! Incremental backups: made, listed, checked, purged, restored.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use sapwood::{Backups, Engine, ReadView, Timestamp};

use crate::support::{World, contents, refused, states};

/// Some commits of values that do not compress away.
fn fill(engine: &Engine, rounds: u64, seed: u64) {
    let mut number = seed | 1;
    for _ in 0..rounds {
        let mut value = Vec::new();
        for _ in 0..64 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            value.extend(number.to_be_bytes());
        }
        let key = engine.visible().get().to_be_bytes();
        engine.set(key, value).expect("a commit");
    }
}

fn restore(world: &World, backups: &Backups, id: u32, name: &str) -> sapwood::Result<Engine> {
    backups.restore_with(id, world.config(name))
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("read a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn size(directory: &Path) -> u64 {
    let size = |path: PathBuf| fs::metadata(path).expect("a file").len();
    files(directory).into_iter().map(size).sum()
}

#[test]
fn any_backup_is_restored_as_it_was_and_goes_on() {
    let world = World::new();
    let engine = world.open("db");
    let backups = Backups::open(world.path("deep/backups"));
    fill(&engine, 30, 1);
    let first = backups.create(&engine).expect("a backup");
    let at_first = states(&engine);
    fill(&engine, 10, 2);
    engine.rollback_to(Timestamp::new(35)).expect("a rollback");
    engine.prune_before(Timestamp::new(20)).expect("a prune");
    let second = backups.create(&engine).expect("a backup");
    let at_second = states(&engine);
    fill(&engine, 5, 3);
    assert_eq!(
        backups.list().expect("a list"),
        [first.clone(), second.clone()]
    );
    assert_eq!((first.timestamp, first.epoch), (Timestamp::new(30), 0));
    assert_eq!((second.timestamp, second.epoch), (Timestamp::new(35), 1));
    assert!(first.is_whole && first.size_bytes > 0 && first.files > 0);
    drop(engine);
    for (backup, state, name) in [(&first, &at_first, "a"), (&second, &at_second, "b")] {
        backups.verify(backup.id).expect("right");
        let restored = restore(&world, &backups, backup.id, name).expect("a backup");
        assert_eq!(&states(&restored), state);
        assert_eq!(restored.epoch(), backup.epoch);
        let next = restored.set(b"new", b"").expect("a commit");
        assert_eq!(Some(next), backup.timestamp.next());
        drop(restored);
        assert_eq!(states(&world.open(name)).len(), state.len() + 1);
    }
    assert!(!world.path("db/backup.sapwood-partial").exists());
}

#[test]
fn a_backup_copies_what_no_other_holds() {
    let world = World::new();
    let engine = world.open("db");
    let directory = world.path("backups");
    let backups = Backups::open(&directory);
    fill(&engine, 400, 1);
    engine.compact().expect("compacted");
    let first = backups.create(&engine).expect("a backup");
    let before = size(&directory);
    fill(&engine, 1, 2);
    let second = backups.create(&engine).expect("a backup");
    let added = size(&directory) - before;
    assert!(second.size_bytes > first.size_bytes - first.size_bytes / 4);
    assert!(added < first.size_bytes / 2, "{added} of {first:?}");
}

#[test]
fn a_backup_is_one_state_while_commits_and_prunes_go_on() {
    let world = World::new();
    let engine = world.open("db");
    let backups = Backups::open(world.path("backups"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let next = engine.visible().get() + 1;
                engine.set(b"a", next.to_be_bytes()).expect("a commit");
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let before = engine.visible().get().saturating_sub(10);
                engine
                    .prune_before(Timestamp::new(before))
                    .expect("a prune");
            }
        });
        for _ in 0..4 {
            backups.create(&engine).expect("a backup");
        }
        is_over.store(true, Ordering::SeqCst);
    });
    for backup in backups.list().expect("a list") {
        let name = format!("restored {}", backup.id);
        let restored = restore(&world, &backups, backup.id, &name).expect("a backup");
        assert_eq!(restored.visible(), backup.timestamp);
        for at in restored.floor().get().max(1)..=restored.visible().get() {
            let past = restored.at(Timestamp::new(at)).expect("a snapshot");
            let value = past.get(b"a").expect("a value");
            assert_eq!(value.as_deref(), Some(&at.to_be_bytes()[..]), "{backup:?}");
        }
        restored.status().expect("a status");
    }
}

#[test]
fn a_backup_that_lacks_a_file_or_is_corrupt_is_named_and_nothing_is_restored() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 20, 1);
    let directory = world.path("backups");
    let backups = Backups::open(&directory);
    let backup = backups.create(&engine).expect("a backup");
    let to = world.path("new");
    let damaged = |path: &Path| {
        let file = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        for answer in [
            backups.verify(backup.id).map(|()| None),
            restore(&world, &backups, backup.id, "new").map(Some),
        ] {
            let (kind, message) = refused(answer);
            assert_eq!(kind, "corrupt", "{message}");
            assert!(message.contains(&file), "no {file} in {message}");
        }
        assert!(!to.exists());
        assert_eq!(contents_of(&world), ["backups", "db"]);
    };
    let mut tried = 0;
    for path in files(&directory.join("files")) {
        if path.parent().is_some_and(|parent| parent.ends_with("meta")) {
            continue;
        }
        let bytes = fs::read(&path).expect("a file");
        if bytes.is_empty() {
            continue;
        }
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        fs::write(&path, &changed).expect("a file");
        damaged(&path);
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("a file");
        damaged(&path);
        fs::remove_file(&path).expect("no file");
        let listed = backups.list().expect("a list");
        assert!(listed.len() == 1 && !listed[0].is_whole, "{listed:?}");
        damaged(&path);
        fs::write(&path, &bytes).expect("a file");
        tried += 1;
    }
    assert!(tried > 4);
    // What says what it is.
    let meta = directory.join(format!("files/meta/{}", backup.id));
    let manifest = directory.join(format!("BACKUP-{}", backup.id));
    for path in [meta, manifest] {
        let text = fs::read(&path).expect("a file");
        fs::write(&path, &text[..text.len() / 2]).expect("a file");
        let (kind, message) = refused(restore(&world, &backups, backup.id, "new"));
        assert_eq!(kind, "corrupt", "{message}");
        assert_eq!(refused(backups.verify(backup.id)).0, "corrupt");
        assert!(!to.exists());
        fs::write(&path, &text).expect("a file");
    }
    backups.verify(backup.id).expect("right again");
    restore(&world, &backups, backup.id, "new").expect("right again");
}

fn contents_of(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path("")).expect("read a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn a_purge_keeps_the_newest_and_all_that_they_need() {
    let world = World::new();
    let engine = world.open("db");
    let directory = world.path("backups");
    let backups = Backups::open(&directory);
    let mut made = Vec::new();
    for round in 0..5 {
        fill(&engine, 20, round);
        if round == 2 {
            // As a crash leaves it before its manifest is written.
            let lost = backups.create(&engine).expect("a backup");
            fs::remove_file(directory.join(format!("BACKUP-{}", lost.id))).expect("no file");
            engine.set(b"between", b"").expect("a commit");
        }
        made.push(backups.create(&engine).expect("a backup"));
    }
    assert_eq!(backups.list().expect("a list"), made);
    assert_eq!(refused(backups.purge(0)).0, "invalid");
    assert_eq!(backups.purge(9).expect("a purge"), []);
    assert_eq!(backups.purge(5).expect("a purge"), []);
    assert_eq!(backups.purge(2).expect("a purge"), made[..3]);
    assert_eq!(backups.list().expect("a list"), made[3..]);
    let private = fs::read_dir(directory.join("files/private")).expect("read a directory");
    assert_eq!(private.count(), 2);
    assert_eq!(refused(backups.verify(made[0].id)).0, "not_found");
    for backup in &made[3..] {
        backups.verify(backup.id).expect("right");
        let name = format!("restored {}", backup.id);
        let restored = restore(&world, &backups, backup.id, &name).expect("a backup");
        assert_eq!(restored.visible(), backup.timestamp);
    }
    let next = backups.create(&engine).expect("a backup");
    assert!(next.id > made[4].id);
}

#[test]
fn what_cannot_be_backed_up_or_restored_is_refused_and_untouched() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 3, 1);
    let backups = Backups::open(world.path("backups"));
    assert_eq!(refused(backups.list()).0, "not_found");
    assert_eq!(refused(backups.verify(1)).0, "not_found");
    assert!(!world.path("backups").exists());
    let backup = backups.create(&engine).expect("a backup");
    let before = states(&engine);

    for to in ["db", "backups", "backups/new", "backups/files/new"] {
        let (kind, message) = refused(restore(&world, &backups, backup.id, to));
        assert_eq!(kind, "invalid", "{message}");
    }
    assert_eq!(refused(restore(&world, &backups, 7, "new")).0, "not_found");
    assert!(!world.path("new").exists());
    engine.set(b"still", b"alive").expect("a commit");
    assert_eq!(states(&engine)[..before.len()], before[..]);

    let (kind, message) = refused(backups.create(&Engine::in_memory()));
    assert!(
        kind == "invalid" && message.contains("RocksDBStorage"),
        "{message}"
    );
    engine
        .create_checkpoint(world.path("checkpoint"))
        .expect("a checkpoint");
    let copy = world.open_read_only("checkpoint");
    assert_eq!(refused(backups.create(&copy)).0, "read_only");
    let files = contents(&world.path("checkpoint"));
    fs::write(world.path("file"), "mine").expect("a file");
    for other in ["checkpoint", "db", "file"] {
        let others = Backups::open(world.path(other));
        assert_eq!(refused(others.create(&engine)).0, "invalid", "{other}");
        assert_eq!(refused(others.list()).0, "invalid", "{other}");
        assert_eq!(refused(others.purge(1)).0, "invalid", "{other}");
    }
    assert_eq!(contents(&world.path("checkpoint")), files);
    assert_eq!(backups.list().expect("a list"), [backup]);
}

/// What a crash has left in the database's directory is in nobody's way.
#[test]
fn a_backup_that_was_cut_short_is_none_and_the_next_one_is_made() {
    let world = World::new();
    let engine = world.open("db");
    fill(&engine, 3, 1);
    for left in ["backup.sapwood-partial", "backup.sapwood-partial.tmp"] {
        fs::create_dir(world.path("db").join(left)).expect("a directory");
        fs::write(world.path("db").join(left).join("CURRENT"), "half").expect("a file");
    }
    drop(engine);
    let engine = world.open("db");
    let backups = Backups::open(world.path("backups"));
    let backup = backups.create(&engine).expect("a backup");
    backups.verify(backup.id).expect("right");
    for left in ["backup.sapwood-partial", "backup.sapwood-partial.tmp"] {
        assert!(!world.path("db").join(left).exists());
    }
}

#[test]
fn while_another_process_is_at_work_nothing_is_made_or_purged() {
    let world = World::new();
    let engine = world.open("db");
    let backups = Backups::open(world.path("backups"));
    fill(&engine, 3, 1);
    backups.create(&engine).expect("a backup");
    backups.create(&engine).expect("a backup");
    // Files that are opened twice are locked twice, whoever does it.
    let lock = fs::File::open(world.path("backups").join("LOCK")).expect("the lock");
    lock.lock().expect("locked");
    assert_eq!(refused(backups.create(&engine)).0, "locked");
    assert_eq!(refused(backups.purge(1)).0, "locked");
    assert_eq!(backups.list().expect("backups").len(), 2);
    lock.unlock().expect("unlocked");
    assert_eq!(backups.create(&engine).expect("a backup").id, 3);
    assert_eq!(backups.purge(1).expect("purged").len(), 2);
}
