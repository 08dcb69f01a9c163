//! A copy while the store is used, read where it lies, and brought back: state and past, at a path of its own.
//!
//! ```text
//! cargo run --example checkpoint_restore
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use sapwood::{Engine, ReadView, Timestamp};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);

    let engine = Engine::open(path("state"))?;
    for height in 1..=100_u32 {
        engine.set("height", height.to_string())?;
    }
    // Nobody has to stop writing for it. Files are linked, not copied, where the file system is the same.
    let checkpoint = engine.create_checkpoint(path("monday"))?;
    println!(
        "{} holds {} and everything before",
        checkpoint.path.display(),
        checkpoint.timestamp
    );
    engine.set("height", "a mistake")?;
    engine.close()?;

    // It is a database: any command and any program can read it, as long as nobody changes it.
    let monday = Engine::open_read_only(path("monday"))?;
    println!("on Monday it was {}", text(&monday)?);
    drop(monday);

    // What is restored has a path of its own, and does not share what will be written.
    let restored = Engine::restore(path("monday"), path("restored"))?;
    assert_eq!(restored.visible(), checkpoint.timestamp);
    assert_eq!(text(&restored)?, "100");
    // The past came along.
    assert_eq!(text(&restored.at(Timestamp::new(42))?)?, "42");
    restored.set("height", "101")?;
    println!("and goes on: {}", text(&restored)?);

    let report = restored.verify()?;
    println!("verified: {} violations", report.violations.len());
    restored.close()?;
    Ok(())
}

fn text(state: &impl ReadView) -> sapwood::Result<String> {
    let value = state.get("height")?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&value).into_owned())
}
