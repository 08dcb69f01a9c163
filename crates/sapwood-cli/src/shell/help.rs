//! The help of the shell.

use std::fmt::Write as _;

use crate::language::parse::{NAMES, usage};

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
            "pin" => "keeps the state at T, however far pruning goes",
            "unpin" => "removes a pin",
            "pins" => "lists the pins",
            "prune" => "drops the versions that ended before T",
            "checkpoint" => "writes a copy that opens as a database",
            "flush" => "moves what is in memory to files",
            "compact" => "rewrites the files",
            "status" => "counts keys and versions",
            _ => "",
        };
        let _ = writeln!(text, "{:<58} {what}", usage(name));
    }
    text.push_str(
        "\nWords are separated by spaces; \"a b\" is one word, \"\" the empty one, and a quoted word is\n\
         always data. \\n \\t \\\\ \\\" \\xNN work everywhere. # begins a comment. exit or Ctrl-D ends.",
    );
    text
}
