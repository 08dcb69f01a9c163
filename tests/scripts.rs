//! Readable scripts: what a reader sees, step by step, on both storages.
//!
//! Each file of `tests/scripts` holds commands and, behind `---`, what they answer. After a wanted
//! change `UPDATE_GOLDENFILES=1 cargo test --test scripts` writes the answers anew; read the
//! difference before you commit it.

use std::{error::Error, fmt::Write as _, path::Path};

use goldenscript::{Argument, Command, Context, Runner};
use sapwood::{
    Batch, CommitOptions, Engine, KeyRange, MemoryStorage, PinOptions, ReadView, Result, Timestamp,
};

test_each_file::test_each_path! { in "./tests/scripts" as on_memory => |path: &Path| {
    run(path, Engine::new(&MemoryStorage::new()));
} }

#[cfg(feature = "rocksdb-storage")]
test_each_file::test_each_path! { in "./tests/scripts" as on_rocksdb => |path: &Path| {
    let directory = tempfile::tempdir().unwrap();
    run(path, Engine::open(directory.path().join("state")).unwrap());
} }

fn run(path: &Path, engine: Engine) {
    let mut script = Script { engine, iter: None };
    goldenscript::run(&mut script, path).unwrap();
}

struct Script {
    engine: Engine,
    iter: Option<sapwood::Iter>,
}

type Answer = std::result::Result<String, Box<dyn Error>>;

/// The words of a command that are no options.
fn words(command: &Command) -> Vec<&str> {
    let mut words = Vec::new();
    for argument in &command.args {
        if let Argument::Positional(word) = argument {
            words.push(word.as_str());
        }
    }
    words
}

fn option(command: &Command, name: &str) -> Option<u64> {
    command
        .consume_args()
        .take_key(name)
        .map(|value| value.parse().unwrap())
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn rows(rows: impl Iterator<Item = Result<(sapwood::Key, sapwood::Value)>>) -> Answer {
    let mut out = String::new();
    for row in rows {
        let (key, value) = row?;
        writeln!(out, "{}={}", text(&key), text(&value))?;
    }
    Ok(out)
}

impl Script {
    /// Writes of the form `key=value`; a bare key is deleted.
    fn batch(command: &Command) -> Batch {
        let mut batch = Batch::new();
        for argument in &command.args {
            match argument {
                Argument::KeyValue(key, value) => batch.set(key, value),
                Argument::Positional(key) => batch.delete(key),
                _ => unreachable!(),
            };
        }
        batch
    }

    fn write(&self, command: &Command, context: &Context) -> Answer {
        let mut options = CommitOptions::default();
        if let Some(at) = context.tags.iter().find_map(|tag| tag.parse().ok()) {
            options = options.at(Timestamp::new(at));
        }
        let commit = self.engine.commit(Self::batch(command), options)?;
        Ok(format!("@{}\n", commit.timestamp))
    }

    fn read(&self, command: &Command) -> Answer {
        let words = words(command);
        let snapshot = match option(command, "at") {
            Some(at) => self.engine.at(Timestamp::new(at))?,
            None => self.engine.snapshot()?,
        };
        match command.name.as_str() {
            "get" => {
                let mut out = String::new();
                for key in words {
                    let value = snapshot.get(key)?.map_or("none".to_owned(), |v| text(&v));
                    writeln!(out, "{key}: {value}")?;
                }
                Ok(out)
            }
            "scan" => rows(snapshot.scan(words.first().copied().unwrap_or(""))),
            "reverse" => rows(snapshot.scan(words.first().copied().unwrap_or("")).rev()),
            _ => {
                let bound = |index: usize| words.get(index).map(|word| word.as_bytes().to_vec());
                let from = bound(0).unwrap_or_default();
                rows(match bound(1) {
                    Some(to) => snapshot.range(from..to),
                    None => snapshot.range(from..),
                })
            }
        }
    }

    fn history(&self, command: &Command) -> Answer {
        let from = Timestamp::new(option(command, "from").unwrap_or(0));
        let to = option(command, "to").map_or(Timestamp::MAX, Timestamp::new);
        let mut out = String::new();
        for version in self.engine.history(words(command)[0], from..to)? {
            let version = version?;
            let end = version.end.map_or(String::new(), |end| end.to_string());
            writeln!(out, "[{}, {end}) {}", version.start, text(&version.value))?;
        }
        Ok(out)
    }

    fn diff(&self, command: &Command) -> Answer {
        let [old, new] = words(command)[..] else {
            return Err("diff T1 T2".into());
        };
        let mut out = String::new();
        let diff = self
            .engine
            .diff(Timestamp::new(old.parse()?), Timestamp::new(new.parse()?))?;
        for change in diff {
            let change = change?;
            let show = |v: Option<sapwood::Value>| v.map_or("none".to_owned(), |v| text(&v));
            writeln!(
                out,
                "{}: {} -> {}",
                text(&change.key),
                show(change.old),
                show(change.new)
            )?;
        }
        Ok(out)
    }

    fn retention(&self, command: &Command) -> Answer {
        let words = words(command);
        match (command.name.as_str(), &words[..]) {
            ("prune", [before]) => {
                let report = self.engine.prune_before(Timestamp::new(before.parse()?))?;
                let held = report
                    .held_by
                    .map_or(String::new(), |at| format!(", held by {at}"));
                Ok(format!(
                    "floor {}, {} versions dropped{held}\n",
                    report.floor, report.rows_dropped
                ))
            }
            ("pin", [name, at]) => {
                let at = Timestamp::new(at.parse()?);
                self.engine.pin(name, at, PinOptions::default())?;
                Ok(String::new())
            }
            ("unpin", [name]) => {
                self.engine.unpin(name)?;
                Ok(String::new())
            }
            ("rollback", [target]) => {
                let target = Timestamp::new(target.parse()?);
                let report = self.engine.rollback_to(target)?;
                Ok(format!(
                    "visible {}, epoch {}\n",
                    report.visible, report.epoch
                ))
            }
            _ => Err("prune T, pin NAME T, unpin NAME, rollback T".into()),
        }
    }

    fn iterate(&mut self, command: &Command) -> Answer {
        if command.name == "open" {
            let at = Timestamp::new(option(command, "at").unwrap_or(self.engine.visible().get()));
            self.iter = Some(self.engine.at(at)?.range(KeyRange::all()));
            return Ok(String::new());
        }
        let iter = self.iter.as_mut().ok_or("open one first")?;
        let row = if command.name == "next" {
            iter.next()
        } else {
            iter.next_back()
        };
        match row.transpose()? {
            Some((key, value)) => Ok(format!("{}={}\n", text(&key), text(&value))),
            None => Ok("none\n".to_owned()),
        }
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Answer {
        let answer = match command.name.as_str() {
            "commit" => self.write(command, context),
            "get" | "scan" | "reverse" | "range" => self.read(command),
            "history" => self.history(command),
            "diff" => self.diff(command),
            "prune" | "pin" | "unpin" | "rollback" => self.retention(command),
            "open" | "next" | "back" => self.iterate(command),
            "close" => {
                self.iter = None;
                Ok(String::new())
            }
            "flush" => Ok(self.engine.flush().map(|()| String::new())?),
            "compact" => Ok(self.engine.compact().map(|()| String::new())?),
            "status" => {
                let status = self.engine.status()?;
                Ok(format!(
                    "visible {}, floor {}, {} keys, {} versions\n",
                    status.visible, status.floor, status.keys, status.versions
                ))
            }
            name => Err(format!("no command {name}").into()),
        };
        answer.map_err(|error| match error.downcast::<sapwood::Error>() {
            Ok(error) => format!("{}: {error}", error.kind().name()).into(),
            Err(error) => error,
        })
    }
}
