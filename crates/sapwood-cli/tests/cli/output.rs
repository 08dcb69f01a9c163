//! Readers that go away, and output that cannot be written.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use crate::support::{command, run_with};

#[test]
fn a_closed_pipe_ends_quietly() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    let script: String = (0..20_000)
        .map(|key| format!("set key{key} value\n"))
        .collect();
    run_with(["shell", "--db", db.to_str().unwrap()], script.as_bytes()).ok();
    for json in [None, Some("--json")] {
        let mut scan = command()
            .args(["scan", "--db"])
            .arg(&db)
            .args(json)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut head = [0; 16];
        let mut stdout = scan.stdout.take().unwrap();
        stdout.read_exact(&mut head).unwrap();
        drop(stdout);
        let output = scan.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stderr, b"");
    }
}

#[test]
fn a_shell_whose_reader_goes_keeps_what_it_committed() {
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    let script = scratch.path().join("script");
    let lines: String = (1..=5000)
        .map(|value| format!("set key {value}\n"))
        .collect();
    std::fs::write(&script, lines).unwrap();
    let mut shell = command()
        .args(["shell", "--json", "--db"])
        .arg(&db)
        .stdin(File::open(&script).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(shell.stdout.take().unwrap()).lines();
    let answered = answers.by_ref().take(10).count();
    drop(answers);
    let output = shell.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let status = &crate::support::shell(&db, "status")[0];
    assert!(status["visible"].as_u64().unwrap() >= answered as u64);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    for arguments in [
        &["shell", "--json"][..],
        &["shell"],
        &["completions", "bash"],
    ] {
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), "status\n").unwrap();
        let output = command()
            .args(arguments)
            .stdin(File::open(script.path()).unwrap())
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {output:?}");
    }
}
