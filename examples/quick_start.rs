//! The first five minutes: open, commit, read, and read again what was there before.
//!
//! ```text
//! cargo run --example quick_start [DIRECTORY]
//! ```
//!
//! With a directory it goes on where the last run ended.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{env, error::Error, path::PathBuf};

use sapwood::{Batch, CommitOptions, Engine, ReadView, Result, Timestamp};

fn main() -> Result<(), Box<dyn Error>> {
    // Without a directory: one that is gone at the end.
    let temporary = tempfile::tempdir()?;
    let path = env::args().nth(1).map_or_else(
        || temporary.path().join("quick_start.sapwood"),
        PathBuf::from,
    );
    let engine = Engine::open(&path)?;
    println!("{} is at {}", path.display(), engine.visible());

    // Each commit is one version: of one key,
    let first = engine.set("greeting", "hello")?;
    // or of many, which are seen together or not at all.
    let mut batch = Batch::new();
    batch.set("greeting", "good morning").set("name", "world");
    let second = engine.commit(batch, CommitOptions::default())?.timestamp;
    engine.delete("name")?;

    // The newest state is what the engine itself reads,
    print("now", &engine)?;
    // and any past one is a snapshot away.
    print(&format!("at {second}"), &engine.at(second)?)?;
    print(&format!("at {first}"), &engine.at(first)?)?;

    for version in engine.history("greeting", ..)? {
        let version = version?;
        let end = version.end.map_or("now".to_owned(), |end| end.to_string());
        let value = String::from_utf8_lossy(&version.value);
        println!("greeting was {value:?} from {} to {end}", version.start);
    }

    // Asking for what is not there yet is an error, never a guess.
    let future = Timestamp::new(engine.visible().get() + 1);
    if let Err(error) = engine.at(future) {
        println!("{error}");
    }
    engine.close()?;
    Ok(())
}

/// Reads any state: the newest and a past one are read alike.
fn print(when: &str, state: &impl ReadView) -> Result<()> {
    let rows: Vec<String> = state
        .range(..)
        .map(|row| {
            let (key, value) = row?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(format!("{} = {}", text(&key), text(&value)))
        })
        .collect::<Result<_>>()?;
    println!("{when}: [{}]", rows.join(", "));
    Ok(())
}
