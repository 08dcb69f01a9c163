//! A repository made with `git fast-import`: always the same commits, with deletions, re-creations,
//! files that become directories, and names that need care.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use fastrand::Rng;

use crate::{
    failure::{Failure, Result},
    import::git::process::Git,
};

const COMMITS: u64 = 1000;
const SEED: u64 = 0x5A_900D;
/// The time of the first commit, and the seconds between two.
const BEGIN: u64 = 1_600_000_000;
const STEP: u64 = 3600;

const DIRECTORIES: [&str; 8] = [
    "",
    "src/",
    "src/net/wire/",
    "docs/guide/",
    "with space/",
    "caf\u{e9}/\u{6728}/",
    "quo\"te/",
    "back\\slash/new\nline/",
];
const NAMES: [&str; 6] = [
    "notes",
    "main.rs",
    "a b.txt",
    "\u{fc}ber.md",
    "it's",
    "tab\there",
];

/// Makes a bare repository in a new directory.
pub(super) fn repository(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)
        .map_err(|error| Failure::io(format!("{} cannot be made", directory.display()), &error))?;
    let git = Git::at(directory);
    git.text(&["init", "--quiet", "--bare", "--template="])?;
    git.text(&["symbolic-ref", "HEAD", "refs/heads/main"])?;
    feed(git.command(&["fast-import", "--quiet"]), &stream())
}

fn feed(mut command: Command, stream: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Failure::io("git fast-import", &error);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // Where it fails, what git says is the better message.
        let _ = input.write_all(stream);
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(
        "io",
        format!("git fast-import failed: {said}"),
    ))
}

/// The commits as a stream for `git fast-import`.
fn stream() -> Vec<u8> {
    let mut random = Rng::with_seed(SEED);
    let mut live = BTreeSet::new();
    let mut stream = String::new();
    for commit in 0..COMMITS {
        let subject = format!("Change {}", commit + 1);
        stream.push_str("commit refs/heads/main\n");
        // Writing to a string cannot fail.
        let _ = writeln!(
            stream,
            "committer Sapwood <demo@example.org> {} +0000",
            BEGIN + commit * STEP
        );
        data(&mut stream, &subject);
        for _ in 0..random.u64(0..6) {
            // The number of paths grows with the history.
            let path = path(random.u64(0..20 + commit / 4));
            let is_live = live.contains(&path);
            if is_live && random.u8(0..10) < 4 {
                let _ = writeln!(stream, "D {}", quoted(&path));
                live.remove(&path);
                continue;
            }
            let mode = match random.u8(0..20) {
                0 => "100755",
                1 => "120000",
                _ => "100644",
            };
            let _ = writeln!(stream, "M {mode} inline {}", quoted(&path));
            data(&mut stream, &format!("{subject}: {}", random.u16(..)));
            live.insert(path);
        }
    }
    stream.into_bytes()
}

/// The path of a number. Some paths lie below others, which are then files no longer.
fn path(number: u64) -> String {
    let place = |count: usize, number: u64| usize::try_from(number).unwrap_or(0) % count;
    let directory = DIRECTORIES
        .get(place(DIRECTORIES.len(), number))
        .unwrap_or(&"");
    let name = NAMES.get(place(NAMES.len(), number / 3)).unwrap_or(&"");
    match number % 5 {
        0 => format!("{directory}{name}/inner {number}"),
        1 => format!("{directory}{name}"),
        _ => format!("{directory}{number}-{name}"),
    }
}

/// A path in the quotes of `git fast-import`.
fn quoted(path: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in path.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn data(stream: &mut String, text: &str) {
    let _ = write!(stream, "data {}\n{text}\n", text.len());
}
