//! What a runtime keeps, prunes, gives up and answers.

use super::*;
use crate::{Key, PinOptions, ReadView, storage::MemoryStorage};

/// A transaction is the key that it sets to the height; an empty one fails the block.
struct Heights;

impl VirtualMachine for Heights {
    type Txn = &'static str;
    type Output = u64;
    type Call = str;
    type Answer = Option<String>;

    fn execute(
        &self,
        ctx: &mut BlockContext<'_>,
        height: Timestamp,
        txn: &&'static str,
    ) -> Result<ExecutionStatus<u64>> {
        if txn.is_empty() {
            return Err(Error::of_machine(ErrorKind::Unsupported, "an empty key"));
        }
        ctx.set(txn, height.to_string())?;
        Ok(ExecutionStatus::Success(height.get()))
    }

    fn call(&self, state: &Snapshot, key: &str) -> Result<Option<String>> {
        let value = state.get(key)?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }
}

fn runtime(storage: &MemoryStorage, keep: Keep, prune_every: Option<u64>) -> Runtime<Heights> {
    let config = RuntimeConfig {
        keep,
        prune_every,
        ..RuntimeConfig::default()
    };
    Runtime::new(storage, Heights, config).unwrap()
}

/// Waits for threads that are not quite done with earlier blocks: they hold back pruning.
fn settle(runtime: &Runtime<Heights>) {
    while runtime.engine().stats().open_snapshots > 0 {
        std::thread::yield_now();
    }
}

fn height(number: u64) -> Timestamp {
    Timestamp::new(number)
}

#[test]
fn every_height_answers_as_it_did_when_it_was_the_newest() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    for number in 1..=20 {
        let keys: &[_] = if number % 3 == 0 { &["a"] } else { &["b"] };
        runtime.execute_block(height(number), keys).unwrap();
        let newest = runtime.call_latest("a").unwrap();
        assert_eq!(runtime.call_at(height(number), "a").unwrap(), newest);
    }
    for number in 1..=20 {
        let third = number - number % 3;
        let expected = (third > 0).then(|| third.to_string());
        assert_eq!(runtime.call_at(height(number), "a").unwrap(), expected);
    }
}

#[test]
fn an_empty_block_takes_its_height() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    let block = runtime.execute_block(height(7), []).unwrap();
    assert!(block.block.output.changes.is_empty());
    assert_eq!(block.block.commit.timestamp, height(7));
    assert_eq!(runtime.height(), height(7));
}

#[test]
fn a_height_is_taken_once() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    runtime.execute_block(height(5), ["a"]).unwrap();
    for number in [0, 4, 5, u64::MAX] {
        let error = runtime.execute_block(height(number), ["a"]).unwrap_err();
        assert_eq!(*error.into_error().kind(), ErrorKind::Invalid, "{number}");
    }
    assert_eq!(runtime.height(), height(5));
}

#[test]
fn a_block_that_fails_leaves_nothing() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    runtime.execute_block(height(1), ["a"]).unwrap();
    let error = runtime.execute_block(height(2), ["a", "", "b"]);
    let error = error.unwrap_err();
    assert_eq!(error.index(), Some(1));
    assert_eq!(*error.into_error().kind(), ErrorKind::Unsupported);
    assert_eq!(runtime.height(), height(1));
    assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("1"));
    runtime.execute_block(height(2), ["b"]).unwrap();
    assert_eq!(runtime.call_latest("b").unwrap().as_deref(), Some("2"));
}

#[test]
fn many_blocks_are_handed_out_in_order_and_pruned_on_the_way() {
    let runtime = runtime(&MemoryStorage::new(), Keep::Last(2), Some(2));
    let blocks = (1..=9).map(|number| BlockInput::new(height(number), ["a"]));
    let mut heights = Vec::new();
    let count = runtime.execute_blocks(blocks, |block| {
        let number = block.block.commit.timestamp;
        assert_eq!(runtime.call_at(number, "a")?, Some(number.to_string()));
        assert!(!matches!(block.pruned, Some(Err(_))));
        heights.push(number.get());
        Ok(())
    });
    assert_eq!(count.unwrap(), 9);
    assert_eq!(heights, (1..=9).collect::<Vec<_>>());
    settle(&runtime);
    runtime.prune().unwrap();
    assert_eq!(runtime.engine().floor(), height(8));
}

#[test]
fn the_last_heights_are_kept_and_pruned_in_steps() {
    let runtime = runtime(&MemoryStorage::new(), Keep::Last(4), Some(3));
    for number in 1..=20 {
        settle(&runtime);
        let block = runtime.execute_block(height(number), ["a"]).unwrap();
        // Between 4 and 6 heights can be read.
        let floor = runtime.engine().floor().get();
        assert!(
            floor + 3 <= number.max(3) && floor + 6 > number,
            "{floor} at {number}"
        );
        let pruned = block.pruned.map(Result::unwrap);
        assert_eq!(pruned.is_some(), number >= 6 && number % 3 == 0, "{number}");
        assert_eq!(
            runtime.call_at(height(number), "a").unwrap(),
            Some(number.to_string())
        );
    }
    let error = runtime.call_at(height(10), "a").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Pruned { .. }));
    // Asked for, it does not wait for more.
    settle(&runtime);
    assert_eq!(runtime.prune().unwrap().unwrap().floor, height(17));
    assert_eq!(runtime.prune().unwrap(), None);
    assert_eq!(
        runtime.call_at(height(17), "a").unwrap().as_deref(),
        Some("17")
    );
}

#[test]
fn abandoned_heights_are_refused_until_there_are_other_blocks_at_them() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    for (number, key) in (1..).zip(["a", "b", "a", "c", "b"]) {
        runtime.execute_block(height(number), [key]).unwrap();
    }
    let held = [2, 4].map(|number| runtime.engine().at(height(number)).unwrap());
    let report = runtime.rollback_to(height(2)).unwrap();
    assert_eq!((report.visible, report.epoch), (height(2), 1));
    assert_eq!(runtime.height(), height(2));
    for number in 3..=5 {
        let error = runtime.call_at(height(number), "a").unwrap_err();
        let expected = Error::not_yet(height(number), height(2));
        assert_eq!(error.kind(), expected.kind());
    }
    // Calls that had begun: the one goes on, the other would answer from what never was.
    let [kept, abandoned] = held.map(|state| runtime.machine().call(&state, "b"));
    assert_eq!(kept.unwrap().as_deref(), Some("2"));
    assert_eq!(*abandoned.unwrap_err().kind(), ErrorKind::TooOld);

    runtime.execute_block(height(3), ["c"]).unwrap();
    let states = [
        (1, [Some("1"), None, None]),
        (2, [Some("1"), Some("2"), None]),
        (3, [Some("1"), Some("2"), Some("3")]),
    ];
    for (number, values) in states {
        let answers = ["a", "b", "c"].map(|key| runtime.call_at(height(number), key).unwrap());
        assert_eq!(answers.each_ref().map(Option::as_deref), values, "{number}");
    }
    assert!(runtime.call_at(height(4), "a").is_err());
}

#[test]
fn a_rollback_into_a_gap_to_the_newest_height_and_to_nothing() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    for number in [10, 20, 30] {
        runtime.execute_block(height(number), ["a"]).unwrap();
    }
    assert_eq!(runtime.rollback_to(height(30)).unwrap().epoch, 0);
    assert_eq!(runtime.rollback_to(height(25)).unwrap().epoch, 1);
    assert_eq!(runtime.height(), height(25));
    assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("20"));
    assert!(runtime.execute_block(height(25), ["a"]).is_err());
    runtime.execute_block(height(26), ["b"]).unwrap();
    assert_eq!(runtime.rollback_to(height(0)).unwrap().epoch, 2);
    assert_eq!(runtime.call_latest("a").unwrap(), None);
    runtime.execute_block(height(1), ["b"]).unwrap();
    assert_eq!(runtime.call_latest("b").unwrap().as_deref(), Some("1"));
}

#[test]
fn a_rollback_that_cannot_be_changes_nothing() {
    let runtime = runtime(&MemoryStorage::new(), Keep::Last(4), None);
    for number in 1..=6 {
        runtime.execute_block(height(number), ["a"]).unwrap();
    }
    settle(&runtime);
    runtime.prune().unwrap();
    let engine = runtime.engine();
    engine
        .pin("five", height(5), PinOptions::default())
        .unwrap();
    let refused = |number| {
        let error = runtime.rollback_to(height(number)).unwrap_err();
        assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("6"));
        error.kind().name()
    };
    assert_eq!([7, 4, 2].map(refused), ["not_yet", "invalid", "pruned"]);
    assert_eq!(engine.epoch(), 0);
    engine.unpin("five").unwrap();
    runtime.rollback_to(height(3)).unwrap();
    assert_eq!(runtime.call_latest("a").unwrap().as_deref(), Some("3"));
}

#[test]
fn between_blocks_nothing_is_rolled_back() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    let blocks = (1..=3).map(|number| BlockInput::new(height(number), ["a"]));
    let done = runtime.execute_blocks(blocks, |block| {
        let before = block.block.commit.timestamp.get() - 1;
        let error = runtime.rollback_to(height(before)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid);
        Ok(())
    });
    assert_eq!(done.unwrap(), 3);
    assert_eq!(runtime.height(), height(3));
    assert_eq!(runtime.engine().epoch(), 0);
}

/// What was hinted at, and what the executor has in its memory, is of blocks that never were.
#[test]
fn hints_of_abandoned_blocks_do_no_harm() {
    let runtime = runtime(&MemoryStorage::new(), Keep::All, None);
    runtime.execute_block(height(1), ["a"]).unwrap();
    for keys in [["b", "a", "c"], ["c", "d", "d"], ["a", "b", "b"]] {
        let hints = ["a", "b", "c", "d", "e"].map(Key::from).to_vec();
        let block = BlockInput::new(height(2), keys).hints(hints);
        runtime.execute_blocks([block], |_| Ok(())).unwrap();
        for key in ["a", "b", "c", "d"] {
            let expected = if keys.contains(&key) { Some("2") } else { None };
            let expected = expected.or((key == "a").then_some("1"));
            assert_eq!(runtime.call_latest(key).unwrap().as_deref(), expected);
        }
        runtime.rollback_to(height(1)).unwrap();
    }
}

#[test]
fn what_was_pruned_does_not_come_back_and_is_not_pruned_again() {
    let runtime = runtime(&MemoryStorage::new(), Keep::Last(3), None);
    let to = |last: u64| {
        for number in runtime.height().get() + 1..=last {
            runtime.execute_block(height(number), ["a"]).unwrap();
        }
        settle(&runtime);
        runtime.prune().unwrap().map(|report| report.floor.get())
    };
    assert_eq!(to(10), Some(8));
    runtime.rollback_to(height(8)).unwrap();
    assert!(runtime.rollback_to(height(7)).is_err());
    // Only where three heights above the floor are there again is there something to give up.
    assert_eq!([8, 10, 11, 11].map(to), [None, None, Some(9), None]);
}

#[test]
fn a_prune_beside_rollbacks_looks_again_at_what_is_kept() {
    let runtime = runtime(&MemoryStorage::new(), Keep::Last(3), None);
    std::thread::scope(|scope| {
        let chain = scope.spawn(|| {
            for _ in 0..200 {
                for _ in 0..4 {
                    let next = runtime.height().next().unwrap();
                    runtime.execute_block(next, ["a"]).unwrap();
                }
                let back = runtime.height().get() - 3;
                match runtime.rollback_to(height(back)) {
                    Ok(_) => assert_eq!(runtime.height(), height(back)),
                    Err(error) => assert_eq!(error.kind().name(), "pruned"),
                }
            }
        });
        while !chain.is_finished() {
            runtime.prune().unwrap();
        }
    });
}

#[test]
fn a_configuration_that_keeps_nothing_is_refused() {
    let storage = MemoryStorage::new();
    for (keep, prune_every) in [(Keep::Last(0), None), (Keep::All, Some(0))] {
        let config = RuntimeConfig {
            keep,
            prune_every,
            ..RuntimeConfig::default()
        };
        let error = Runtime::new(&storage, Heights, config).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid);
    }
}
