//! The engine itself, on the memory backend, under the model checker: transactions beside each other.

use loom::thread;

use crate::{Engine, Isolation, ReadView, Result, Transaction};

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(5);
    builder.check(run);
}

/// Reads a number and writes the next one.
fn increment(tx: &mut Transaction) -> Result<()> {
    let number = tx.get(b"number")?.map_or(0, |value| value[0]);
    tx.set(b"number", [number + 1])
}

#[test]
fn loom_of_two_transactions_that_meet_one_wins() {
    model(|| {
        let engine = Engine::in_memory();
        let run = |engine: &Engine| {
            let mut tx = engine.begin(Isolation::Snapshot).unwrap();
            increment(&mut tx).unwrap();
            tx.commit().is_ok()
        };
        let other = {
            let engine = engine.clone();
            thread::spawn(move || run(&engine))
        };
        let own = run(&engine);
        let committed = u8::from(own) + u8::from(other.join().unwrap());
        assert!(committed > 0, "both lost");
        assert_eq!(engine.get(b"number").unwrap().unwrap()[0], committed);
        let stats = engine.stats();
        assert_eq!((stats.open_transactions, stats.conflict_keys), (0, 0));
    });
}

#[test]
fn loom_a_transaction_that_takes_the_turn_cannot_lose() {
    model(|| {
        let engine = Engine::in_memory();
        let other = {
            let engine = engine.clone();
            thread::spawn(move || engine.set(b"number", [7]).unwrap())
        };
        let options = crate::TransactionOptions::default().attempts(0);
        let outcome = engine.transact_with(options, crate::CommitOptions::default(), increment);
        let own = outcome.unwrap().timestamp;
        let other = other.join().unwrap();
        let number = engine.get(b"number").unwrap().unwrap()[0];
        assert_eq!(number, if own > other { 8 } else { 7 });
    });
}

#[test]
fn loom_a_reader_sees_a_commit_wholly_or_not_at_all() {
    model(|| {
        let engine = Engine::in_memory();
        let writer = {
            let engine = engine.clone();
            thread::spawn(move || {
                let mut tx = engine.begin(Isolation::Serializable).unwrap();
                tx.set(b"a", b"1").unwrap();
                tx.set(b"b", b"1").unwrap();
                tx.commit().unwrap();
            })
        };
        let values = engine.multi_get(&[b"a", b"b"]).unwrap();
        assert_eq!(values[0], values[1], "a torn read");
        writer.join().unwrap();
        assert!(
            engine.contains(b"a").unwrap(),
            "a commit that returned is seen"
        );
    });
}
