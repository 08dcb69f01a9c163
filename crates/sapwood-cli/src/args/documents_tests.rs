//! What the documents quote exists: each command line is parsed as it stands, each command that a text names is
//! looked up, and each kind of error has its row.

use std::{fs, path::Path};

use clap::{Command, CommandFactory};

use super::*;

/// The documents for users, by name.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = vec![root.join("README.md")];
    let pages = fs::read_dir(root.join("docs")).unwrap();
    let pages = pages.map(|entry| entry.unwrap().path());
    paths.extend(pages.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    paths.sort();
    let read = |path: &Path| {
        (
            path.display().to_string(),
            fs::read_to_string(path).unwrap(),
        )
    };
    paths.iter().map(|path| read(path)).collect()
}

/// Command lines in blocks: behind a `$` anywhere, and at the beginning of lines in blocks of shell.
fn lines(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut block = None;
    for line in text.lines().map(str::trim) {
        if let Some(language) = line.strip_prefix("```") {
            block = block.is_none().then_some(language);
            continue;
        }
        let command = match block {
            Some("sh") => Some(line),
            Some(_) => line.strip_prefix("$ "),
            None => None,
        };
        found.extend(command.filter(|line| line.starts_with("sapwood ")));
    }
    found
}

/// The words of commands in the running text, each without the name of the program.
fn spans(text: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with("```"))
    {
        let code = line.split('`').skip(1).step_by(2);
        let commands = code.filter_map(|code| code.strip_prefix("sapwood "));
        found.extend(commands.map(|command| command.split_whitespace().collect()));
    }
    found
}

/// Whether the words name a command and, where it has such, one of its own.
fn exists(command: &Command, words: &[&str]) -> bool {
    let Some((word, rest)) = words.split_first() else {
        return true;
    };
    if command.get_subcommands().next().is_none() {
        return true;
    }
    let found = command.find_subcommand(word);
    found.is_some_and(|found| exists(found, rest))
}

#[test]
fn command_lines_of_the_documents_can_be_typed() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for (path, text) in documents() {
        for line in lines(&text) {
            let words = line.split(" #").next().unwrap_or_default();
            tried += 1;
            if let Err(error) = Cli::try_parse_from(words.split_whitespace()) {
                wrong.push(format!("{path}: {line}\n{error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 40, "{tried} lines only: they are quoted otherwise");
}

#[test]
fn commands_that_the_documents_name_exist() {
    let cli = Cli::command();
    let (mut tried, mut wrong) = (0, Vec::new());
    for (path, text) in documents() {
        for words in spans(&text) {
            tried += 1;
            if !exists(&cli, &words) {
                wrong.push(format!("{path}: sapwood {}", words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 20, "{tried} only: they are named otherwise");
}

#[test]
fn what_is_no_command_is_found() {
    let text = "`sapwood verify`, `sapwood frobnicate` and `sapwood backup frobnicate`\n\
                ```console\n$ sapwood frobnicate --db x\nsapwood repair 1\n```\n\
                ```sh\nsapwood get a   # the newest\n```";
    assert_eq!(
        lines(text),
        ["sapwood frobnicate --db x", "sapwood get a   # the newest"]
    );
    let cli = Cli::command();
    let known: Vec<_> = spans(text)
        .iter()
        .map(|words| exists(&cli, words))
        .collect();
    assert_eq!(known, [true, false, false]);
}

#[test]
fn each_kind_of_error_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let source = fs::read_to_string(root.join("src/error.rs")).unwrap();
    let page = fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let names = source.lines().filter_map(|line| {
        let (kind, name) = line.trim().split_once(" => \"")?;
        let name = name.strip_suffix("\",")?;
        kind.starts_with("Self::").then_some(name)
    });
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 14, "{names:?}");
    for name in names {
        assert!(
            page.contains(&format!("\n| `{name}` | ")),
            "{name} has no row"
        );
    }
}
