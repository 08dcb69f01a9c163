//! Exports: what they bring to another store, and what is refused with nothing done.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    ApplyOptions, Batch, CommitOptions, CommitRecord, Engine, Export, PinOptions, Position,
    ReadView, Storage,
};

use crate::support::{Place, all_at, at, error, kind, put, rows, versions};

suite!(
    export_brings_the_state_of_every_timestamp,
    export_is_applied_up_to_any_timestamp_and_goes_on,
    export_goes_on_where_another_ended_and_nowhere_else,
    export_of_another_history_is_refused,
    export_of_a_store_that_was_rolled_back,
    export_to_a_store_that_was_rolled_back,
    export_that_is_damaged_is_refused_and_changes_nothing,
    export_refuses_what_cannot_be,
    export_beside_commits_and_prunes_is_whole,
);

/// Where the files of a test lie.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn up_to(timestamp: u64) -> ApplyOptions {
    ApplyOptions::default().up_to(at(timestamp))
}

/// Sets a key to one value after the other.
fn set_each(engine: &Engine, values: impl IntoIterator<Item = impl ToString>) {
    for value in values {
        put(engine, "a", &value.to_string());
    }
}

/// Random commits up to a timestamp: sets, deletes, deletes of ranges, none at all, gaps, times of day.
fn play(engine: &Engine, random: &mut ChaCha8Rng, last: u64) {
    while engine.visible() < at(last) {
        let next = (engine.visible().get() + random.random_range(1..3)).min(last);
        let time = UNIX_EPOCH + Duration::from_millis(random.random_range(0..1 << 40));
        let options = CommitOptions::default().at(at(next)).time(time);
        if random.random_ratio(1, 10) {
            let from = random.random_range(0..20_u8);
            let range = vec![from]..vec![from + 3];
            engine.delete_range_with(range, options).expect("delete");
            continue;
        }
        let mut batch = Batch::new();
        for _ in 0..random.random_range(0..6) {
            let key = [random.random_range(0..20_u8)];
            if random.random_ratio(1, 3) {
                batch.delete(key);
            } else {
                batch.set(key, format!("{next}").repeat(random.random_range(0..9)));
            }
        }
        engine.commit(batch, options).expect("commit");
    }
}

/// The commits above a timestamp, as a feed gives them.
fn commits(engine: &Engine, from: u64) -> Vec<CommitRecord> {
    let from = Position::new(at(from), engine.epoch());
    let mut changes = engine.changes(from).expect("changes").with_old_values();
    std::iter::from_fn(|| changes.poll().expect("poll"))
        .map(|mut commit| {
            commit.epoch = 0;
            commit
        })
        .collect()
}

/// Both hold the same, at every timestamp from the first on.
fn assert_same(left: &impl Storage, right: &impl Storage, first: u64) {
    assert_eq!(left.visible(), right.visible());
    let (one, other) = (Engine::new(left), Engine::new(right));
    assert_eq!(commits(&one, first), commits(&other, first));
    for timestamp in first..=left.visible().get() {
        let state = rows(all_at(left, at(timestamp)));
        assert_eq!(state, rows(all_at(right, at(timestamp))), "at {timestamp}");
    }
    if first == 0 {
        for key in 0..24_u8 {
            assert_eq!(versions(left, [key]), versions(right, [key]), "key {key}");
        }
    }
}

pub(crate) fn export_brings_the_state_of_every_timestamp(place: &impl Place) {
    let files = Files::new();
    for seed in 0..4 {
        println!("seed {seed}");
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let (source_place, target_place) = (place.another(), place.another());
        let source = source_place.open();
        let engine = Engine::new(&source);
        let mut target = target_place.open();
        let mut after = 0;
        for part in 0..4 {
            let until = after + random.random_range(5..30);
            play(&engine, random, until);
            let path = files.path(&format!("{seed}-{part}"));
            let export = engine.export(at(after), at(until), &path).expect("export");
            assert_eq!(Export::read(&path).expect("read"), export);
            let written = commits(&engine, after);
            assert_eq!(export.commits, written.len() as u64);
            let changes = written.iter().map(|commit| commit.changes.len() as u64);
            assert_eq!(export.changes, changes.sum::<u64>());
            let applied = Engine::new(&target).apply_export(&path).expect("apply");
            assert_eq!((applied.commits, applied.skipped), (export.commits, 0));
            assert_eq!(applied.visible, at(until));
            after = until;
            if random.random_bool(0.5) {
                engine.compact().expect("compact");
            } else {
                target = target_place.reopen(target);
            }
            assert_same(&source, &target, 0);
        }
        assert!(Engine::new(&target).verify().expect("verify").is_clean());
        // Pruned, it gives what is above the floor, to where that was.
        engine.prune_before(at(after - 3)).expect("prune");
        play(&engine, random, after + 10);
        let path = files.path(&format!("{seed}-pruned"));
        engine
            .export(at(after), at(after + 10), &path)
            .expect("export");
        Engine::new(&target).apply_export(&path).expect("apply");
        assert_same(&source, &target, after - 3);
        assert_eq!(
            kind(engine.export(at(after - 4), at(after), files.path("no"))),
            "pruned"
        );
    }
}

pub(crate) fn export_is_applied_up_to_any_timestamp_and_goes_on(place: &impl Place) {
    let files = Files::new();
    let (path, source) = (files.path("all"), place.open());
    let engine = Engine::new(&source);
    play(&engine, &mut ChaCha8Rng::seed_from_u64(7), 20);
    let export = engine.export(at(0), at(20), &path).expect("export");
    let all = commits(&engine, 0);
    for until in 0..=20 {
        let target_place = place.another();
        let target = target_place.open();
        let applied = Engine::new(&target)
            .apply_export_with(&path, up_to(until))
            .expect("apply");
        let expected: Vec<_> = all
            .iter()
            .filter(|it| it.timestamp <= at(until))
            .cloned()
            .collect();
        assert_eq!(applied.commits, expected.len() as u64);
        assert_eq!(commits(&Engine::new(&target), 0), expected);
        let target = target_place.reopen(target);
        let other = Engine::new(&target);
        let last = other.visible().get();
        if last > 0 {
            assert_eq!(
                kind(other.apply_export_with(&path, up_to(last - 1))),
                "invalid"
            );
        }
        assert_eq!(kind(other.apply_export_with(&path, up_to(21))), "invalid");
        if last < 20 {
            let rest = other.apply_export(&path).expect("apply");
            assert_eq!(
                (rest.skipped, rest.commits + rest.skipped),
                (applied.commits, export.commits)
            );
        }
        assert_same(&source, &target, 0);
    }
}

pub(crate) fn export_goes_on_where_another_ended_and_nowhere_else(place: &impl Place) {
    let files = Files::new();
    let engine = place.engine();
    // A gap before 5, and one behind 8.
    for timestamp in [1, 2, 3, 5, 6, 7, 8, 11] {
        let mut batch = Batch::new();
        batch.set("a", timestamp.to_string());
        engine.commit_at(at(timestamp), batch).expect("commit");
    }
    let export = |after, until| {
        let path = files.path(&format!("{after}-{until}"));
        engine.export(at(after), at(until), &path).expect("export");
        path
    };
    let (first, second, third) = (export(0, 4), export(4, 9), export(9, 11));
    let overlapping = export(2, 6);
    let target_place = place.another();
    let target = target_place.open();
    let other = Engine::new(&target);
    let refused = |path: &Path, why: &str| {
        let before = commits(&other, 0);
        let error = error(other.apply_export(path));
        assert_eq!(error.kind().name(), "invalid");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(commits(&other, 0), before);
    };
    refused(&second, "apply what lies between first");
    other.apply_export(&first).expect("apply");
    // It ends at 4, behind the last commit.
    assert_eq!(other.visible(), at(3));
    refused(&third, "apply what lies between first");
    let applied = other.apply_export(&overlapping).expect("apply");
    assert_eq!((applied.skipped, applied.commits), (1, 2));
    refused(&overlapping, "applied already");
    refused(&first, "applied already");
    assert_eq!(other.apply_export(&second).expect("apply").skipped, 2);
    refused(&first, "applied already");
    other.apply_export(&third).expect("apply");
    refused(&second, "applied already");
    assert_eq!(commits(&engine, 0), commits(&other, 0));
    // What changes nothing may be applied as often as one likes.
    let nothing = export(11, 11);
    for _ in 0..2 {
        assert_eq!(other.apply_export(&nothing).expect("apply").commits, 0);
    }
}

pub(crate) fn export_of_another_history_is_refused(place: &impl Place) {
    let files = Files::new();
    let (one, other_place) = (place.engine(), place.another());
    let other = other_place.engine();
    for engine in [&one, &other] {
        set_each(engine, ["same"; 3]);
    }
    let refused = |engine: &Engine, path: &Path| {
        let before = commits(engine, 0);
        let error = error(engine.apply_export(path));
        assert!(error.to_string().contains("another history"), "{error}");
        assert_eq!(commits(engine, 0), before);
    };
    one.export(at(0), at(3), files.path("start"))
        .expect("export");
    refused(&other, &files.path("start"));
    put(&one, "a", "4");
    one.export(at(3), at(4), files.path("next"))
        .expect("export");
    refused(&other, &files.path("next"));
    // Commits of its own, however equal, are not those of the source.
    let copy_place = place.another();
    let copy = copy_place.engine();
    copy.apply_export(files.path("start")).expect("apply");
    put(&copy, "a", "4");
    refused(&copy, &files.path("next"));
    put(&copy, "a", "5");
    refused(&copy, &files.path("next"));
    // What it exports is its own, and goes to what its own exports have made.
    copy.export(at(0), at(5), files.path("of the copy"))
        .expect("export");
    let third_place = place.another();
    let third = third_place.engine();
    third.apply_export(files.path("start")).expect("apply");
    third
        .apply_export(files.path("of the copy"))
        .expect("apply");
    assert_eq!(commits(&third, 0), commits(&copy, 0));
    refused(&one, &files.path("of the copy"));
}

pub(crate) fn export_of_a_store_that_was_rolled_back(place: &impl Place) {
    let files = Files::new();
    let engine = place.engine();
    set_each(&engine, 1..=8);
    engine
        .export(at(0), at(4), files.path("to 4"))
        .expect("export");
    engine
        .export(at(4), at(8), files.path("to 8"))
        .expect("export");
    let places = [place.another(), place.another()];
    let [below, above] = [places[0].engine(), places[1].engine()];
    below.apply_export(files.path("to 4")).expect("apply");
    above.apply_export(files.path("to 4")).expect("apply");
    above
        .apply_export_with(files.path("to 8"), up_to(7))
        .expect("apply");
    engine.rollback_to(at(6)).expect("rollback");
    set_each(&engine, ["new"; 3]);
    engine
        .export(at(4), at(9), files.path("new"))
        .expect("export");
    // One that has seen what was abandoned is not taken along, nor is the abandoned taken for the new.
    assert!(
        error(above.apply_export(files.path("new")))
            .to_string()
            .contains("another history")
    );
    below
        .apply_export_with(files.path("new"), up_to(7))
        .expect("apply");
    assert!(
        error(below.apply_export(files.path("to 8")))
            .to_string()
            .contains("another history")
    );
    below.apply_export(files.path("new")).expect("apply");
    assert_eq!(commits(&below, 0), commits(&engine, 0));
    // Rolled back likewise, the other goes on.
    above.rollback_to(at(6)).expect("rollback");
    above.apply_export(files.path("new")).expect("apply");
    assert_eq!(commits(&above, 0), commits(&engine, 0));
}

pub(crate) fn export_to_a_store_that_was_rolled_back(place: &impl Place) {
    let files = Files::new();
    let engine = place.engine();
    set_each(&engine, 1..=8);
    let path = files.path("all");
    engine.export(at(0), at(8), &path).expect("export");
    let target_place = place.another();
    let target = target_place.open();
    let other = Engine::new(&target);
    other.apply_export(&path).expect("apply");
    other.rollback_to(at(5)).expect("rollback");
    other.apply_export_with(&path, up_to(7)).expect("apply");
    other.rollback_to(at(5)).expect("rollback");
    put(&other, "a", "its own");
    assert!(
        error(other.apply_export(&path))
            .to_string()
            .contains("another history")
    );
    other.rollback_to(at(0)).expect("rollback");
    other.apply_export(&path).expect("apply");
    assert_eq!(commits(&engine, 0), commits(&other, 0));
    assert!(other.verify().expect("verify").is_clean());
}

pub(crate) fn export_that_is_damaged_is_refused_and_changes_nothing(place: &impl Place) {
    let files = Files::new();
    let engine = place.engine();
    put(&engine, "a", "1");
    put(&engine, "b", "2");
    engine
        .export(at(0), at(2), files.path("good"))
        .expect("export");
    let good = fs::read(files.path("good")).expect("read");
    let other_place = place.another();
    let other = other_place.engine();
    let path = files.path("bad");
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).expect("write");
        let kinds = [kind(other.apply_export(&path)), kind(Export::read(&path))];
        assert!(
            kinds
                .iter()
                .all(|kind| ["corrupt", "unsupported"].contains(kind)),
            "{what}: {kinds:?}"
        );
        assert_eq!(other.visible(), at(0), "{what}");
    };
    for length in 0..good.len() {
        refused(&good[..length], &format!("cut at {length}"));
    }
    for place in 0..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1 << (place % 8);
        refused(&changed, &format!("byte {place} changed"));
    }
    refused(&[&good[..], b"\0"].concat(), "longer");
    refused(&[&good[..], &good[..]].concat(), "twice");
    // Frames are | length: 4 | kind: 1 | payload | check: 16 |.
    let mut frames = vec![&good[..18]];
    let mut rest = &good[18..];
    while !rest.is_empty() {
        let length = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize + 21;
        frames.push(&rest[..length]);
        rest = &rest[length..];
    }
    assert_eq!(frames.len(), 5, "a line, a header, two commits and the end");
    for (order, what) in [
        (vec![0, 1, 2, 4], "a commit is missing"),
        (vec![0, 1, 3, 2, 4], "not in order"),
        (vec![0, 1, 2, 2, 3, 4], "a commit twice"),
        (vec![0, 1, 4], "all commits are missing"),
        (vec![0, 2, 3, 4], "no header"),
        (vec![0, 1, 2, 3, 4, 4], "two ends"),
    ] {
        let bytes: Vec<_> = order
            .iter()
            .flat_map(|frame| frames[*frame].to_vec())
            .collect();
        refused(&bytes, what);
    }
    // A commit of another export, each of its frames right by itself.
    let third_place = place.another();
    let third = third_place.engine();
    put(&third, "a", "0");
    put(&third, "b", "2");
    third
        .export(at(0), at(2), files.path("third"))
        .expect("export");
    let foreign = fs::read(files.path("third")).expect("read");
    let (start, length) = (frames[0].len() + frames[1].len(), frames[2].len());
    let mut spliced = good.clone();
    spliced[start..start + length].copy_from_slice(&foreign[start..start + length]);
    refused(&spliced, "a commit of another export");
    let newer = [&b"sapwood changes 2\n"[..], &good[18..]].concat();
    fs::write(&path, newer).expect("write");
    assert_eq!(kind(other.apply_export(&path)), "unsupported");
    assert_eq!(kind(other.apply_export(files.path("none"))), "not_found");
    other.apply_export(files.path("good")).expect("apply");
}

pub(crate) fn export_refuses_what_cannot_be(place: &impl Place) {
    let files = Files::new();
    let engine = place.engine();
    set_each(&engine, 1..=6);
    let refused = |after, until, name: &str| {
        let path = files.path(name);
        let kind = kind(engine.export(at(after), at(until), &path));
        assert!(!path.exists());
        kind
    };
    assert_eq!(refused(3, 2, "x"), "invalid");
    assert_eq!(refused(3, 7, "x"), "not_yet");
    assert_eq!(refused(3, 6, "missing/x"), "io");
    engine.pin("p", at(1), PinOptions::default()).expect("pin");
    engine.prune_before(at(3)).expect("prune");
    assert_eq!(refused(0, 6, "x"), "pruned");
    assert_eq!(refused(1, 6, "x"), "pruned");
    engine
        .export(at(3), at(6), files.path("there"))
        .expect("export");
    assert_eq!(
        kind(engine.export(at(3), at(6), files.path("there"))),
        "invalid"
    );
    let names = fs::read_dir(files.0.path()).expect("read a directory");
    assert_eq!(names.count(), 1, "nothing is left over");
    engine.close().expect("close");
    assert_eq!(refused(3, 6, "x"), "closed");
    assert_eq!(kind(engine.apply_export(files.path("there"))), "closed");
}

/// Exports are made again and again while commits and prunes go on; each is whole.
pub(crate) fn export_beside_commits_and_prunes_is_whole(place: &impl Place) {
    const COMMITS: u64 = 150;
    let files = &Files::new();
    let engine = &place.engine();
    put(engine, "a", "1");
    engine
        .create_feed("exports", Position::START, sapwood::FeedOptions::default())
        .expect("a feed");
    let (other_place, mut after) = (place.another(), 0);
    let other = other_place.engine();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 2..=COMMITS {
                let mut batch = Batch::new();
                batch
                    .set("a", number.to_string())
                    .set(format!("{}", number % 9), "x");
                batch.delete(format!("{}", number % 5));
                engine
                    .commit(batch, CommitOptions::default())
                    .expect("commit");
                let floor = at(number.saturating_sub(3));
                engine.prune_before(floor).expect("prune");
            }
        });
        while after < COMMITS {
            let until = engine.visible().get();
            if until == after {
                std::thread::yield_now();
                continue;
            }
            let path = files.path(&format!("{after}"));
            let export = engine.export(at(after), at(until), &path).expect("export");
            assert_eq!(export.commits, until - after);
            other.apply_export(&path).expect("apply");
            engine
                .acknowledge("exports", export.position())
                .expect("acknowledge");
            after = until;
        }
    });
    let state = |engine: &Engine| rows(engine.range(..));
    assert_eq!(state(engine), state(&other));
}
