//! Commands as lines: what a command is written as means that command again.

use std::ops::{Bound, RangeBounds};

use sapwood::{Isolation, KeyRange, Timestamp};

use super::command::{Begin, Command, History, Scan, Step};

/// A line that is being written.
#[derive(Debug, Default)]
struct Line(Vec<u8>);

impl Line {
    /// A word as it stands: a command, a flag, an option with its number.
    fn plain(&mut self, word: &str) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(b' ');
        }
        self.0.extend_from_slice(word.as_bytes());
        self
    }

    /// Data, which quotes keep from being anything else. The shell takes lines: no byte of it may end one.
    fn data(&mut self, bytes: &[u8]) -> &mut Self {
        self.plain("\"");
        for byte in bytes {
            match byte {
                b'\n' => self.0.extend_from_slice(b"\\n"),
                b'\\' | b'"' => self.0.extend_from_slice(&[b'\\', *byte]),
                b'\r' => self.0.extend_from_slice(b"\\x0d"),
                byte => self.0.push(*byte),
            }
        }
        self.0.push(b'"');
        self
    }

    fn option(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.plain(&format!("{name}={value}")),
            None => self,
        }
    }

    fn at(&mut self, at: Option<Timestamp>) -> &mut Self {
        self.option("ts", at.map(Timestamp::get))
    }

    fn flag(&mut self, name: &str, is_given: bool) -> &mut Self {
        if is_given { self.plain(name) } else { self }
    }

    fn limit(&mut self, limit: Option<usize>) -> &mut Self {
        self.option("limit", limit.and_then(|limit| limit.try_into().ok()))
    }

    fn number(&mut self, number: Timestamp) -> &mut Self {
        self.plain(&number.to_string())
    }

    fn scan(&mut self, scan: &Scan) -> Option<&mut Self> {
        let Bound::Included(from) = scan.range.start_bound() else {
            return None;
        };
        self.data(from);
        match scan.range.end_bound() {
            Bound::Excluded(to) => self.data(to),
            Bound::Unbounded => self,
            Bound::Included(_) => return None,
        };
        Some(self.flag("reverse", scan.reverse).limit(scan.limit))
    }

    fn step(&mut self, step: &Step) -> Option<&mut Self> {
        Some(match step {
            Step::Get { key } => self.plain("get").data(key),
            Step::Scan(scan) => self.plain("scan").scan(scan)?,
            Step::Set { key, value } => self.plain("set").data(key).data(value),
            Step::Delete { key } => self.plain("delete").data(key),
            Step::Savepoint { name } => self.plain("savepoint").data(name),
            Step::RollbackTo { savepoint } => self.plain("rollback-to").data(savepoint),
            Step::Commit => self.plain("commit"),
            Step::Rollback => self.plain("rollback"),
        })
    }
}

impl Command {
    /// A line of the shell that means this; none for what only the command line can say.
    pub(crate) fn line(&self) -> Option<Vec<u8>> {
        let mut line = Line::default();
        match self {
            Self::Commit { writes, at } => {
                line.plain("batch").at(*at);
                for (number, (key, value)) in writes.iter().enumerate() {
                    line.flag(";", number > 0);
                    match value {
                        Some(value) => line.plain("set").data(key).data(value),
                        None => line.plain("delete").data(key),
                    };
                }
                &mut line
            }
            Self::Get { key, at } => line.plain("get").data(key).at(*at),
            Self::Scan { scan, at } => line.plain("scan").scan(scan)?.at(*at),
            Self::History(history) => line.history(history),
            Self::Diff { old, new } => line.plain("diff").number(*old).number(*new),
            Self::Begin(begin) => line.begin(begin),
            Self::Within { transaction, step } => line.data(transaction).step(step)?,
            Self::Pin { name, at, ttl } => line
                .plain("pin")
                .data(name.as_bytes())
                .number(*at)
                .option("ttl", ttl.map(|ttl| ttl.as_secs())),
            Self::Unpin { name } => line.plain("unpin").data(name.as_bytes()),
            Self::Pins => line.plain("pins"),
            Self::Prune { before } => line.plain("prune").number(*before),
            Self::RollbackTo { target } => line.plain("rollback-to").number(*target),
            Self::Checkpoint { directory } => line
                .plain("checkpoint")
                .data(directory.to_str()?.as_bytes()),
            Self::Verify => line.plain("verify"),
            Self::Flush => line.plain("flush"),
            Self::Compact { range, compression } => {
                if *range != KeyRange::all() || compression.is_some() {
                    return None;
                }
                line.plain("compact")
            }
            Self::Status => line.plain("status"),
            Self::Stats { .. } => return None,
        };
        Some(line.0)
    }
}

impl Line {
    fn history(&mut self, history: &History) -> &mut Self {
        self.plain("history")
            .data(&history.key)
            .option("from", history.from.map(Timestamp::get))
            .option("to", history.to.map(Timestamp::get))
            .flag("reverse", history.reverse)
            .limit(history.limit)
    }

    fn begin(&mut self, begin: &Begin) -> &mut Self {
        let isolation = if begin.isolation == Isolation::Snapshot {
            "snapshot"
        } else {
            "serializable"
        };
        self.plain("begin")
            .data(&begin.name)
            .plain(isolation)
            .flag("read-only", begin.read_only)
            .at(begin.at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// One of each command and each step, with words that only quotes and escapes can say.
    #[test]
    fn what_is_written_means_the_same() {
        for line in [
            r#"set "a b" "\"\n\\" ts=7"#,
            r##"delete "#""##,
            r#"batch ts=9 set ts\x3d5 "" ; delete "prefix=""#,
            "get get ts=18446744073709551615",
            "scan",
            "scan b a prefix=c",
            r"scan prefix=\xff\xff reverse limit=0 ts=3",
            "history k from=2 to=1 reverse limit=9",
            "diff 4 3",
            "begin t",
            "begin ts\\x3d snapshot read-only ts=4",
            "pin p 1",
            "pin \"\" 1 ttl=99",
            "unpin a=b",
            "pins",
            "prune 4",
            "rollback-to 4",
            "checkpoint a/b",
            "verify",
            "flush",
            "compact",
            "status",
            "t get k",
            "t scan prefix=a limit=2 reverse",
            r#""get" set ";" \x23"#,
            "t delete \\x0d",
            "t savepoint s",
            "t rollback-to s",
            "t commit",
            "t rollback",
        ] {
            let command = parse(line.as_bytes()).unwrap().unwrap();
            let written = command.line().unwrap();
            let shown = written.escape_ascii().to_string();
            assert!(!written.contains(&b'\n'), "{shown}");
            assert_eq!(parse(&written).unwrap(), Some(command), "{line}: {shown}");
        }
    }
}
