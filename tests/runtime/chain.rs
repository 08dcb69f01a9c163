//! [`Chain`]: a runtime beside the reference; whatever is done to the one is done to the other.

use sapwood::{
    BlockExecutorConfig, BlockInput, ErrorKind, Keep, Mode, Runtime, RuntimeBlock, RuntimeConfig,
    Timestamp,
};

use crate::{
    ledger::{Ledger, Txn},
    place::Place,
    reference::{Reference, State},
};

/// How many heights stay readable.
pub(crate) const KEPT: u64 = 12;
/// How many heights are pruned at once.
pub(crate) const PRUNED_EVERY: u64 = 3;

pub(crate) fn at(height: u64) -> Timestamp {
    Timestamp::new(height)
}

/// In parallel even where it is not worth it.
pub(crate) fn config(mode: Mode, keep: Keep) -> RuntimeConfig {
    let mut executor = BlockExecutorConfig::default();
    executor.workers = 3;
    executor.min_parallel_txns = 2;
    executor.adaptive = false;
    executor.mode = mode;
    let mut config = RuntimeConfig::default();
    config.executor = executor;
    config.keep = keep;
    config.prune_every = Some(PRUNED_EVERY);
    config
}

pub(crate) struct Chain<'a> {
    place: &'a dyn Place,
    config: RuntimeConfig,
    pub(crate) runtime: Runtime<Ledger>,
    pub(crate) reference: Reference,
    /// The highest floor that the policy has allowed so far.
    pub(crate) floor: u64,
    /// Of all blocks, also of those that were abandoned.
    pub(crate) digests: Vec<[u8; 32]>,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(place: &'a dyn Place, config: RuntimeConfig) -> Self {
        Self {
            runtime: place.open(config.clone()),
            place,
            config,
            reference: Reference::default(),
            floor: 0,
            digests: Vec::new(),
        }
    }

    /// Waits for runs in vain that have not come to their ends: until they do, they hold what they read.
    fn settle(&self) {
        while self.runtime.engine().stats().open_snapshots > 0 {
            std::thread::yield_now();
        }
    }

    pub(crate) fn restart(self) -> Self {
        self.settle();
        let Self { place, config, .. } = self;
        drop(self.runtime);
        let runtime = place.open(config.clone());
        assert_eq!(runtime.height(), at(self.reference.height));
        Self {
            config,
            runtime,
            ..self
        }
    }

    /// Executes blocks, each so much above the one before: one by itself, or several behind each other.
    pub(crate) fn blocks(&mut self, blocks: Vec<(u64, Vec<Txn>)>) {
        let mut height = self.reference.height;
        let mut expected = Vec::new();
        let mut inputs = Vec::new();
        for (step, txns) in blocks {
            height += step;
            expected.push((height, self.reference.block(height, &txns)));
            inputs.push((height, txns));
        }
        self.note_policy();
        let mut executed: Vec<RuntimeBlock<String>> = Vec::new();
        if inputs.len() == 1 {
            for (height, txns) in inputs {
                executed.push(self.runtime.execute_block(at(height), txns).unwrap());
            }
        } else {
            let inputs = inputs.into_iter();
            let inputs = inputs.map(|(height, txns)| BlockInput::new(at(height), txns));
            let done = self.runtime.execute_blocks(inputs, |block| {
                executed.push(block);
                Ok(())
            });
            assert_eq!(done.unwrap(), executed.len() as u64);
        }
        assert_eq!(executed.len(), expected.len());
        for (done, (height, outcomes)) in executed.into_iter().zip(expected) {
            assert!(!matches!(done.pruned, Some(Err(_))), "{:?}", done.pruned);
            let block = done.block;
            assert_eq!(block.commit.timestamp, at(height));
            assert_eq!(block.output.outcomes, outcomes, "at {height}");
            self.digests.push(block.output.digest());
        }
    }

    pub(crate) fn roll_back(&mut self, height: u64) {
        let epoch = self.runtime.engine().epoch();
        let moved = u64::from(height < self.reference.height);
        let report = self.runtime.rollback_to(at(height)).unwrap();
        assert_eq!((report.visible, report.epoch), (at(height), epoch + moved));
        self.reference.roll_back(height);
    }

    /// Prunes to what the policy says, exactly.
    pub(crate) fn prune(&mut self) {
        self.settle();
        let before = self.runtime.engine().floor().get();
        let report = self.runtime.prune().unwrap();
        let expected = match self.config.keep {
            Keep::Last(kept) => before.max((self.reference.height + 1).saturating_sub(kept)),
            _ => before,
        };
        assert_eq!(self.runtime.engine().floor(), at(expected));
        assert_eq!(report.is_some(), expected > before);
    }

    fn note_policy(&mut self) {
        if let Keep::Last(kept) = self.config.keep {
            self.floor = self
                .floor
                .max((self.reference.height + 1).saturating_sub(kept));
        }
    }

    /// Every height: what is kept is as it should be, what is pruned, abandoned or to come is refused.
    pub(crate) fn check(&self) {
        let (floor, height) = (self.runtime.engine().floor().get(), self.reference.height);
        assert!(
            floor <= self.floor,
            "{floor} is pruned, and {} kept",
            self.floor
        );
        assert_eq!(self.runtime.height(), at(height));
        for asked in 0..=height + 8 {
            let answer = self.runtime.call_at(at(asked), "");
            let answer = answer.map(|rows| rows.into_iter().collect::<State>());
            match answer {
                Ok(state) => {
                    assert!((floor..=height).contains(&asked), "{asked} is not kept");
                    assert_eq!(state, self.reference.at(asked), "at {asked}");
                }
                Err(error) => match error.kind() {
                    ErrorKind::Pruned { .. } => assert!(asked < floor, "{asked}: {error}"),
                    ErrorKind::NotYet { .. } => assert!(asked > height, "{asked}: {error}"),
                    _ => panic!("{asked}: {error}"),
                },
            }
        }
        let newest = self.runtime.call_latest("").unwrap();
        assert_eq!(State::from_iter(newest), self.reference.at(height));
    }
}
