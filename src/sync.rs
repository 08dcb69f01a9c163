//! The one module that names the locks and atomics in use, so that a protocol can be run under
//! the model checker loom and the whole engine under the scheduler shuttle (`make loom`) by changing
//! this file's imports only.
//!
//! The locks have `parking_lot`'s signatures (no poisoning) in all three worlds; a [`Condvar`] takes
//! its guard and gives it back, as those of the other two do.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use self::real::*;

#[cfg(any(loom, shuttle))]
pub(crate) use self::model::*;

#[cfg(not(any(loom, shuttle)))]
mod real {
    pub(crate) use crossbeam::utils::CachePadded;
    pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};
    use std::time::Instant;
    pub(crate) use std::{
        sync::{
            Arc, Weak,
            atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence},
        },
        thread,
    };

    /// Lets time pass.
    pub(crate) fn pause(duration: std::time::Duration) {
        thread::sleep(duration);
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(parking_lot::Condvar);

    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(&mut guard);
            guard
        }

        /// Waits no longer than until `deadline`; also says whether it has passed.
        pub(crate) fn wait_until<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            deadline: Option<Instant>,
        ) -> (MutexGuard<'a, T>, bool) {
            let Some(deadline) = deadline else {
                return (self.wait(guard), false);
            };
            let is_late = self.0.wait_until(&mut guard, deadline).timed_out();
            (guard, is_late)
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

#[cfg(any(loom, shuttle))]
mod model {
    #[cfg(loom)]
    use loom::sync as model;
    #[cfg(shuttle)]
    use shuttle::sync as model;

    #[cfg(loom)]
    pub(crate) use loom::thread;
    #[cfg(shuttle)]
    pub(crate) use shuttle::thread;

    pub(crate) use crossbeam::utils::CachePadded;
    pub(crate) use model::{
        MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence},
    };
    pub(crate) use std::sync::{Arc, Weak};
    use std::time::Instant;

    /// Models have no time: others may run.
    pub(crate) fn pause(_: std::time::Duration) {
        thread::yield_now();
    }

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(model::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(model::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        /// The lock, where nobody has it.
        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => None,
            }
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    #[derive(Debug)]
    pub(crate) struct RwLock<T>(model::RwLock<T>);

    impl<T: Default> Default for RwLock<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(model::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> model::RwLockReadGuard<'_, T> {
            self.0
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> model::RwLockWriteGuard<'_, T> {
            self.0
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    #[derive(Debug)]
    pub(crate) struct Condvar(model::Condvar);

    impl Default for Condvar {
        fn default() -> Self {
            Self(model::Condvar::new())
        }
    }

    impl Condvar {
        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0
                .wait(guard)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        /// Models have no time: it waits.
        pub(crate) fn wait_until<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _: Option<Instant>,
        ) -> (MutexGuard<'a, T>, bool) {
            (self.wait(guard), false)
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
