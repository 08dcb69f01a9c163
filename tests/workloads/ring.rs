//! The ring of `FoundationDB`'s Cycle workload: each key names the next, all form one ring, and
//! rotations of three of them keep it one. Any lost, torn or stale write breaks it.

use std::{collections::BTreeMap, thread};

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sapwood::{Batch, CommitOptions, Engine, ReadView, Result, Timestamp, Transaction};

use crate::support::{
    AtWork, LEVELS, Place, THREADS, forget_the_past, prune_behind, random, some_past, text,
};

suite!(rotations_keep_one_ring);

const NODES: u64 = 15;
const ROTATIONS: u64 = 16_000;

fn node(number: u64) -> String {
    format!("node-{number:02}")
}

fn next(view: &impl ReadView, node: &str) -> Result<String> {
    let next = view
        .get(node)?
        .unwrap_or_else(|| panic!("{node} is missing"));
    Ok(String::from_utf8(next.to_vec()).unwrap())
}

/// `a -> b -> c -> d` becomes `a -> c -> b -> d`.
fn rotate(tx: &mut Transaction, a: &str) -> Result<()> {
    let b = next(tx, a)?;
    let c = next(tx, &b)?;
    thread::yield_now(); // Others come in between.
    let d = next(tx, &c)?;
    tx.set(a, &c)?;
    // On the way it is no ring; nobody else sees that.
    tx.set(&c, &b)?;
    tx.set(&b, &d)
}

/// Goes around, by a scan and node by node.
#[track_caller]
fn assert_ring(view: &impl ReadView, what: &str) {
    let nodes: BTreeMap<_, _> = view.range(..).map(text).collect();
    assert_eq!(nodes.len() as u64, NODES, "{what}: {nodes:?}");
    let (mut by_scan, mut by_get) = (node(0), node(0));
    for step in 1..=NODES {
        by_scan = nodes[&by_scan].clone();
        by_get = next(view, &by_get).unwrap();
        assert_eq!(by_scan, by_get, "{what}: {nodes:?}");
        assert_eq!(by_scan == node(0), step == NODES, "{what}: {nodes:?}");
    }
}

fn make_rotation(engine: &Engine, random: &mut ChaCha8Rng) {
    let a = node(random.random_range(0..NODES));
    let level = *LEVELS.choose(random).unwrap();
    let checked = random.random_bool(0.1);
    let work = |tx: &mut Transaction| {
        rotate(tx, &a)?;
        if checked {
            assert_ring(tx, "with the own rotation");
        }
        Ok(())
    };
    engine.transact(level, work).expect("it wins in the end");
}

fn rotations_keep_one_ring(place: &impl Place) {
    for threads in THREADS {
        let engine = place.open();
        let ring = (0..NODES).map(|n| (node(n).into_bytes(), Some(node((n + 1) % NODES).into())));
        engine
            .commit(ring.collect::<Batch>(), CommitOptions::default())
            .unwrap();
        forget_the_past(&engine);
        let at_work = AtWork::new(threads);
        let share = ROTATIONS / threads / THREADS.len() as u64;
        thread::scope(|scope| {
            for number in 0..threads {
                let (engine, at_work) = (&engine, &at_work);
                scope.spawn(move || {
                    let _working = at_work.begin();
                    let mut random = random("rotations", number);
                    (0..share).for_each(|_| make_rotation(engine, &mut random));
                });
            }
            scope.spawn(|| {
                let mut random = random("rounds", 0);
                at_work.meanwhile(|| {
                    assert_ring(&engine.snapshot().unwrap(), "a snapshot");
                    let tx = engine.begin(*LEVELS.choose(&mut random).unwrap()).unwrap();
                    assert_ring(&tx, "a transaction");
                    drop(tx);
                    if let Some(past) = some_past(&engine, &mut random) {
                        assert_ring(&past, "the past");
                    }
                    if engine.visible().get() - engine.floor().get() > 200 {
                        prune_behind(&engine, 100);
                    }
                });
            });
        });
        assert_ring(&engine, "at the end");
        for at in engine.floor().get()..=engine.visible().get() {
            assert_ring(&engine.at(Timestamp::new(at)).unwrap(), "after all");
        }
        assert_eq!(engine.visible().get(), 1 + share * threads);
    }
}
