//! Whether a run still holds, where what it relies on is about to be written anew.

use super::*;

/// Otherwise a worker with nothing to do would run it again and again while the one below it runs.
#[test]
fn who_adds_blindly_waits_for_nobody_and_who_was_told_something_does() {
    let base: Arc<dyn BlockBase> = Arc::new(BTreeMap::<Key, Value>::new());
    let memory = Memory::new(base, &Kept::new(1));
    let number = memory.locate(KeyHash::of(&memory.hasher(), b"sum"), b"sum");
    let write = (number, Own::Delta(1.into()));
    memory.publish((0, 0), 0, [write].into_iter(), &[number], &[]);
    memory.mark_estimates(0, &[number]);
    let blind = Reliance {
        bounds: vec![(number, Allowed::ANY)],
        ..Reliance::default()
    };
    let told = Reliance {
        points: vec![(number, Captured::BOUNDED)],
        bounds: vec![(number, Allowed::ANY)],
        ..Reliance::default()
    };
    assert!(matches!(memory.still_holds(&blind, 1), Err(Stop::Stale)));
    assert!(matches!(
        memory.still_holds(&told, 1),
        Err(Stop::Blocked(0))
    ));
}
