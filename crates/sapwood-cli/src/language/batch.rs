//! The writes of a `batch`: `set K V` and `delete K`, separated by `;`.

use sapwood::Batch;

use super::words::Word;
use crate::failure::{Failure, Result};

/// The writes that the words of a batch mean, all or none.
pub(super) fn writes(words: Vec<Word>) -> Result<Batch> {
    if words.is_empty() {
        return Err(Failure::invalid(
            "the batch is empty: batch [ts=T] set K V ; delete K ; ...",
        ));
    }
    let mut batch = Batch::new();
    let mut write = Vec::new();
    for word in words {
        if word.is(";") {
            add(&mut batch, std::mem::take(&mut write))?;
        } else {
            write.push(word);
        }
    }
    add(&mut batch, write)?;
    Ok(batch)
}

fn add(batch: &mut Batch, words: Vec<Word>) -> Result<()> {
    let mut words = words.into_iter();
    let name = words.next();
    let data: Vec<_> = words.map(Word::into_data).collect::<Result<_>>()?;
    match (name.as_ref().and_then(Word::name), data.as_slice()) {
        (Some("set"), [key, value]) => batch.set(key, value),
        (Some("delete"), [key]) => batch.delete(key),
        _ => {
            return Err(Failure::invalid(
                "each write of a batch is set K V or delete K, and ; stands between two of them",
            ));
        }
    };
    Ok(())
}
