//! What there is to see: one file's versions, two states side by side.

use comfy_table::Cell;
use sapwood::{Key, ReadView, Timestamp, Version};

use super::Stage;
use crate::{
    failure::Result,
    language::text::printable,
    render::table::{bytes, number, table},
};

/// Files that are looked at to find one with much history.
const CANDIDATES_MAX: usize = 2000;
/// Rows of a table that are shown.
const ROWS_MAX: usize = 12;
/// Letters of a commit's subject that are shown.
const SUBJECT_MAX: usize = 40;

/// The versions of the file that has been through most.
pub(super) fn history(stage: &Stage) -> Result<()> {
    let Some((path, versions)) = eventful(stage)? else {
        return Ok(());
    };
    stage.section(&format!("History: sapwood history {:?}", printable(&path)))?;
    let mut shown = table(["from", "until", "value", "commit"]);
    let mut later: Option<Timestamp> = None;
    for version in versions.iter().take(ROWS_MAX) {
        if let (Some(end), Some(later)) = (version.end, later)
            && end < later
        {
            shown.add_row([
                number(&end),
                number(&later),
                Cell::new("(absent)"),
                Cell::new(""),
            ]);
        }
        shown.add_row([
            number(&version.start),
            version
                .end
                .map_or_else(|| Cell::new("now"), |end| number(&end)),
            id(Some(&version.value)),
            Cell::new(subject(stage, version.start)?),
        ]);
        later = Some(version.start);
    }
    stage.say(&shown.to_string())?;
    let hidden = versions.len().saturating_sub(ROWS_MAX);
    if hidden > 0 {
        stage.say(&format!("... and {hidden} older versions"))?;
    }
    Ok(())
}

/// A file with many versions, one that was deleted and made again where there is one.
fn eventful(stage: &Stage) -> Result<Option<(Key, Vec<Version>)>> {
    let engine = &stage.session.engine;
    let mut best = None;
    for row in engine.snapshot()?.range(..).take(CANDIDATES_MAX) {
        let (path, _) = row?;
        let versions: Vec<_> = engine.history(&path, ..)?.collect::<sapwood::Result<_>>()?;
        let gaps = versions.windows(2).filter(|pair| match pair {
            [newer, older] => older.end.is_some_and(|end| end < newer.start),
            _ => false,
        });
        let score = (gaps.count().min(1), versions.len());
        if best.as_ref().is_none_or(|(known, _, _)| score > *known) {
            best = Some((score, path, versions));
        }
    }
    Ok(best.map(|(_, path, versions)| (path, versions)))
}

/// The first differences of the state in the middle and the newest.
pub(super) fn side_by_side(stage: &Stage) -> Result<()> {
    let (old, new) = (
        Timestamp::new(stage.source.len() / 2),
        Timestamp::new(stage.source.len()),
    );
    stage.section(&format!(
        "Two states side by side: sapwood diff {old} {new}"
    ))?;
    let (at_old, at_new) = (format!("at {old}"), format!("at {new}"));
    let mut shown = table(["path", at_old.as_str(), at_new.as_str()]);
    let (mut added, mut removed, mut changed) = (0u64, 0u64, 0u64);
    for (index, change) in stage.session.engine.diff(old, new)?.enumerate() {
        let change = change?;
        match (&change.old, &change.new) {
            (None, _) => added += 1,
            (_, None) => removed += 1,
            _ => changed += 1,
        }
        if index < ROWS_MAX {
            shown.add_row([
                bytes(&change.key),
                id(change.old.as_deref()),
                id(change.new.as_deref()),
            ]);
        }
    }
    stage.say(&shown.to_string())?;
    stage.say(&format!(
        "in all: {added} added, {removed} removed, {changed} changed"
    ))
}

/// The beginning of an object id.
fn id(value: Option<&[u8]>) -> Cell {
    const SHOWN: usize = 12;
    match value {
        Some(value) => bytes(value.get(..SHOWN).unwrap_or(value)),
        None => Cell::new("-"),
    }
}

fn subject(stage: &Stage, at: Timestamp) -> Result<String> {
    let commit = stage.source.commit(at)?;
    let format = [
        "show",
        "--no-patch",
        "--no-show-signature",
        "--format=%s",
        commit,
    ];
    let subject = printable(stage.source.git.text(&format)?.as_bytes());
    Ok(subject.chars().take(SUBJECT_MAX).collect())
}
