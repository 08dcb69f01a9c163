//! The demo, on a repository that it makes and on one that is there.

use std::process::Command;

use crate::{
    repository::Repository,
    support::{command, run},
};

fn demo(command: &mut Command) -> serde_json::Value {
    let output = command.args(["demo", "--json"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_demo_makes_a_repository_and_passes() {
    let scratch = tempfile::tempdir().unwrap();
    let report = demo(
        command()
            .current_dir(scratch.path())
            .env("GIT_CEILING_DIRECTORIES", "/"),
    );
    assert_eq!(
        (&report["commits"], &report["states_checked"]),
        (&1000.into(), &61.into())
    );
    let size = |when| report["size_bytes"][when].as_u64().unwrap();
    assert!(size("after") < size("before"), "{report}");
    let again = demo(
        command()
            .current_dir(scratch.path())
            .env("GIT_CEILING_DIRECTORIES", "/"),
    );
    assert_eq!(
        report["versions"], again["versions"],
        "the repository is not always the same"
    );
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn the_demo_takes_a_repository_and_a_database() {
    let repository = Repository::new();
    for commit in 0..210 {
        repository.write(format!("file{}", commit % 7), &commit.to_string());
        repository.commit();
    }
    let db = repository.path().join(".git/db");
    let arguments = [
        "demo",
        "--repo",
        repository.path().to_str().unwrap(),
        "--seed",
        "7",
    ];
    let with_db = [&arguments[..], &["--db", db.to_str().unwrap()]].concat();
    let told = run(&with_db).ok().stdout;
    assert!(told.contains("the 210 first-parent commits"), "{told}");
    assert!(told.contains("PASS: 61 states"), "{told}");
    run(&with_db).failed(1, "needs a new database");
    run(["demo", "--repo", "/nowhere/at/all"]).failed(1, "does not exist");
}
