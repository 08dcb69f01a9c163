//! [`Level`]: the language of the scripts, over one engine at one level of isolation.
//!
//! ```text
//! commit a=1 b          a direct commit: sets a, deletes b; [10] in front gives it a timestamp
//! get, multi_get, scan  the newest state
//! T1: begin             read_only or at=3 behind it
//! T1: get a b           also get_untracked, multi_get
//! T1: scan a limit=2    the rows of a prefix; reverse from the end; range a c up to c
//! T1: scan v=30         all rows are read, those that fit are shown; also "v%3=0"
//! T1: open a c          an iterator, asked by next and by back
//! T1: set a=1           also delete, savepoint NAME, rollback_to NAME
//! T1: commit            or rollback
//! ```
//!
//! What the engine refuses is an answer like any other.

use std::{collections::BTreeMap, fmt::Write as _};

use goldenscript::{Argument, Command, Context};
use sapwood::{
    Batch, CommitInfo, CommitOptions, Engine, Error, ErrorKind, Isolation, Key, ReadView, Result,
    Savepoint, Timestamp, Transaction, TransactionIter, TransactionOptions, Value,
};

use crate::script::Answer;

pub(crate) struct Level {
    engine: Engine,
    isolation: Isolation,
    transactions: BTreeMap<String, Transaction>,
    savepoints: BTreeMap<String, Savepoint>,
    iters: BTreeMap<String, TransactionIter>,
}

/// The words of a command that are no options, and its options.
struct Arguments<'c> {
    words: Vec<&'c str>,
    options: BTreeMap<&'c str, &'c str>,
}

impl<'c> Arguments<'c> {
    fn of(command: &'c Command) -> Self {
        let mut words = Vec::new();
        let mut options = BTreeMap::new();
        for argument in &command.args {
            match argument {
                Argument::Positional(word) => words.push(word.as_str()),
                Argument::KeyValue(key, value) => {
                    options.insert(key.as_str(), value.as_str());
                }
                other => unreachable!("{other:?}"),
            }
        }
        Self { words, options }
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.options.get(name).map(|number| number.parse().unwrap())
    }

    /// What rows must fulfil to be shown, as `v=30` or `"v%3=0"`.
    fn predicate(&mut self) -> impl Fn(&Value) -> bool + use<> {
        let modulus = self.words.iter().position(|word| word.starts_with("v%"));
        let wanted = match modulus.map(|index| self.words.remove(index)) {
            Some(word) => {
                let (modulus, rest) = word["v%".len()..].split_once('=').unwrap();
                Some((Some(number(modulus)), number(rest)))
            }
            None => self.number("v").map(|value| (None, value)),
        };
        move |value| {
            wanted.is_none_or(|(modulus, rest)| {
                let value = number(&text(value));
                modulus.map_or(value, |modulus| value % modulus) == rest
            })
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn value(value: Option<Value>) -> String {
    value.map_or("none".to_owned(), |value| text(&value))
}

fn row((key, value): &(Key, Value)) -> String {
    format!("{}={}", text(key), text(value))
}

fn committed(info: CommitInfo) -> String {
    match info.writes {
        0 => "commit, nothing written".to_owned(),
        _ => format!("commit @{}", info.timestamp),
    }
}

fn refused(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Conflict {
            key,
            read,
            committed,
        } => {
            assert!(error.is_retryable());
            let key = text(key);
            format!("conflict on {key}, read @{read}, committed @{committed}")
        }
        kind => format!("{}: {error}", kind.name()),
    }
}

/// Reads, the same for a transaction and for the newest state.
fn read(view: &impl ReadView, command: &Command) -> Result<String> {
    let mut arguments = Arguments::of(command);
    match command.name.as_str() {
        "get" => each(&arguments.words, "get", |key| view.get(key)),
        "multi_get" => {
            let values = view.multi_get(&arguments.words)?;
            let values: Vec<_> = values.into_iter().map(value).collect();
            Ok(format!("{command} -> {}", values.join(" ")))
        }
        _ => {
            let shows = arguments.predicate();
            let limit = arguments.number("limit");
            let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
            let iter = iter(view, command.name == "range", &arguments.words);
            let rows: Result<Vec<_>> = match command.name.as_str() {
                "reverse" => iter.rev().take(limit).collect(),
                _ => iter.take(limit).collect(),
            };
            let mut rows = rows?;
            rows.retain(|(_, value)| shows(value));
            let rows: Vec<_> = rows.iter().map(row).collect();
            let rows = if rows.is_empty() {
                "none".to_owned()
            } else {
                rows.join(" ")
            };
            Ok(format!("{command} -> {rows}"))
        }
    }
}

/// The rows of a prefix, or from one key up to another.
fn iter<V: ReadView>(view: &V, is_range: bool, words: &[&str]) -> V::Iter {
    let key = |index: usize| words.get(index).map(|word| word.as_bytes().to_vec());
    match (is_range, key(0), key(1)) {
        (true, Some(from), Some(to)) => view.range(from..to),
        (true, Some(from), None) => view.range(from..),
        (_, prefix, _) => view.scan(prefix.unwrap_or_default()),
    }
}

fn each(keys: &[&str], name: &str, get: impl Fn(&str) -> Result<Option<Value>>) -> Result<String> {
    let mut out = String::new();
    for key in keys {
        writeln!(out, "{name} {key} -> {}", value(get(key)?)).unwrap();
    }
    Ok(out)
}

impl Level {
    pub(crate) fn new(engine: Engine, isolation: Isolation) -> Self {
        Self {
            engine,
            isolation,
            transactions: BTreeMap::new(),
            savepoints: BTreeMap::new(),
            iters: BTreeMap::new(),
        }
    }

    /// Runs a command, of the transaction that its prefix names, or of nobody.
    pub(crate) fn run(&mut self, command: &Command, context: &Context) -> Answer {
        let given = context.tags.iter().find_map(|tag| tag.parse().ok());
        let options = given.map_or(CommitOptions::default(), |at| {
            CommitOptions::default().at(Timestamp::new(at))
        });
        let answer = match (context.prefix.as_deref(), command.name.as_str()) {
            (Some(who), "begin") => self.begin(who, &Arguments::of(command)),
            (Some(who), "commit" | "rollback") => self.end(who, &command.name, options)?,
            (Some(who), "open" | "next" | "back") => self.iterate(who, command)?,
            (Some(who), _) => self.step(who, command)?,
            (None, _) => self.direct(command, options)?,
        };
        Ok(answer.unwrap_or_else(|error| format!("{command} refused: {}", refused(&error))))
    }

    fn begin(&mut self, who: &str, arguments: &Arguments<'_>) -> Result<String> {
        let mut options = TransactionOptions::default().isolation(self.isolation);
        if arguments.words.contains(&"read_only") {
            options = options.read_only();
        }
        if let Some(at) = arguments.number("at") {
            options = options.at(Timestamp::new(at));
        }
        let begun = self.engine.begin_with(options)?;
        let before = self.transactions.insert(who.to_owned(), begun);
        assert!(before.is_none(), "{who} is open");
        Ok(String::new())
    }

    fn end(&mut self, who: &str, how: &str, options: CommitOptions) -> Ran {
        let tx = self.transactions.remove(who).ok_or("begin it first")?;
        if how == "rollback" {
            tx.rollback();
            return Ok(Ok(String::new()));
        }
        Ok(tx.commit_with(options).map(committed))
    }

    fn iterate(&mut self, who: &str, command: &Command) -> Ran {
        if command.name == "open" {
            let tx = self.transactions.get(who).ok_or("begin it first")?;
            let words = Arguments::of(command).words;
            let opened = iter(tx, !words.is_empty(), &words);
            self.iters.insert(who.to_owned(), opened);
            return Ok(Ok(String::new()));
        }
        let iter = self.iters.get_mut(who).ok_or("open one first")?;
        let next = match command.name.as_str() {
            "next" => iter.next(),
            _ => iter.next_back(),
        };
        let next = next.transpose();
        let row = next.map(|next| next.as_ref().map_or("none".to_owned(), row));
        Ok(row.map(|row| format!("{command} -> {row}")))
    }

    /// A step of an open transaction.
    fn step(&mut self, who: &str, command: &Command) -> Ran {
        let tx = self.transactions.get_mut(who).ok_or("begin it first")?;
        let arguments = Arguments::of(command);
        let done = match (command.name.as_str(), &arguments.words[..]) {
            ("get" | "multi_get" | "scan" | "reverse" | "range", _) => {
                return Ok(read(tx, command));
            }
            ("get_untracked", keys) => {
                return Ok(each(keys, "get_untracked", |key| tx.get_untracked(key)));
            }
            ("set", []) => {
                let mut writes = arguments.options.iter();
                writes.try_for_each(|(key, value)| tx.set(key, value))
            }
            ("delete", keys) => keys.iter().try_for_each(|key| tx.delete(key)),
            ("savepoint", [name]) => {
                self.savepoints.insert((*name).to_owned(), tx.savepoint());
                Ok(())
            }
            ("rollback_to", [name]) => {
                tx.rollback_to(self.savepoints.get(*name).ok_or("no such savepoint")?)
            }
            _ => return Err(format!("not a step of a transaction: {command}").into()),
        };
        Ok(done.map(|()| String::new()))
    }

    /// A command without a transaction.
    fn direct(&mut self, command: &Command, options: CommitOptions) -> Ran {
        let arguments = Arguments::of(command);
        let engine = &self.engine;
        Ok(match (command.name.as_str(), &arguments.words[..]) {
            ("get" | "multi_get" | "scan" | "reverse" | "range", _) => read(engine, command),
            ("commit", deleted) => {
                let mut batch = Batch::new();
                for (key, value) in &arguments.options {
                    batch.set(key, value);
                }
                for key in deleted {
                    batch.delete(key);
                }
                let commit = engine.commit(batch, options);
                commit.map(|info| format!("commit @{}", info.timestamp))
            }
            ("delete_range", [from, to]) => engine
                .delete_range(from.as_bytes().to_vec()..to.as_bytes().to_vec())
                .map(|info| format!("delete_range @{}, {} keys", info.timestamp, info.writes)),
            ("compare_and_set", [key, expected, new]) => {
                let bytes = |word: &'_ str| (word != "none").then(|| word.as_bytes().to_vec());
                let (expected, new) = (bytes(expected), bytes(new));
                let set = engine.compare_and_set(key, expected.as_deref(), new.as_deref());
                set.map(|info| format!("compare_and_set @{}", info.timestamp))
            }
            ("prune", [before]) => {
                let report = engine.prune_before(Timestamp::new(before.parse()?));
                report.map(|report| format!("prune, floor {}", report.floor))
            }
            ("flush", []) => engine.flush().map(|()| String::new()),
            ("compact", []) => engine.compact().map(|()| String::new()),
            _ => return Err(format!("no command {command}").into()),
        })
    }
}

/// A script that can be run, and what the engine says to it.
type Ran = std::result::Result<Result<String>, Box<dyn std::error::Error>>;
