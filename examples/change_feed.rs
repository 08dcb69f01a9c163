//! A projection that follows the commits: it is brought up to date from where it stopped, after a restart too, and goes
//! back where the store was rolled back.
//!
//! ```text
//! cargo run --example change_feed
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{collections::BTreeMap, error::Error};

use sapwood::{Engine, FeedOptions, Position, ReadView, Result, Timestamp};

/// Words, and how many values they are in. It stands for a search index, a cache, a table in another database: something
/// that is kept elsewhere, and must neither miss a commit nor count one twice.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words(BTreeMap<String, u32>);

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state");
    let mut words = Words::default();

    let engine = Engine::open(&path)?;
    // Nothing that the feed has not acknowledged is pruned, but for one that is far behind.
    let options = FeedOptions::default().max_lag(100_000);
    engine.create_feed("words", Position::START, options)?;
    engine.set("1", "the quick brown fox")?;
    engine.set("2", "the lazy dog")?;
    follow(&engine, &mut words)?;
    engine.set("1", "the slow brown fox")?;
    engine.close()?;
    drop(engine);

    println!("# After a restart it goes on behind what it acknowledged");
    let engine = Engine::open(&path)?;
    follow(&engine, &mut words)?;
    check(&engine, &words)?;

    println!("# The store goes back, and the projection with it");
    let back = Timestamp::new(engine.visible().get() - 1);
    let position = engine.position()?;
    engine.rollback_to(back)?;
    undo(&engine, &mut words, position)?;
    engine.set("2", "the lazy cat")?;
    follow(&engine, &mut words)?;
    check(&engine, &words)?;
    engine.close()?;
    Ok(())
}

/// Deals with every commit that is there. A program that runs on would use `changes.wait(...)`, or the iterator.
fn follow(engine: &Engine, words: &mut Words) -> Result<()> {
    let mut changes = engine.feed("words")?.with_old_values();
    while let Some(commit) = changes.poll()? {
        for change in &commit.changes {
            words.count(change.old.as_deref(), false);
            words.count(change.new.as_deref(), true);
        }
        println!("{}: {} changes", commit.timestamp, commit.changes.len());
        // Once the projection is safe. Where it is in another database: in one transaction with it, so that a commit
        // that comes again after a crash can be told.
        engine.acknowledge("words", commit.position())?;
    }
    Ok(())
}

/// Takes back what was dealt with and is no more: from the projection's own record of what it knew.
fn undo(engine: &Engine, words: &mut Words, position: Position) -> Result<()> {
    let common = engine.last_common(position)?;
    println!("what came after {} is undone", common.timestamp);
    // This one is small enough to be made anew.
    *words = count_all(&engine.at(common.timestamp)?)?;
    engine.acknowledge("words", common)
}

fn check(engine: &Engine, words: &Words) -> Result<()> {
    assert_eq!(*words, count_all(engine)?);
    println!("{:?}", words.0);
    Ok(())
}

fn count_all(state: &impl ReadView) -> Result<Words> {
    let mut words = Words::default();
    for row in state.range(..) {
        words.count(Some(&row?.1), true);
    }
    Ok(words)
}

impl Words {
    fn count(&mut self, value: Option<&[u8]>, is_added: bool) {
        let text = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        for word in text.split_whitespace() {
            let count = self.0.entry(word.to_owned()).or_default();
            if is_added {
                *count += 1;
            } else {
                *count = count.saturating_sub(1);
            }
        }
        self.0.retain(|_, count| *count > 0);
    }
}
