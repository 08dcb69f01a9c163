//! `import git`, against `git ls-tree` of every commit.

use std::path::Path;

use crate::{
    repository::{Repository, difficult},
    support::{Outcome, command, rows, run, shell},
};

fn import(repository: &Path, db: &Path) -> Outcome {
    run([
        "import".as_ref(),
        "git".as_ref(),
        repository.as_os_str(),
        "--json".as_ref(),
        "--db".as_ref(),
        db.as_os_str(),
    ])
}

/// Compares every state with git's.
fn check(repository: &Repository, db: &Path) {
    let commits = repository.commits();
    let script: String = (1..=commits.len())
        .map(|at| format!("scan ts={at}\n"))
        .collect();
    let answers = shell(db, &script);
    assert_eq!(answers.len(), commits.len());
    for (commit, answer) in commits.iter().zip(&answers) {
        assert_eq!(rows(answer), repository.tree(commit), "commit {commit}");
    }
}

#[test]
fn every_state_is_gits() {
    let repository = difficult();
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    let imported = import(repository.path(), &db).ok().json();
    assert_eq!(imported["commits"], repository.commits().len());
    check(&repository, &db);
    let merges = repository.git(["rev-list", "--merges", "--count", "HEAD"]);
    assert_eq!(merges, b"1\n", "the repository has lost its merge");
}

#[test]
fn the_users_settings_change_nothing() {
    let repository = difficult();
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    repository.write("below/here", "x");
    repository.commit();
    let settings = [
        ("diff.renames", "copies"),
        ("diff.relative", "true"),
        ("diff.ignoreSubmodules", "all"),
        ("diff.noprefix", "true"),
        ("color.ui", "always"),
        ("log.showSignature", "true"),
        ("log.showRoot", "false"),
        ("log.diffMerges", "off"),
        ("log.abbrevCommit", "true"),
        ("core.abbrev", "4"),
        ("core.quotePath", "true"),
        ("format.pretty", "email"),
    ];
    let mut import = command();
    import
        .args(["import", "git"])
        .arg(repository.path().join("below"))
        .arg("--db")
        .arg(&db);
    import.env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (index, (name, value)) in settings.into_iter().enumerate() {
        import.env(format!("GIT_CONFIG_KEY_{index}"), name);
        import.env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    import.env("GIT_DIR", scratch.path().join("elsewhere"));
    let output = import.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    check(&repository, &db);
}

#[test]
fn an_import_goes_on_where_the_history_went_on() {
    let repository = difficult();
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    let first = import(repository.path(), &db).ok().json()["commits"].clone();
    repository.write("more", "1");
    repository.commit();
    let second = import(repository.path(), &db).ok().json();
    assert_eq!(
        (&second["commits"], &second["skipped"]),
        (&1.into(), &first)
    );
    let third = import(repository.path(), &db).ok().json();
    assert_eq!(third["commits"], 0);
    check(&repository, &db);
}

#[test]
fn a_damaged_repository_leaves_whole_commits_and_can_be_mended() {
    let repository = difficult();
    let commits = repository.commits();
    let scratch = tempfile::tempdir().unwrap();
    for damaged in [1, commits.len() / 2, commits.len() - 1] {
        let tree = repository.git(["rev-parse", &format!("{}^{{tree}}", commits[damaged])]);
        let tree = String::from_utf8(tree).unwrap();
        let (folder, file) = tree.trim().split_at(2);
        let object = repository
            .path()
            .join(".git/objects")
            .join(folder)
            .join(file);
        let away = scratch.path().join("away");
        std::fs::rename(&object, &away).unwrap();
        let db = scratch.path().join(format!("db{damaged}"));
        let failed = import(repository.path(), &db);
        assert_eq!(failed.code, 1, "{failed:?}");
        std::fs::rename(&away, &object).unwrap();
        let visible = shell(&db, "status")[0]["visible"].as_u64().unwrap();
        assert!(visible <= damaged as u64);
        for (commit, at) in commits.iter().zip(1..=visible) {
            let state = &shell(&db, &format!("scan ts={at}"))[0];
            assert_eq!(rows(state), repository.tree(commit), "commit {at}");
        }
        import(repository.path(), &db).ok();
        check(&repository, &db);
    }
}

#[test]
fn another_history_is_refused_and_changes_nothing() {
    let repository = difficult();
    let other = Repository::new();
    other.write("other", "1");
    other.commit();
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    import(repository.path(), &db).ok();
    let refused = import(other.path(), &db);
    assert_eq!(refused.code, 1);
    assert_eq!(refused.json()["error"]["kind"], "invalid");
    check(&repository, &db);

    // A longer history with another beginning.
    let db = scratch.path().join("other");
    import(other.path(), &db).ok();
    assert_eq!(import(repository.path(), &db).code, 1);
    check(&other, &db);
}

#[test]
fn what_is_no_repository_is_refused_and_makes_no_database() {
    let scratch = tempfile::tempdir().unwrap();
    let empty = scratch.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(scratch.path().join("file"), "").unwrap();
    let db = scratch.path().join("db");
    for path in ["nowhere", "file", "empty"] {
        let refused = import(&scratch.path().join(path), &db);
        assert_eq!(
            (refused.code, refused.json()["ok"] == false),
            (1, true),
            "{refused:?}"
        );
    }
    let repository = Repository::new();
    let refused = import(repository.path(), &db);
    assert_eq!(refused.json()["error"]["kind"], "not_found");
    assert!(!db.exists());
}
