//! Doctors on call: each leaves only where another stays. Under serializability somebody always
//! stays; under snapshot isolation two may leave at once, each seeing the other.

use std::thread;

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sapwood::{
    Engine, ErrorKind, Isolation, ReadView, Result, Timestamp, Transaction, TransactionOptions,
};

use crate::support::{AtWork, Place, THREADS, forget_the_past, prune_behind, random, some_past};

suite!(
    somebody_is_always_on_call_where_it_is_serializable,
    both_can_leave_at_snapshot_and_only_one_where_it_is_serializable,
);

const TURNS: u64 = 16_000;

/// How the others are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Each by name: those who are off are keys that are missing.
    ByName,
    ByScan,
    ByBackwardScan,
    /// As far as two, from the front.
    UpToTwo,
}

const LOOKS: [Look; 4] = [
    Look::ByName,
    Look::ByScan,
    Look::ByBackwardScan,
    Look::UpToTwo,
];

fn doctor(number: u64) -> String {
    format!("on-call/{number}")
}

/// How many are on call, or at least two.
fn on_call(view: &impl ReadView, doctors: u64, look: Look) -> Result<usize> {
    match look {
        Look::ByName => {
            let names: Vec<_> = (0..doctors).map(doctor).collect();
            let found = view.multi_get(&names)?;
            Ok(found.iter().flatten().count())
        }
        Look::ByScan => view.scan("on-call/").map(|row| row.map(|_| 1)).sum(),
        Look::ByBackwardScan => {
            let mut count = 0;
            let mut rows = view.scan("on-call/");
            while let Some(row) = rows.next_back() {
                row?;
                count += 1;
            }
            Ok(count)
        }
        Look::UpToTwo => view
            .scan("on-call/")
            .take(2)
            .map(|row| row.map(|_| 1))
            .sum(),
    }
}

/// Leaves, where another stays.
fn leave(tx: &mut Transaction, number: u64, doctors: u64, look: Look) -> Result<()> {
    if on_call(tx, doctors, look)? > 1 {
        thread::yield_now(); // Others come in between.
        tx.delete(doctor(number))?;
    }
    Ok(())
}

/// Comes or goes; now and then as a wish that is not granted.
fn take_turn(engine: &Engine, number: u64, doctors: u64, random: &mut ChaCha8Rng) {
    let look = *LOOKS.choose(random).unwrap();
    let comes = random.random_bool(0.4);
    let options = TransactionOptions::default().attempts(random.random_range(0..4));
    let work = |tx: &mut Transaction| {
        if comes {
            tx.set(doctor(number), "")
        } else {
            leave(tx, number, doctors, look)
        }
    };
    let commit = sapwood::CommitOptions::default();
    engine
        .transact_with(options, commit, work)
        .expect("it wins in the end");
}

fn somebody_is_always_on_call_where_it_is_serializable(place: &impl Place) {
    for threads in THREADS {
        let engine = place.open();
        // Few doctors with many hands, so that the last ones meet.
        let doctors = 2 + threads / 4;
        for number in 0..doctors {
            engine.set(doctor(number), "").unwrap();
        }
        forget_the_past(&engine);
        let at_work = AtWork::new(threads);
        thread::scope(|scope| {
            for thread in 0..threads {
                let (engine, at_work) = (&engine, &at_work);
                scope.spawn(move || {
                    let _working = at_work.begin();
                    let mut random = random("turns", thread);
                    for _ in 0..TURNS / threads / THREADS.len() as u64 {
                        take_turn(engine, thread % doctors, doctors, &mut random);
                    }
                });
            }
            scope.spawn(|| {
                let mut random = random("calls", 0);
                at_work.meanwhile(|| {
                    let look = *LOOKS.choose(&mut random).unwrap();
                    assert!(on_call(&engine.snapshot().unwrap(), doctors, look).unwrap() > 0);
                    if let Some(past) = some_past(&engine, &mut random) {
                        assert!(on_call(&past, doctors, look).unwrap() > 0);
                    }
                    if engine.visible().get() - engine.floor().get() > 200 {
                        prune_behind(&engine, 100);
                    }
                });
            });
        });
        for at in engine.floor().get()..=engine.visible().get() {
            let past = engine.at(Timestamp::new(at)).unwrap();
            assert!(
                on_call(&past, doctors, Look::ByScan).unwrap() > 0,
                "at {at}"
            );
        }
    }
}

/// Two transactions, begun before either commits, in each order of commits and with each look.
fn both_can_leave_at_snapshot_and_only_one_where_it_is_serializable(place: &impl Place) {
    let engine = place.open();
    let mut violated = [0, 0];
    for look in LOOKS {
        for first in 0..2 {
            for isolation in [Isolation::Snapshot, Isolation::Serializable] {
                for number in 0..2 {
                    engine.set(doctor(number), "").unwrap();
                }
                let mut open = [0, 1].map(|_| engine.begin(isolation).unwrap());
                for (number, tx) in (0..).zip(&mut open) {
                    leave(tx, number, 2, look).unwrap();
                }
                let [zero, one] = open;
                let (winner, loser) = if first == 0 { (zero, one) } else { (one, zero) };
                let won = winner.commit().unwrap();
                let outcome = loser.commit();
                let left = on_call(&engine, 2, Look::ByScan).unwrap();
                violated[usize::from(isolation == Isolation::Serializable)] +=
                    usize::from(left == 0);
                if isolation == Isolation::Serializable {
                    let error = outcome.unwrap_err();
                    let ErrorKind::Conflict { key, committed, .. } = error.kind() else {
                        panic!("{look:?}: {error:?}");
                    };
                    assert_eq!(
                        (key.as_slice(), *committed),
                        (doctor(first).as_bytes(), won.timestamp)
                    );
                } else {
                    outcome.unwrap();
                }
            }
        }
    }
    assert_eq!(
        violated,
        [2 * LOOKS.len(), 0],
        "at snapshot every time, else never"
    );
}
