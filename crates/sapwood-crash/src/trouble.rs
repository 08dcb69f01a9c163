//! A child whose calls of the disk fail: it is told so clearly, it still reads, and it writes no more until the store is
//! opened again.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use sapwood::{Engine, ReadView, RocksDBConfig};

use crate::{
    child::{self, Task},
    event::Event,
};

/// What a write is refused with after one that failed.
const REFUSED: &str = "open it again";

/// What a read is refused with, and only after this.
const HALF_WAY: &str = "a rollback failed half-way";

/// What has become of a child's calls.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    has_come: AtomicBool,
    commit_failed: AtomicBool,
}

impl Trouble {
    pub(crate) fn has_come(&self) -> bool {
        self.has_come.load(Ordering::SeqCst)
    }

    pub(crate) fn commit_failed(&self) {
        self.commit_failed.store(true, Ordering::SeqCst);
    }

    /// Takes an error, where calls may fail.
    pub(crate) fn take(&self, task: &Task, error: anyhow::Error) -> Result<()> {
        if !task.troubled {
            return Err(error);
        }
        self.has_come.store(true, Ordering::SeqCst);
        tell(&error)
    }

    /// Whether the store does as it should in trouble; and, where it lets itself be opened again, after it.
    pub(crate) fn judge(&self, engine: Engine, again: RocksDBConfig) -> Result<()> {
        match read(&engine) {
            // It has taken the new state away, and not yet all of what belongs to it: it lets nobody read.
            Err(error) if format!("{error:#}").contains(HALF_WAY) => {}
            done => done.context("reading in trouble")?,
        }
        if self.commit_failed.load(Ordering::SeqCst) {
            let Err(error) = engine.set(b"refused", b"") else {
                bail!("a write after one that failed was taken");
            };
            let text = error.to_string();
            ensure!(
                error.kind().name() == "io" && text.contains(REFUSED),
                "a write after one that failed was refused like this: {text}"
            );
        }
        // Nothing that it does now may count as done.
        let _ = engine.close();
        drop(engine);
        match Engine::open_with(again) {
            Ok(engine) => read(&engine).context("reading after the trouble"),
            Err(error) => tell(&error.into()),
        }
    }
}

/// Tells an error that says what is the matter.
pub(crate) fn tell(error: &anyhow::Error) -> Result<()> {
    let own = error.downcast_ref::<sapwood::Error>();
    let kind = own.map_or("another", |error| error.kind().name());
    ensure!(
        kind == "io",
        "a call of the disk failed, and this was told ({kind}): {error:#}"
    );
    child::tell(&Event::Trouble(format!("{error:#}")));
    Ok(())
}

/// Reads everything, now and as far back as there is something.
fn read(engine: &Engine) -> Result<()> {
    for row in engine.range(..) {
        row?;
    }
    for row in engine.at(engine.floor())?.range(..) {
        row?;
    }
    Ok(())
}
