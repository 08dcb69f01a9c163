//! The explorer as a command: where it answers, what it opens, how it ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Stdio},
};

use serde_json::Value;

use crate::support::{command, run, shell};

/// A running explorer.
struct Running {
    child: Child,
    address: String,
    _output: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn explore(db: &Path, more: &[&str]) -> Running {
    let mut child = command()
        .args(["explore", "--json", "--listen", "127.0.0.1:0", "--db"])
        .arg(db)
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
    let url = answer["url"].as_str().unwrap().to_owned();
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    Running {
        child,
        address: address.to_owned(),
        _output: output,
    }
}

impl Running {
    fn ask(&self, line: &str, headers: &str, body: &str) -> (String, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().to_owned();
        (status, serde_json::from_str(body).unwrap())
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(&format!("GET {path}"), "", "");
        assert_eq!(status, "200", "{body}");
        body
    }

    fn set(&self) -> (String, Value) {
        let body = r#"{"key":"6b","value":"76"}"#;
        self.ask("POST /api/set", "X-Sapwood: 1\r\n", body)
    }
}

/// What it ends with when it is told to.
#[cfg(unix)]
fn ended(mut running: Running) -> Option<i32> {
    let id = running.child.id().to_string();
    let told = std::process::Command::new("kill").arg(&id).status();
    assert!(told.unwrap().success());
    running.child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn it_ends_well_when_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let (db, copy) = (directory.path().join("a.db"), directory.path().join("copy"));
    shell(
        &db,
        &format!("set alice 1\ncheckpoint {}\n", copy.display()),
    );
    for (path, more) in [(&db, &["--allow-writes"][..]), (&db, &[]), (&copy, &[])] {
        let running = explore(path, more);
        let beside = explore(path, &[]);
        assert_eq!(ended(beside), Some(0));
        assert_eq!(ended(running), Some(0));
    }
}

#[test]
fn it_shows_a_database_and_only_reads() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("a.db");
    shell(&db, "set alice 1\nset alice 2\n");
    let running = explore(&db, &[]);
    let status = running.get("/api/status");
    assert_eq!(
        (&status["name"], &status["visible"]),
        (&"a.db".into(), &"2".into())
    );
    let (code, refused) = running.set();
    assert_eq!(
        (code.as_str(), &refused["error"]["kind"]),
        ("403", &"read_only".into())
    );
}

#[test]
fn it_writes_where_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("a.db");
    shell(&db, "set alice 1\n");
    let running = explore(&db, &["--allow-writes"]);
    let (code, answer) = running.set();
    assert_eq!(
        (code.as_str(), &answer["timestamp"]),
        ("200", &"2".into()),
        "{answer}"
    );
    drop(running);
    let got = run(["get", "k", "--json", "--db", db.to_str().unwrap()]).ok();
    assert_eq!(got.json()["value"], "v");
}

#[test]
fn what_another_process_has_open_is_shown_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("a.db");
    shell(&db, "set alice 1\nset alice 2\n");
    let owner = explore(&db, &["--allow-writes"]);
    let beside = explore(&db, &[]);
    assert_eq!(owner.set().0, "200");
    assert_eq!(owner.get("/api/status")["visible"], "3");
    let status = beside.get("/api/status");
    assert_eq!(
        (&status["name"], &status["visible"]),
        (&"a.db as of 2".into(), &"2".into())
    );
    assert_eq!(beside.get("/api/keys")["rows"].as_array().unwrap().len(), 1);
    let refused = run(["explore", "--allow-writes", "--db", db.to_str().unwrap()]);
    refused.failed(2, "open elsewhere");
}

#[test]
fn a_checkpoint_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let (db, copy) = (directory.path().join("a.db"), directory.path().join("copy"));
    shell(
        &db,
        &format!("set alice 1\ncheckpoint {}\n", copy.display()),
    );
    let running = explore(&copy, &["--allow-writes"]);
    assert_eq!(
        running.get("/api/keys")["rows"].as_array().unwrap().len(),
        1
    );
    let (code, refused) = running.set();
    assert_eq!(
        (code.as_str(), &refused["error"]["kind"]),
        ("403", &"read_only".into())
    );
    drop(running);
    assert!(sapwood::Checkpoint::read(&copy).is_ok());
}

#[test]
fn what_cannot_be_opened_or_listened_at_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = directory.path().join("nothing");
    run(["explore", "--db", nothing.to_str().unwrap()]).failed(2, "there is no database");
    assert!(!nothing.exists());
    let db = directory.path().join("a.db");
    shell(&db, "set alice 1\n");
    let running = explore(&db, &[]);
    let taken = running.address.clone();
    drop(running);
    let listener = std::net::TcpListener::bind(&taken).unwrap();
    let told = run(["explore", "--listen", &taken, "--db", db.to_str().unwrap()]);
    told.failed(2, "choose another address");
    drop(listener);
    run([
        "explore",
        "--listen",
        "nowhere",
        "--db",
        db.to_str().unwrap(),
    ])
    .failed(2, "nowhere");
}
