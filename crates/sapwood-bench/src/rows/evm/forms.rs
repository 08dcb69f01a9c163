//! Blocks that go on from each other.

use anyhow::{Context, Result};
use sapwood_evm::{
    EvmTxn,
    workload::{Environment, PlainRevm, Workload},
};

use super::{
    chains::{Place, Ran, Side, WAYS},
    rounds::{Blocks, Roots},
};
use crate::harness::Bench;

/// A workload, and all sides with the same state.
pub(super) struct Form<W> {
    workload: W,
    environment: Environment,
    block: Vec<EvmTxn>,
    sides: Vec<Side>,
}

impl<W: Workload> Form<W> {
    /// Executes what comes before the first block that is measured.
    pub(super) fn new(bench: &Bench, place: Place, mut workload: W) -> Result<Self> {
        let mut environment = Environment::default();
        let accounts = workload.accounts();
        let genesis = environment.genesis(&accounts);
        let side = |way| Side::new(bench, way, place, &genesis, || PlainRevm::new(1, &accounts));
        let mut sides = WAYS.map(side).into_iter().collect::<Result<Vec<_>>>()?;
        for block in workload.setup() {
            for side in &mut sides {
                side.execute(&environment, &block).context("setting up")?;
            }
            environment = environment.next();
        }
        Ok(Self {
            workload,
            environment,
            block: Vec::new(),
            sides,
        })
    }
}

impl<W: Workload> Blocks for Form<W> {
    fn prepare(&mut self) -> Result<()> {
        if !self.block.is_empty() {
            self.environment = self.environment.next();
        }
        self.block = self.workload.block();
        Ok(())
    }

    fn execute(&mut self, side: usize) -> Result<Ran> {
        let side = self.sides.get_mut(side).context("no such side")?;
        side.execute(&self.environment, &self.block)
    }

    fn finish(&mut self) -> Result<Vec<Roots>> {
        for side in &mut self.sides {
            if let Side::Plain(plain) = side {
                self.workload.check(plain)?;
            }
        }
        let roots = |side: &Side| Ok(vec![side.state_root()?]);
        self.sides.iter().map(roots).collect()
    }
}
