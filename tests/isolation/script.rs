//! [`Script`]: runs each command at both levels and shows where they part.

use std::{error::Error, fmt::Write as _};

use goldenscript::{Command, Context, Runner};
use sapwood::{Engine, Isolation};

use crate::level::Level;

pub(crate) type Answer = Result<String, Box<dyn Error>>;

pub(crate) struct Script<E> {
    new_engine: E,
    levels: [(&'static str, Level); 2],
}

impl<E: FnMut() -> Engine> Script<E> {
    /// A script over engines, one a level, that are made as often as it wants new ones.
    pub(crate) fn new(mut new_engine: E) -> Self {
        let levels = levels(&mut new_engine);
        Self { new_engine, levels }
    }
}

fn levels(mut new_engine: impl FnMut() -> Engine) -> [(&'static str, Level); 2] {
    [
        ("snapshot", Isolation::Snapshot),
        ("serializable", Isolation::Serializable),
    ]
    .map(|(name, isolation)| (name, Level::new(new_engine(), isolation)))
}

impl<E: FnMut() -> Engine> Runner for Script<E> {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Answer {
        if command.name == "new" {
            self.levels = levels(&mut self.new_engine);
            return Ok(String::new());
        }
        let mut answers = Vec::new();
        for (name, level) in &mut self.levels {
            answers.push((*name, level.run(command, context)?));
        }
        let (_, first) = &answers[0];
        if answers.iter().all(|(_, answer)| answer == first) {
            return Ok(first.clone());
        }
        let mut out = String::new();
        for (name, answer) in &answers {
            for line in answer.lines() {
                writeln!(out, "{name}: {line}")?;
            }
        }
        Ok(out)
    }
}
