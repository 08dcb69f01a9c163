//! The demo: what the engine does, on a git history, with git as the judge.
//!
//! It stops with a failure at the first difference from what git says.

mod generate;
mod oracle;
mod prune;
mod show;
mod source;

use std::{path::PathBuf, time::Instant};

use crate::{
    answer::{Answer, Report},
    args::DemoArgs,
    failure::{Failure, Result},
    import,
    render::{Format, print},
    session::Session,
};
use source::Source;

/// How many past states are compared with git.
const CHECKS: usize = 50;

/// What the sections of the demo share.
#[derive(Debug)]
struct Stage {
    format: Format,
    session: Session,
    source: Source,
    random: fastrand::Rng,
}

impl Stage {
    /// Says something to people.
    fn say(&self, text: &str) -> Result<()> {
        say(self.format, text)
    }

    /// Begins a section.
    fn section(&self, title: &str) -> Result<()> {
        self.say(&format!("\n== {title}"))
    }
}

fn say(format: Format, text: &str) -> Result<()> {
    match format {
        Format::People => print(text),
        Format::Json => Ok(()),
    }
}

/// Runs all of it.
pub(crate) fn run(args: &DemoArgs, db: Option<PathBuf>, format: Format) -> Result<()> {
    let begun = Instant::now();
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::io("a temporary directory cannot be made", &error))?;
    let source = Source::choose(args.repo.as_deref(), scratch.path())?;
    say(format, &source.about)?;
    let session = Session::create(&db.unwrap_or_else(|| scratch.path().join("db")))?;
    if session.engine.visible().get() > 0 {
        return Err(Failure::invalid(
            "the demo needs a new database; name another with --db",
        ));
    }
    let mut stage = Stage {
        format,
        session,
        source,
        random: fastrand::Rng::with_seed(args.seed),
    };
    let mut report = Report {
        commits: import(&stage)?,
        ..Report::default()
    };
    show::history(&stage)?;
    show::side_by_side(&stage)?;
    stage.section(&format!(
        "Check: random past states against git ls-tree (seed {})",
        args.seed
    ))?;
    let states = stage.source.pick(CHECKS, 1, &mut stage.random);
    oracle::check(&stage, &states)?;
    report.states_checked = states.len() + prune::run(&mut stage, &mut report)?;
    stage.session.close()?;
    stage.say(&format!(
        "\nPASS: {} states equal to git's, {:.1} s",
        report.states_checked,
        begun.elapsed().as_secs_f64()
    ))?;
    match format {
        Format::Json => format.answer(&Ok(Answer::Demo(report))),
        Format::People => Ok(()),
    }
}

fn import(stage: &Stage) -> Result<u64> {
    stage.section("Import: every first-parent commit is one version of the whole tree")?;
    let begun = Instant::now();
    let source = &stage.source;
    let imported = import::git::import(source.git.directory(), source.tip(), &mut || {
        Ok(stage.session.engine.clone())
    })?;
    stage.say(&format!(
        "{} commits with {} writes in {:.2} s; key = path, value = object id, timestamp = ordinal",
        imported.commits,
        imported.writes,
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(imported.commits)
}
