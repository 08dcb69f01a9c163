//! Machines and places that are made up, and what is thought of them.

use super::{
    checks::all,
    machine::{FileSystem, Machine},
    place::{Holder, Kind, Place},
    *,
};

fn machine() -> Machine {
    Machine {
        open_files: Some(65_536),
        open_files_hard: Some(65_536),
        free_bytes: Some(100 << 30),
        file_system: Some(FileSystem::Tried("ext4")),
        writable: Some(Ok(())),
        available_bytes: Some(8 << 30),
        memory_bytes: Some(16 << 30),
        cores: Some(4),
    }
}

fn place() -> Place {
    Place {
        path: "state".into(),
        kind: Kind::Database,
        ground: ".".into(),
        size_bytes: 10 << 30,
        tables: 200,
        holder: None,
        leftovers: Vec::new(),
        old_logs_bytes: 0,
        failure: None,
    }
}

fn config() -> RocksDBConfig {
    RocksDBConfig {
        max_background_jobs: 4,
        ..RocksDBConfig::default()
    }
}

/// What is not fine: the check, and how grave.
fn complaints(
    place: &Place,
    machine: &Machine,
    config: &RocksDBConfig,
) -> Vec<(&'static str, Level)> {
    let findings = all(place, machine, config);
    for finding in &findings {
        let is_fine = finding.level == Level::Fine;
        assert_eq!(
            finding.advice.is_none(),
            is_fine,
            "{finding:?}: what to do?"
        );
    }
    let bad = findings
        .iter()
        .filter(|finding| finding.level != Level::Fine);
    bad.map(|finding| (finding.check, finding.level)).collect()
}

#[test]
fn a_good_machine_has_nothing_to_complain_of() {
    assert_eq!(complaints(&place(), &machine(), &config()), []);
    let findings = all(&place(), &machine(), &config());
    assert_eq!(findings.len(), 9, "{findings:?}");
    // What the system does not tell is not judged.
    assert_eq!(complaints(&place(), &Machine::default(), &config()), []);
}

/// What makes a good machine a bad one.
type Change = fn(&mut Place, &mut Machine, &mut RocksDBConfig);

#[test]
fn each_thing_that_is_wrong_is_told() {
    use Level::{Error, Warning};
    let cases: [(&str, Level, Change); 21] = [
        ("database", Error, |place, _, _| place.kind = Kind::File),
        ("database", Error, |place, _, _| place.kind = Kind::Other),
        ("database", Error, |place, _, _| {
            place.failure = Some("no right".to_owned());
        }),
        ("writable", Error, |_, machine, _| {
            machine.writable = Some(Err("read-only".to_owned()));
        }),
        ("lock", Warning, |place, _, _| {
            place.holder = Some(Holder {
                pid: 7,
                program: None,
            });
        }),
        ("file_system", Warning, |_, machine, _| {
            machine.file_system = Some(FileSystem::Network("NFS"));
        }),
        ("file_system", Warning, |_, machine, _| {
            machine.file_system = Some(FileSystem::Memory("tmpfs"));
        }),
        ("file_system", Warning, |_, machine, _| {
            machine.file_system = Some(FileSystem::Overlay);
        }),
        ("file_system", Warning, |_, machine, _| {
            machine.file_system = Some(FileSystem::Fuse);
        }),
        ("disk", Error, |_, machine, _| {
            machine.free_bytes = Some((64 << 20) - 1);
        }),
        ("disk", Warning, |place, machine, _| {
            machine.free_bytes = Some(place.size_bytes - 1);
        }),
        // At the limit, and one below: 10,000 that are asked for, and 200 tables that are there.
        ("open_files", Warning, |_, machine, _| {
            machine.open_files = Some(10_063);
        }),
        ("open_files", Warning, |_, machine, _| {
            machine.open_files = Some(264);
        }),
        ("open_files", Error, |_, machine, _| {
            machine.open_files = Some(263);
        }),
        ("open_files", Warning, |_, machine, config| {
            config.max_open_files = -1;
            machine.open_files = Some(300);
        }),
        ("memory", Error, |_, machine, config| {
            config.block_cache_size = usize::try_from(machine.memory_bytes.unwrap()).unwrap();
        }),
        ("memory", Warning, |_, machine, _| {
            machine.available_bytes = Some(1 << 30);
        }),
        ("cores", Warning, |_, _, config| {
            config.max_background_jobs = 9;
        }),
        ("cores", Warning, |_, machine, _| machine.cores = Some(1)),
        ("leftovers", Warning, |place, _, _| {
            place.leftovers = vec!["state.sapwood-partial".into()];
        }),
        ("leftovers", Warning, |place, _, _| {
            place.old_logs_bytes = 1 << 30;
        }),
    ];
    for (number, (check, level, change)) in cases.into_iter().enumerate() {
        let (mut place, mut machine, mut config) = (place(), machine(), config());
        change(&mut place, &mut machine, &mut config);
        let found = complaints(&place, &machine, &config);
        assert_eq!(found, [(check, level)], "case {number}");
    }
}

#[test]
fn what_is_just_enough_is_fine() {
    let (mut place, mut machine) = (place(), machine());
    machine.open_files = Some(10_064);
    machine.free_bytes = Some(place.size_bytes);
    assert_eq!(complaints(&place, &machine, &config()), []);
    // A checkpoint may lie where nothing can be written.
    place.kind = Kind::Checkpoint;
    machine.writable = Some(Err("read-only".to_owned()));
    assert_eq!(complaints(&place, &machine, &config()), []);
}
