//! Running the command, reading its answers, finding the data.

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// How a run of the command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The one JSON object on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts success.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Asserts a failure with this exit code, and that the message holds these words.
    pub(crate) fn failed(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(words), "no {words:?} in {self:?}");
        self
    }
}

/// The command.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sapwood"))
}

/// Runs the command with these arguments and this standard input.
pub(crate) fn run_with<I: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = I>,
    input: &[u8],
) -> Outcome {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that does not read its input closes it.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the command with these arguments.
pub(crate) fn run<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Outcome {
    run_with(arguments, b"")
}

/// The answers of a shell to these lines, on a database.
pub(crate) fn shell(db: &Path, lines: &str) -> Vec<Value> {
    let db = db.to_str().unwrap();
    let outcome = run_with(["shell", "--json", "--db", db], lines.as_bytes()).ok();
    let answers = outcome.stdout.lines();
    answers
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The bytes that an answer's text stands for.
pub(crate) fn bytes(text: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_str().unwrap().as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'\\', [b'x', tail @ ..]) => {
                let digits = std::str::from_utf8(&tail[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                &tail[2..]
            }
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                tail
            }
            _ => {
                bytes.push(byte);
                tail
            }
        };
    }
    bytes
}

/// The rows of an answer to `scan`.
pub(crate) fn rows(answer: &Value) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = answer["rows"]
        .as_array()
        .unwrap_or_else(|| panic!("no rows: {answer}"));
    rows.iter()
        .map(|row| (bytes(&row[0]), bytes(&row[1])))
        .collect()
}

/// A file or directory of the data for tests; `None`, with a note, where the data is not there and
/// need not be.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = std::env::var_os("SAPWOOD_DATA")
        .map_or_else(|| workspace.join("../shared/data"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("SAPWOOD_REQUIRE_DATA").is_none_or(|required| required != "1"),
        "{} is not there, and SAPWOOD_REQUIRE_DATA=1",
        path.display()
    );
    let _ = writeln!(
        std::io::stderr(),
        "skipped 1 test: {} is not there",
        path.display()
    );
    None
}
