//! Databases that cannot be opened: exit code 2, a message that says what to do, nothing made.

use std::{fs, path::Path, process::Stdio};

use crate::support::{command, run, run_with};

fn get(db: &Path) -> crate::support::Outcome {
    run(["get", "a", "--db", db.to_str().unwrap()])
}

fn set(db: &Path) -> crate::support::Outcome {
    run(["set", "a", "1", "--db", db.to_str().unwrap()])
}

#[test]
fn a_reading_command_makes_no_database() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    for arguments in [
        &["get", "a"][..],
        &["scan"],
        &["history", "a"],
        &["diff", "0", "0"],
        &["pin", "p", "0"],
        &["unpin", "p"],
        &["pins"],
        &["prune", "0"],
        &["checkpoint", "copy"],
        &["flush"],
        &["compact"],
        &["stats"],
    ] {
        run([arguments, &["--db", db.to_str().unwrap()]].concat())
            .failed(2, "there is no database");
        assert!(!db.exists(), "{arguments:?}");
    }
    // Without --db, the default is looked for where the command runs.
    let output = command()
        .arg("pins")
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("./sapwood.db"));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    // An empty directory is none either, and stays empty.
    fs::create_dir(&db).unwrap();
    get(&db).failed(2, "there is no database");
    assert_eq!(fs::read_dir(&db).unwrap().count(), 0);
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "text").unwrap();
    get(&file).failed(2, "is a file");
    set(&file).failed(2, "is a file");
    set(&file.join("below")).failed(2, "cannot be made");
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

#[test]
fn a_directory_of_other_things_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("letter"), "text").unwrap();
    set(scratch.path()).failed(2, "holds other things");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
}

#[test]
fn a_database_that_lost_its_beginning_is_told_from_none() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    get(&db).failed(2, "name one with --db");
    set(&db).ok();
    fs::remove_file(db.join("CURRENT")).unwrap();
    get(&db).failed(2, "it has no file CURRENT");
}

#[test]
fn a_database_that_is_open_elsewhere_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    set(&db).ok();
    let mut holder = command()
        .args(["shell", "--json", "--db"])
        .arg(&db)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    {
        use std::io::{BufRead, BufReader, Write};
        writeln!(holder.stdin.as_mut().unwrap(), "status").unwrap();
        let mut answer = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap())
            .read_line(&mut answer)
            .unwrap();
        assert!(answer.starts_with("{\"ok\":true"), "{answer}");
    }
    get(&db).failed(2, "(locked)");
    let shell = run_with(
        ["shell", "--json", "--db", db.to_str().unwrap()],
        b"status\n",
    );
    assert_eq!(
        (shell.code, &shell.json()["error"]["kind"]),
        (2, &"locked".into())
    );
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    get(&db).ok();
}

#[test]
fn a_damaged_database_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    set(&db).ok();
    fs::write(db.join("CURRENT"), "MANIFEST-999999\n").unwrap();
    assert_eq!(get(&db).code, 2);
}

#[test]
fn memory_and_db_exclude_each_other() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    run(["shell", "--memory", "--db", db.to_str().unwrap()]).failed(2, "exclude");
    assert!(!db.exists());
}

#[test]
fn strict_ends_at_the_first_failed_line() {
    let input = b"set a 1\nget a ts=9\nset a 2\n";
    let strict = run_with(["shell", "--json", "--strict"], input);
    assert_eq!((strict.code, strict.stdout.lines().count()), (1, 2));
    let lenient = run_with(["shell", "--json"], input).ok();
    assert_eq!(lenient.stdout.lines().count(), 3);
}

#[test]
fn lines_of_any_bytes_are_answered() {
    let input =
        b"set \xff\xfe v\nget \\xff\\xfe\n\xff\nscan\nset \"open\n\nget \0\r\nset last line";
    let outcome = run_with(["shell", "--json"], input).ok();
    let answers: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(answers.len(), 7, "{answers:?}");
    assert_eq!(answers[1], r#"{"ok":true,"value":"v"}"#);
    assert!(answers[2].contains("invalid") && answers[4].contains("invalid"));
    assert_eq!(answers[3], r#"{"ok":true,"rows":[["\\xff\\xfe","v"]]}"#);
    assert_eq!(answers[6], r#"{"ok":true,"timestamp":2}"#);
}
