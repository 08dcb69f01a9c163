//! A second index, kept in the same transaction as the rows: it can never say something else than they do, now or at
//! any moment of the past.
//!
//! ```text
//! cargo run --example secondary_index
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::ops::ControlFlow;

use sapwood::{Engine, Isolation, ReadView, Result, Timestamp, Transaction};

fn main() -> Result<()> {
    let engine = Engine::in_memory();
    let hired = change(&engine, |tx| {
        put(tx, "ada", "London")?;
        put(tx, "alan", "Manchester")?;
        put(tx, "grace", "New York")
    })?;
    change(&engine, |tx| put(tx, "alan", "London"))?;
    change(&engine, |tx| remove(tx, "ada"))?;

    println!("in London now: {:?}", people_in(&engine, "London")?);
    let then = engine.at(hired)?;
    println!("in London at {hired}: {:?}", people_in(&then, "London")?);
    println!(
        "in Manchester at {hired}: {:?}",
        people_in(&then, "Manchester")?
    );

    // Both sides agree at every moment.
    for at in 0..=engine.visible().get() {
        check(&engine.at(Timestamp::new(at))?)?;
    }
    println!(
        "the index agrees with the rows at all {} moments",
        engine.visible().get() + 1
    );
    Ok(())
}

fn change(engine: &Engine, work: impl FnMut(&mut Transaction) -> Result<()>) -> Result<Timestamp> {
    Ok(engine.transact(Isolation::Serializable, work)?.timestamp)
}

/// Says where somebody lives. The entry of the index that this makes wrong goes with it.
fn put(tx: &mut Transaction, name: &str, city: &str) -> Result<()> {
    remove(tx, name)?;
    tx.set(person(name), city)?;
    tx.set(entry(city.as_bytes(), name.as_bytes()), b"")
}

fn remove(tx: &mut Transaction, name: &str) -> Result<()> {
    if let Some(city) = tx.get(person(name))? {
        tx.delete(entry(&city, name.as_bytes()))?;
        tx.delete(person(name))?;
    }
    Ok(())
}

fn people_in(state: &impl ReadView, city: &str) -> Result<Vec<String>> {
    let prefix = entry(city.as_bytes(), b"");
    let mut names = Vec::new();
    for row in state.scan(&prefix) {
        let (key, _) = row?;
        let name = key.strip_prefix(&prefix[..]).unwrap_or_default();
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(names)
}

/// Every row has its entry, and there are no others. Rows are lent here: nothing is copied that is not kept.
fn check(state: &impl ReadView) -> Result<()> {
    let mut expected = Vec::new();
    let rows = b"person/".to_vec()..b"person0".to_vec();
    state.visit(rows, |key, city| {
        let name = key.strip_prefix(b"person/").unwrap_or_default();
        expected.push(entry(city, name));
        ControlFlow::<()>::Continue(())
    })?;
    expected.sort_unstable();
    let entries: Vec<_> = state
        .scan("city/")
        .map(|row| Ok(row?.0.to_vec()))
        .collect::<Result<_>>()?;
    assert_eq!(entries, expected);
    Ok(())
}

fn person(name: &str) -> Vec<u8> {
    format!("person/{name}").into_bytes()
}

/// `city/CITY \0 NAME`: with a byte between them that no city has, or "York" would have the people of "York Mills".
fn entry(city: &[u8], name: &[u8]) -> Vec<u8> {
    [b"city/", city, b"\0", name].concat()
}
