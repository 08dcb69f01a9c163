//! The help of the shell.

use std::fmt::Write as _;

use crate::language::{
    parse::{NAMES, usage},
    transaction::{self, STEPS},
};

/// The commands, one line each, and how words are written.
pub(super) fn text() -> String {
    let mut text = String::new();
    for name in NAMES {
        let what = match name {
            "set" => "sets a key, as one commit",
            "delete" => "deletes a key, as one commit",
            "batch" => "some writes as one commit",
            "get" => "the value of a key, now or at T",
            "scan" => "the keys and values of a range, now or at T",
            "history" => "the versions of a key, newest first",
            "diff" => "what differs between the states at T1 and T2",
            "begin" => "begins a transaction, at the state now or at T",
            "pin" => "keeps the state at T, however far pruning goes",
            "unpin" => "removes a pin",
            "pins" => "lists the pins",
            "prune" => "drops the versions that ended before T",
            "rollback-to" => "makes the state what it was at T, for good",
            "verify" => "looks for what is stored and cannot be right",
            "checkpoint" => "writes a copy that can be read and restored",
            "flush" => "moves what is in memory to files",
            "compact" => "rewrites the files",
            "status" => "counts keys and versions",
            _ => "",
        };
        line(&mut text, usage(name), what);
    }
    text.push_str("\nIn a transaction, behind its name:\n");
    for name in STEPS {
        let what = match name {
            "get" => "the value of a key, its own writes seen",
            "scan" => "the keys and values of a range, its own writes seen",
            "set" => "sets a key, once it commits",
            "delete" => "deletes a key, once it commits",
            "savepoint" => "names the point that it has reached",
            "rollback-to" => "undoes what it wrote behind that point",
            "commit" => "ends it with one commit, or with a conflict",
            "rollback" => "ends it with nothing",
            _ => "",
        };
        line(&mut text, transaction::usage(name), what);
    }
    text.push_str(
        "\nWords are separated by spaces; \"a b\" is one word, \"\" the empty one, and a quoted word is\n\
         always data. \\n \\t \\\\ \\\" \\xNN work everywhere. # begins a comment. exit or Ctrl-D ends.",
    );
    text
}

fn line(text: &mut String, usage: &str, what: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{usage:<58} {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_told_in_a_line() {
        let text = text();
        for usage in NAMES
            .map(usage)
            .iter()
            .chain(&STEPS.map(transaction::usage))
        {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix(usage));
            let what = lines.find(|what| what.starts_with(' '));
            let what = what
                .unwrap_or_else(|| panic!("no {usage:?} in {text}"))
                .trim();
            assert!(!usage.is_empty() && !what.is_empty(), "{usage}");
        }
    }
}
