//! The transfers of real blocks, each on the state that it had before it.

use anyhow::{Context, Result};
use sapwood_evm::workload::{MainnetBlock, PlainRevm};

use super::{
    chains::{Place, Ran, Side, WAYS},
    rounds::{Blocks, Roots},
};
use crate::{harness::Bench, rows::space};

pub(super) struct Mainnet<'b> {
    bench: &'b Bench,
    blocks: Vec<MainnetBlock>,
    /// Of each block, made anew for each round.
    sides: Vec<Vec<Side>>,
}

impl<'b> Mainnet<'b> {
    /// The blocks of the data; `None` where it is missing.
    pub(super) fn read(bench: &'b Bench) -> Result<Option<Self>> {
        let Some(folder) = space::data("ethereum-state")? else {
            bench.remark(
                "E1.mainnet: left out: there is no ethereum-state; set SAPWOOD_DATA to the data's folder"
                    .to_owned(),
            );
            return Ok(None);
        };
        let blocks = MainnetBlock::read_all(&folder)?;
        let transfers: usize = blocks.iter().map(|block| block.txns.len()).sum();
        let left_out: usize = blocks.iter().map(|block| block.left_out).sum();
        bench.remark(format!(
            "E1.mainnet: {transfers} transfers of {} blocks; {left_out} transactions are left out, whose senders lack what \
             calls would have given them",
            blocks.len()
        ));
        Ok(Some(Self {
            bench,
            blocks,
            sides: Vec::new(),
        }))
    }
}

impl Blocks for Mainnet<'_> {
    fn prepare(&mut self) -> Result<()> {
        let sides = |block: &MainnetBlock| {
            let genesis = block.environment.genesis(&block.accounts);
            let plain = || PlainRevm::new(1, &block.accounts);
            let side = |way| Side::new(self.bench, way, Place::Memory, &genesis, plain);
            WAYS.map(side).into_iter().collect::<Result<Vec<_>>>()
        };
        self.sides = self.blocks.iter().map(sides).collect::<Result<_>>()?;
        Ok(())
    }

    fn execute(&mut self, side: usize) -> Result<Ran> {
        let mut all = Ran::default();
        for (block, sides) in self.blocks.iter().zip(&mut self.sides) {
            let side = sides.get_mut(side).context("no such side")?;
            let ran = side.execute(&block.environment, &block.txns);
            let named = || format!("block {}", block.environment.number);
            all.add(ran.with_context(named)?);
        }
        Ok(all)
    }

    fn finish(&mut self) -> Result<Vec<Roots>> {
        let mut roots = vec![Roots::new(); WAYS.len()];
        for sides in &self.sides {
            for (side, all) in sides.iter().zip(&mut roots) {
                if let Side::Plain(plain) = side {
                    plain.check_ether()?;
                }
                all.push(side.state_root()?);
            }
        }
        Ok(roots)
    }
}
