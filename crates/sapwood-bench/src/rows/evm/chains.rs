//! The sides: plain revm, and chains of Sapwood.

use anyhow::{Context, Result};
use sapwood::{BlockStats, Engine, Mode};
use sapwood_evm::{
    EvmChain, EvmConfig, EvmTxn, Genesis,
    revm::context::result::ExecutionResult,
    workload::{Environment, PlainRevm, execute_over},
};

use crate::{
    convert::count,
    harness::{Bench, Clock, Sample},
};

/// How blocks are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    Serial,
    Workers(usize),
    /// Plain revm over the newest state of a chain.
    Snapshot,
}

/// Every way, in the order of the sides.
pub(super) const WAYS: [Way; 6] = [
    Way::Plain,
    Way::Serial,
    Way::Workers(1),
    Way::Workers(2),
    Way::Workers(4),
    Way::Snapshot,
];

/// Where the chains of Sapwood have their state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Memory,
    RocksDb,
}

/// What came of executing blocks.
#[derive(Default)]
pub(super) struct Ran {
    /// Executing the transactions.
    pub(super) execution: Sample,
    /// All of it, with what makes a header, and the commit; of plain revm the same as executing.
    pub(super) block: Sample,
    pub(super) results: Vec<ExecutionResult>,
    pub(super) counts: Counts,
}

/// How transactions were run: committed by the parallel path, one by one, and runs of them in all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) parallel: u64,
    pub(super) serial: u64,
    pub(super) runs: u64,
}

impl Counts {
    fn of(stats: &BlockStats) -> Self {
        Self {
            parallel: stats.parallel,
            serial: stats.serial,
            runs: stats.executions,
        }
    }
}

impl Ran {
    /// The same work, and what else was done.
    pub(super) fn add(&mut self, other: Self) {
        self.execution = sum(self.execution, other.execution);
        self.block = sum(self.block, other.block);
        self.results.extend(other.results);
        self.counts.parallel += other.counts.parallel;
        self.counts.serial += other.counts.serial;
        self.counts.runs += other.counts.runs;
    }

    pub(super) fn gas(&self) -> u64 {
        self.results.iter().map(ExecutionResult::tx_gas_used).sum()
    }
}

fn sum(one: Sample, other: Sample) -> Sample {
    Sample {
        done: one.done + other.done,
        wall: one.wall + other.wall,
        cpu: one
            .cpu
            .unwrap_or_default()
            .checked_add(other.cpu.unwrap_or_default()),
        wrong: one.wrong + other.wrong,
        ..Sample::default()
    }
}

/// Where a side has its state.
pub(super) enum Side {
    Plain(Box<PlainRevm>),
    Chain(Box<EvmChain>),
    Snapshot(Box<EvmChain>),
}

impl Side {
    /// A side that begins with a genesis. `plain` has the same.
    pub(super) fn new(
        bench: &Bench,
        way: Way,
        place: Place,
        genesis: &Genesis,
        plain: impl FnOnce() -> PlainRevm,
    ) -> Result<Self> {
        let mut config = EvmConfig::default();
        match way {
            Way::Plain => return Ok(Self::Plain(Box::new(plain()))),
            Way::Serial | Way::Snapshot => config.executor.mode = Mode::Serial,
            Way::Workers(workers) => config.executor.workers = workers,
        }
        let engine = match place {
            Place::Memory => Engine::in_memory(),
            Place::RocksDb => Engine::open(bench.fresh(&format!("evm-{way:?}"))?)?,
        };
        let chain = EvmChain::create(engine, config, genesis)?;
        let chain = Box::new(chain);
        Ok(match way {
            Way::Snapshot => Self::Snapshot(chain),
            _ => Self::Chain(chain),
        })
    }

    /// Executes a block.
    pub(super) fn execute(&mut self, environment: &Environment, txns: &[EvmTxn]) -> Result<Ran> {
        match self {
            Self::Plain(plain) => {
                let ready = PlainRevm::ready(txns);
                let mut results = Vec::new();
                let execution = Clock::Process.time(|| {
                    results = plain.execute(environment, ready)?;
                    Ok((count(results.len()), 0))
                })?;
                Ok(Ran {
                    execution,
                    block: execution,
                    results,
                    counts: Counts::default(),
                })
            }
            Self::Snapshot(chain) => {
                let ready = PlainRevm::ready(txns);
                let state = chain.state()?;
                let mut results = Vec::new();
                let execution = Clock::Process.time(|| {
                    results = execute_over(state, environment, ready)?;
                    Ok((count(results.len()), 0))
                })?;
                // The chain goes on, so that the next block finds its state.
                let proposal = environment.proposal(txns.to_vec());
                let executed = chain.propose(proposal)?;
                chain.prune_before(executed.header.number)?;
                Ok(Ran {
                    execution,
                    block: execution,
                    results,
                    counts: Counts::default(),
                })
            }
            Self::Chain(chain) => {
                let proposal = environment.proposal(txns.to_vec());
                let mut executed = None;
                let block = Clock::Process.time(|| {
                    executed = Some(chain.propose(proposal)?);
                    Ok((count(txns.len()), 0))
                })?;
                let executed = executed.context("no block")?;
                let execution = Sample {
                    wall: executed.stats.took,
                    cpu: None,
                    ..block
                };
                // Nobody looks back, and memory is to hold the rounds to come.
                chain.prune_before(executed.header.number)?;
                Ok(Ran {
                    execution,
                    block,
                    results: executed.results,
                    counts: Counts::of(&executed.stats),
                })
            }
        }
    }

    /// The root of all accounts and slots.
    pub(super) fn state_root(&self) -> Result<[u8; 32]> {
        Ok(match self {
            Self::Plain(plain) => plain.state_root().0,
            Self::Chain(chain) | Self::Snapshot(chain) => chain.state()?.state_root()?.0,
        })
    }
}
