//! What was committed: feeds, exports, and applying them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sapwood::{ApplyOptions, Checkpoint, Engine, FeedOptions, Position, Timestamp};

use crate::{
    answer::Answer,
    args::{ApplyArgs, ChangesArgs, ExportArgs, FeedAction, Place},
    failure::{Failure, Result},
    progress,
    render::Format,
    session::{Session, path_or_default},
};

/// Opens a database to read from it: a checkpoint stays one.
fn to_read(path: &Path) -> Result<Session> {
    if Checkpoint::read(path).is_ok() {
        Session::checkpoint(path)
    } else {
        Session::existing(path)
    }
}

fn position(engine: &Engine, place: Place) -> Position {
    match place {
        Place::Position(position) => position,
        Place::Timestamp(timestamp) => Position::new(timestamp, engine.epoch()),
    }
}

/// Prints commits, and acknowledges them afterwards where that is asked for.
pub(crate) fn changes(args: &ChangesArgs, db: Option<PathBuf>, format: Format) -> Result<()> {
    let path = path_or_default(db);
    let mut session = if args.ack {
        Session::existing(&path)?
    } else {
        to_read(&path)?
    };
    let engine = &session.engine;
    let mut changes = match &args.feed {
        Some(name) => engine.feed(name)?,
        None => {
            let from = args.from.unwrap_or(Place::Timestamp(Timestamp::ZERO));
            engine.changes(position(engine, from))?
        }
    };
    if args.old {
        changes = changes.with_old_values();
    }
    let mut commits = Vec::new();
    let limit = args.limit.unwrap_or(u64::MAX);
    while u64::try_from(commits.len()).unwrap_or(limit) < limit
        && let Some(commit) = changes.poll()?
    {
        commits.push(commit);
    }
    let position = changes.position();
    format.answer(&Ok(Answer::Commits {
        commits,
        position,
        with_old: args.old,
    }))?;
    if let (Some(name), true) = (&args.feed, args.ack) {
        engine.acknowledge(name, position)?;
        drop(changes);
        session.close()?;
    }
    Ok(())
}

/// The named feeds.
pub(crate) fn list(db: Option<PathBuf>) -> Result<Answer> {
    let session = to_read(&path_or_default(db))?;
    Ok(Answer::Feeds(session.engine.feeds()?))
}

/// Does what is asked for with a feed.
pub(crate) fn feed(action: FeedAction, db: Option<PathBuf>) -> Result<Answer> {
    let mut session = Session::existing(&path_or_default(db))?;
    let engine = &session.engine;
    match action {
        FeedAction::Create {
            name,
            from,
            max_lag,
            max_age,
        } => {
            let from = match from {
                Some(place) => position(engine, place),
                None => engine.position()?,
            };
            let mut options = FeedOptions::default();
            if let Some(lag) = max_lag {
                options = options.max_lag(lag);
            }
            if let Some(seconds) = max_age {
                options = options.max_age(Duration::from_secs(seconds));
            }
            engine.create_feed(&name, from, options)?;
        }
        FeedAction::Ack {
            name,
            position: place,
        } => engine.acknowledge(&name, position(engine, place))?,
        FeedAction::Drop { name } => engine.drop_feed(&name)?,
    }
    let feeds = engine.feeds()?;
    session.close()?;
    Ok(Answer::Feeds(feeds))
}

/// Writes the changes of a span of time to a file.
pub(crate) fn export(args: &ExportArgs, db: Option<PathBuf>) -> Result<Answer> {
    let session = to_read(&path_or_default(db))?;
    let _spinner = progress::spinner("exporting");
    let until = args.to.unwrap_or_else(|| session.engine.visible());
    Ok(Answer::Exported(
        session.engine.export(args.from, until, &args.file)?,
    ))
}

/// Applies an export; to a new database, where there is none.
pub(crate) fn apply(args: &ApplyArgs, db: Option<PathBuf>) -> Result<Answer> {
    // Nothing is made for what cannot be applied.
    let export = sapwood::Export::read(&args.file)?;
    let path = path_or_default(db);
    if export.after > Timestamp::ZERO && !Session::is_there(&path) {
        return Err(Failure::new(
            "not_found",
            format!(
                "there is no database at {}, and the export begins after {}: restore a copy that ends there, or \
                 apply what lies before it first",
                path.display(),
                export.after
            ),
        )
        .unusable());
    }
    let mut session = Session::create(&path)?;
    let spinner = progress::spinner("applying");
    let mut options = ApplyOptions::default();
    if let Some(last) = args.up_to {
        options = options.up_to(last);
    }
    let applied = session.engine.apply_export_with(&args.file, options);
    drop(spinner);
    // What was committed is kept, however it ended.
    let closed = session.close();
    let applied = applied?;
    closed?;
    Ok(Answer::Applied(applied))
}
