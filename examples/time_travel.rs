//! Every past state stays readable: snapshots, history, differences and pins, in memory.
//!
//! ```text
//! cargo run --example time_travel
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use sapwood::{Batch, Engine, ErrorKind, PinOptions, ReadView, Result, Timestamp, Value};

fn main() -> Result<()> {
    let engine = Engine::in_memory();

    // A small ledger. Heights are the caller's, as a chain would have them; gaps are fine.
    commit(&engine, 10, &[("alice", Some("100"))])?;
    commit(&engine, 20, &[("alice", Some("70")), ("bob", Some("30"))])?;
    commit(&engine, 30, &[("alice", None), ("carol", Some("70"))])?;

    println!("# A snapshot does not change, whatever is written after it");
    let snapshot = engine.at(Timestamp::new(20))?;
    commit(&engine, 40, &[("bob", Some("0")), ("carol", Some("100"))])?;
    print_state("at 20", &snapshot)?;
    // Between two commits the state is that of the one before.
    print_state("at 35", &engine.at(Timestamp::new(35))?)?;
    print_state("newest", &engine)?;

    println!("\n# What changed from 20 to 40");
    for change in engine.diff(Timestamp::new(20), Timestamp::new(40))? {
        let change = change?;
        let show = |value: Option<Value>| value.map_or("(none)".to_owned(), |v| text(&v));
        println!(
            "{}: {} -> {}",
            text(&change.key),
            show(change.old),
            show(change.new)
        );
    }

    println!("\n# The versions of alice, oldest first");
    for version in engine.history(b"alice", ..)?.rev() {
        let version = version?;
        let end = version.end.map_or("now".to_owned(), |end| end.to_string());
        println!("[{}, {end}): {}", version.start, text(&version.value));
    }

    println!("\n# Pruning lets go of the past, except for what is held");
    drop(snapshot);
    engine.pin("audit", Timestamp::new(20), PinOptions::default())?;
    engine.prune_before(Timestamp::new(40))?;
    print_state("at 20, pinned", &engine.at(Timestamp::new(20))?)?;
    match engine.at(Timestamp::new(30)) {
        Err(error) if matches!(error.kind(), ErrorKind::Pruned { .. }) => {
            println!("at 30: {error}");
        }
        other => println!("at 30: {other:?}"),
    }
    Ok(())
}

fn commit(engine: &Engine, height: u64, changes: &[(&str, Option<&str>)]) -> Result<()> {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.set(key, value),
            None => batch.delete(key),
        };
    }
    engine.commit_at(Timestamp::new(height), batch)?;
    Ok(())
}

/// Prints any state: the engine's newest one and a snapshot are read alike.
fn print_state(name: &str, state: &impl ReadView) -> Result<()> {
    let rows: Vec<_> = state
        .range(..)
        .map(|row| row.map(|(key, value)| format!("{} = {}", text(&key), text(&value))))
        .collect::<Result<_>>()?;
    println!("{name}: [{}]", rows.join(", "));
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
