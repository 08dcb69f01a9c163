//! What is kept: showing, changing and keeping to the policy.

use std::path::PathBuf;

use sapwood::Checkpoint;

use crate::{
    answer::Answer,
    args::RetentionAction,
    failure::Result,
    progress,
    session::{Session, path_or_default},
};

/// Does what is asked for about retention.
pub(crate) fn run(action: &RetentionAction, db: Option<PathBuf>) -> Result<Answer> {
    let path = path_or_default(db);
    let mut session = match action {
        // So that it stays one.
        RetentionAction::Show if Checkpoint::read(&path).is_ok() => Session::checkpoint(&path)?,
        _ => Session::existing(&path)?,
    };
    let engine = &session.engine;
    let answer = match action {
        RetentionAction::Show => Answer::Retention(engine.retention_status()?),
        RetentionAction::Set(policy) => {
            engine.set_retention(policy.into_policy())?;
            Answer::Retention(engine.retention_status()?)
        }
        RetentionAction::Apply => {
            let bar = progress::part("pruning");
            let report = engine.apply_retention_with(|part, what| {
                progress::set_part(&bar, part, what);
            })?;
            bar.finish_and_clear();
            Answer::Pruned(report)
        }
    };
    if !matches!(action, RetentionAction::Show) {
        session.close()?;
    }
    Ok(answer)
}
