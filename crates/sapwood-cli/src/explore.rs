//! The explorer over a database, until it is told to end.

use std::path::{Path, PathBuf};

use sapwood::Checkpoint;
use sapwood_explorer::{ExplorerOptions, ServeError, serve};

use crate::{
    answer::Answer,
    args::ExploreArgs,
    failure::{Failure, Result},
    render::{self, Format},
    session::{Session, path_or_default},
};

/// Serves the explorer; says where, and ends with Ctrl-C.
pub(crate) fn run(args: &ExploreArgs, db: Option<PathBuf>, format: Format) -> Result<()> {
    let path = path_or_default(db);
    let name = path.file_name().unwrap_or(path.as_os_str());
    let mut name = name.to_string_lossy().into_owned();
    let mut session = match open(&path) {
        // What is open elsewhere can be looked at, but not changed.
        Err(failure) if failure.kind == "locked" && !args.allow_writes => {
            let session = Session::beside(&path)?;
            let visible = session.engine.visible();
            render::complain(&format!(
                "another process has {} open: it is shown as it is now, at {visible}; start anew to see what is \
                 committed later",
                path.display()
            ));
            name = format!("{name} as of {visible}");
            session
        }
        opened => opened?,
    };
    let options = ExplorerOptions::default()
        .listen(args.listen)
        .allow_writes(args.allow_writes)
        .name(name);
    let explorer = serve(&session.engine, options)?;
    explorer.run_until_signal(|explorer| format.answer(&Ok(Answer::Exploring(explorer.url()))))?;
    session.close()
}

fn open(path: &Path) -> Result<Session> {
    if Checkpoint::read(path).is_ok() {
        // So that it stays one.
        Session::checkpoint(path)
    } else {
        Session::existing(path)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::new("io", error.to_string()).unusable()
    }
}
