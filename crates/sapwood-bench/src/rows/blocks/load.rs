//! Blocks of payments, and the two ways of running them.

use std::{
    collections::{BTreeMap, HashMap},
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use sapwood::{
    BaseRows, BlockBase, BlockContext, BlockExecutor, BlockExecutorConfig, BlockStats,
    ExecutionStatus, Key, KeyRange, ReadView, Value,
};

use crate::{
    convert::{count, float},
    harness::{Clock, Sample},
    zipf,
};

/// Transactions of a block.
const BLOCK: usize = 10_000;
const SETTINGS: usize = 5;
const START: u64 = 1_000_000;
const SEED: u64 = 4_242;

/// Who pays whom.
#[derive(Clone, Copy)]
pub(super) enum Pairs {
    /// Two different ones of so many accounts, drawn uniformly.
    Random(u32),
    /// Account i pays account i + 1 in transaction i.
    Chain,
}

/// The keys of an account, made once: what a block costs is not how its keys are spelt.
#[derive(Clone)]
struct Account {
    balance: Key,
    sequence: Key,
    sent: Key,
    received: Key,
}

pub(super) struct Payment {
    from: Account,
    to: Account,
    settings: Arc<[Key; SETTINGS]>,
    amount: u64,
    turns: u64,
}

pub(super) struct Load {
    base: Arc<Base>,
    block: Arc<[Payment]>,
    /// What every block changes, in key order.
    wanted: Vec<(Key, Option<Value>)>,
}

pub(super) fn executor(workers: usize) -> Result<BlockExecutor> {
    let mut config = BlockExecutorConfig::default();
    config.workers = workers;
    Ok(BlockExecutor::new(config)?)
}

impl Load {
    pub(super) fn new(pairs: Pairs, work_us: u64) -> Self {
        let pairs = pairs.draw();
        let accounts = pairs.iter().flatten().max().map_or(0, |last| last + 1);
        let accounts: Vec<Account> = (0..accounts).map(Account::new).collect();
        let settings = Arc::new(std::array::from_fn(|number| {
            Key::from(format!("setting/{number}"))
        }));
        let turns = turns_of(Duration::from_micros(work_us));
        let payment = |(amount, pair): (u64, &[u32; 2])| {
            let [from, to] = pair.map(|id| accounts.get(id as usize).cloned());
            Some(Payment {
                from: from?,
                to: to?,
                settings: Arc::clone(&settings),
                amount: amount % 7 + 1,
                turns,
            })
        };
        let block: Vec<_> = (0..).zip(&pairs).filter_map(payment).collect();
        let mut base = HashMap::new();
        for account in &accounts {
            base.insert(account.balance.clone(), number(START));
        }
        for setting in settings.iter() {
            base.insert(setting.clone(), number(1));
        }
        let mut load = Self {
            base: Arc::new(Base(base)),
            block: block.into(),
            wanted: Vec::new(),
        };
        load.wanted = sorted(load.changes_one_by_one());
        load
    }

    /// Runs the block so many times with an executor. Each result is looked at, outside of the time.
    pub(super) fn in_parallel(
        &self,
        executor: &BlockExecutor,
        blocks: u64,
    ) -> Result<(Sample, BlockStats)> {
        let mut stats = BlockStats::default();
        let mut outputs = Vec::new();
        let sample = Clock::Process.time(|| {
            for _ in 0..blocks {
                let base: Arc<dyn BlockBase> = Arc::<Base>::clone(&self.base);
                let run = |ctx: &mut BlockContext<'_>, payment: &Payment| {
                    payment.run(ctx)?;
                    Ok(ExecutionStatus::Success(()))
                };
                let output = executor.execute(base, Arc::clone(&self.block), run);
                let output = output.map_err(|error| anyhow!("{error}"))?;
                stats = output.stats;
                outputs.push(output.changes);
            }
            Ok((blocks * count(BLOCK), 0))
        })?;
        for changes in outputs {
            self.check(&changes.into_iter().collect::<Vec<_>>())?;
        }
        Ok((sample, stats))
    }

    /// Runs the block so many times on this thread.
    pub(super) fn one_by_one(&self, blocks: u64) -> Result<Sample> {
        let mut outputs = Vec::new();
        let sample = Clock::Process.time(|| {
            for _ in 0..blocks {
                outputs.push(self.changes_one_by_one());
            }
            Ok((blocks * count(BLOCK), 0))
        })?;
        for changes in outputs {
            self.check(&sorted(changes))?;
        }
        Ok(sample)
    }

    fn changes_one_by_one(&self) -> HashMap<Key, Value> {
        let mut state = Plain {
            base: &self.base.0,
            changes: HashMap::new(),
        };
        for payment in self.block.iter() {
            // A map that never fails.
            let _ = payment.run(&mut state);
        }
        state.changes
    }

    fn check(&self, changes: &[(Key, Option<Value>)]) -> Result<()> {
        if changes != self.wanted.as_slice() {
            bail!("a block did not change what it does one by one");
        }
        let balances = changes
            .iter()
            .filter(|(key, _)| key.starts_with(b"balance/"));
        let (mut accounts, mut sum) = (0, 0);
        for (_, value) in balances {
            accounts += 1;
            sum += value.as_deref().map_or(0, read);
        }
        if sum != accounts * START {
            bail!("money was made or lost: {sum} in {accounts} accounts");
        }
        Ok(())
    }
}

impl Pairs {
    fn draw(self) -> Vec<[u32; 2]> {
        match self {
            Self::Chain => (0..u32::try_from(BLOCK).unwrap_or(u32::MAX))
                .map(|id| [id, id + 1])
                .collect(),
            Self::Random(accounts) => zipf::uniform(accounts, BLOCK * 2, SEED)
                .chunks_exact(2)
                .filter_map(|pair| {
                    let [a, b] = *pair else { return None };
                    Some([a, if a == b { (b + 1) % accounts } else { b }])
                })
                .collect(),
        }
    }
}

impl Account {
    fn new(id: u32) -> Self {
        let key = |kind: &str| Key::from(format!("{kind}/{id:08}"));
        Self {
            balance: key("balance"),
            sequence: key("sequence"),
            sent: key("sent"),
            received: key("received"),
        }
    }
}

/// What a payment needs of a state.
trait State {
    fn number(&mut self, key: &Key) -> sapwood::Result<u64>;
    fn set(&mut self, key: &Key, value: u64) -> sapwood::Result<()>;
}

impl Payment {
    fn run(&self, state: &mut impl State) -> sapwood::Result<()> {
        let mut fees = 0;
        for setting in self.settings.iter() {
            fees += state.number(setting)?;
        }
        let sequence = state.number(&self.from.sequence)?;
        let rich = state.number(&self.from.balance)?;
        let poor = state.number(&self.to.balance)?;
        work(self.turns, sequence);
        let amount = self.amount.min(rich);
        state.set(&self.from.balance, rich - amount)?;
        state.set(&self.to.balance, poor + amount)?;
        state.set(&self.from.sequence, sequence + 1)?;
        state.set(&self.from.sent, sequence + amount)?;
        state.set(&self.to.received, fees + amount)
    }
}

impl State for BlockContext<'_> {
    fn number(&mut self, key: &Key) -> sapwood::Result<u64> {
        Ok(self.get(key)?.as_deref().map_or(0, read))
    }

    fn set(&mut self, key: &Key, value: u64) -> sapwood::Result<()> {
        BlockContext::set(self, key, value.to_be_bytes())
    }
}

/// The state one by one: changes over the base.
struct Plain<'b> {
    base: &'b HashMap<Key, Value>,
    changes: HashMap<Key, Value>,
}

impl State for Plain<'_> {
    fn number(&mut self, key: &Key) -> sapwood::Result<u64> {
        let value = self.changes.get(key).or_else(|| self.base.get(key));
        Ok(value.map_or(0, |value| read(value)))
    }

    fn set(&mut self, key: &Key, value: u64) -> sapwood::Result<()> {
        self.changes.insert(key.clone(), number(value));
        Ok(())
    }
}

fn number(value: u64) -> Value {
    Value::copy_from_slice(&value.to_be_bytes())
}

fn read(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_be_bytes)
}

fn sorted(changes: HashMap<Key, Value>) -> Vec<(Key, Option<Value>)> {
    let sorted: BTreeMap<_, _> = changes.into_iter().collect();
    sorted
        .into_iter()
        .map(|(key, value)| (key, Some(value)))
        .collect()
}

/// The state below the block.
struct Base(HashMap<Key, Value>);

impl BlockBase for Base {
    fn get(&self, key: &[u8]) -> sapwood::Result<Option<Value>> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, range: &KeyRange) -> BaseRows {
        let rows = self.0.iter().filter(|(key, _)| range.contains(key));
        let rows: BTreeMap<Key, Value> = rows.map(|(k, v)| (k.clone(), v.clone())).collect();
        Box::new(rows.into_iter().map(Ok))
    }
}

/// Computes for so many turns.
fn work(turns: u64, seed: u64) {
    let mut word = seed | 1;
    for _ in 0..turns {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
    }
    black_box(word);
}

/// How many turns take so long, by the fastest of some trials.
fn turns_of(time: Duration) -> u64 {
    const TRIAL: u64 = 100_000;
    if time.is_zero() {
        return 0;
    }
    let trial = |_| {
        let start = Instant::now();
        work(TRIAL, 7);
        start.elapsed()
    };
    let fastest = (0..20).map(trial).min().unwrap_or_default();
    crate::convert::at_least_one(float(TRIAL) * crate::convert::times(time, fastest))
}
