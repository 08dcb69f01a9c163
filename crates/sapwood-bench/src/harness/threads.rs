//! Work of several threads as one sample.
//!
//! The threads are there before the clock starts, and stay until it has stopped: starting them is
//! not part of the work, and the system forgets the CPU time of a thread that is gone.

use std::{
    sync::{Barrier, RwLock, mpsc},
    thread,
};

use anyhow::{Result, anyhow};

use super::{Clock, Sample};

/// Times `work` on one thread for each part, begun together. Returns what it took and what each
/// thread returned, in the order of the parts; `done` of the sample is for the caller to set.
pub(crate) fn on_threads<P: Sync, T: Send>(
    parts: &[P],
    work: impl Fn(&P) -> Result<T> + Sync,
) -> Result<(Sample, Vec<T>)> {
    let start = Barrier::new(parts.len() + 1);
    let gate = RwLock::new(());
    // A thread that is done drops its end, also by panicking.
    let (working, all_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let closed = gate.write();
        let threads: Vec<_> = parts
            .iter()
            .map(|part| {
                let (working, start, gate, work) = (working.clone(), &start, &gate, &work);
                scope.spawn(move || {
                    start.wait();
                    let result = work(part);
                    drop(working);
                    drop(gate.read());
                    result
                })
            })
            .collect();
        drop(working);
        let sample = Clock::Process.time(|| {
            start.wait();
            // Nothing is ever sent: this returns when the last sender is gone.
            let _ = all_done.recv();
            Ok((0, 0))
        });
        drop(closed);
        let results = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?);
        let results = results.collect::<Result<Vec<_>>>()?;
        Ok((sample?, results))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once_and_an_error_comes_back() {
        let (_, doubled) = on_threads(&[1, 2, 3], |part| Ok(part * 2)).unwrap();
        assert_eq!(doubled, [2, 4, 6]);
        assert!(on_threads(&[1, 2], |part| Err::<(), _>(anyhow!("{part}"))).is_err());
    }
}
