//! Ethereum's official tests, and the state of a chain at a height.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sapwood::{Checkpoint, Engine, Mode};
use sapwood_evm::{
    BlockchainTest, CallResult, EvmCall, EvmConfig, EvmError, EvmState, ExecutedBlock,
    primitives::{Address, B256, Bytes, U256},
};

use crate::{
    args::{EvmAction, EvmCallArgs, EvmRunArgs},
    failure::{Failure, Result},
    progress,
    session::{Session, path_or_default},
};

/// What was executed or read.
#[derive(Clone, Debug)]
pub(crate) enum EvmAnswer {
    /// Tests were executed.
    Ran(Summary),
    /// What an account has.
    Balance(U256),
    /// A slot.
    Slot(U256),
    /// The slots of an account.
    Slots(Vec<(U256, U256)>),
    /// Code.
    Code(Bytes),
    /// A call came to its end, or did not.
    Called(CallResult),
}

/// What came of tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    /// The tests that failed, and why.
    pub(crate) failed: Vec<(String, String)>,
    pub(crate) blocks: u64,
    pub(crate) transactions: usize,
    pub(crate) gas: u64,
    /// Threads that executed a block; none where it was one after the other.
    pub(crate) workers: Option<usize>,
    pub(crate) took: Duration,
}

impl Summary {
    fn see(&mut self, block: &ExecutedBlock) {
        self.blocks += 1;
        self.transactions += block.receipts.len();
        self.gas += block.header.gas_used;
    }
}

impl From<EvmError> for Failure {
    fn from(error: EvmError) -> Self {
        match error {
            EvmError::Store(error) => error.into(),
            EvmError::Pruned { .. } => Self::new("pruned", error.to_string()),
            EvmError::NotYet { .. } => Self::new("not_yet", error.to_string()),
            _ => Self::invalid(error.to_string()),
        }
    }
}

/// Does what is asked.
#[expect(
    clippy::needless_pass_by_value,
    reason = "as all commands are given it"
)]
pub(crate) fn run(action: EvmAction, db: Option<PathBuf>) -> Result<EvmAnswer> {
    let read = |height| State::open(db.clone(), height);
    match action {
        EvmAction::Run(args) => run_tests(&args, db.as_deref()).map(EvmAnswer::Ran),
        EvmAction::Balance { address, at } => {
            read(at.height)?.ask(|state| Ok(EvmAnswer::Balance(state.balance(address)?)))
        }
        EvmAction::Storage { address, slot, at } => {
            read(at.height)?.ask(|state| storage(state, address, slot))
        }
        EvmAction::Code { address, at } => {
            read(at.height)?.ask(|state| Ok(EvmAnswer::Code(state.code(address)?)))
        }
        EvmAction::Call(args) => read(args.at.height)?.ask(|state| call(state, args)),
    }
}

/// A state of a chain in an open database.
struct State {
    session: Session,
    state: EvmState,
}

impl State {
    fn open(db: Option<PathBuf>, height: Option<u64>) -> Result<Self> {
        let path = path_or_default(db);
        let session = if Checkpoint::read(&path).is_ok() {
            // So that it stays one.
            Session::checkpoint(&path)?
        } else {
            Session::existing(&path)?
        };
        let engine = &session.engine;
        let state = height.map_or_else(
            || EvmState::newest(engine),
            |height| EvmState::at(engine, height),
        )?;
        Ok(Self { session, state })
    }

    fn ask(
        self,
        ask: impl FnOnce(&EvmState) -> std::result::Result<EvmAnswer, EvmError>,
    ) -> Result<EvmAnswer> {
        let Self { mut session, state } = self;
        let answer = ask(&state)?;
        drop(state);
        session.close()?;
        Ok(answer)
    }
}

fn storage(
    state: &EvmState,
    address: Address,
    slot: Option<U256>,
) -> std::result::Result<EvmAnswer, EvmError> {
    if let Some(slot) = slot {
        return Ok(EvmAnswer::Slot(state.storage(address, slot)?));
    }
    let slots = state.slots(address)?;
    Ok(EvmAnswer::Slots(
        slots.collect::<std::result::Result<_, _>>()?,
    ))
}

fn call(state: &EvmState, args: EvmCallArgs) -> std::result::Result<EvmAnswer, EvmError> {
    let mut call = EvmCall::new(args.address, args.data);
    call.from = args.from;
    call.value = args.value;
    call.gas_limit = args.gas;
    Ok(EvmAnswer::Called(state.call(&call)?))
}

fn run_tests(args: &EvmRunArgs, db: Option<&Path>) -> Result<Summary> {
    let tests = tests(args)?;
    if let Some(db) = db
        && tests.len() != 1
    {
        return Err(Failure::invalid(format!(
            "{} keeps the chain of one test, and these are {}: choose one with --name",
            db.display(),
            tests.len()
        ))
        .unusable());
    }
    let mut config = EvmConfig::default();
    config.verify_state_root = true;
    // Blocks of tests are small: what they are to show is that running them in parallel changes nothing.
    config.executor.min_parallel_txns = 1;
    config.executor.adaptive = false;
    if let Some(workers) = args.workers {
        config.executor.workers = workers.into();
    }
    if args.serial {
        config.executor.mode = Mode::Serial;
    }
    let mut summary = Summary {
        workers: (!args.serial).then_some(config.executor.workers),
        ..Summary::default()
    };
    let begun = Instant::now();
    let bar = progress::items("executing", tests.len() as u64);
    for (name, test) in tests {
        match run_test(&test, config.clone(), db, &mut summary)? {
            Ok(()) => summary.passed += 1,
            Err(error) => summary.failed.push((name, error.to_string())),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    summary.took = begun.elapsed();
    Ok(summary)
}

/// Executes a test, in memory unless its chain is to be kept.
fn run_test(
    test: &BlockchainTest,
    config: EvmConfig,
    db: Option<&Path>,
    summary: &mut Summary,
) -> Result<std::result::Result<(), EvmError>> {
    let see = |block: &ExecutedBlock| summary.see(block);
    let Some(db) = db else {
        let ran = test.run_with(Engine::in_memory(), config, see);
        return Ok(ran.map(|_| ()));
    };
    let mut session = Session::create(db)?;
    let ran = test.run_with(session.engine.clone(), config, see);
    let ran = ran.map(|_| ());
    session.close()?;
    Ok(ran)
}

/// The tests that are meant, by their names.
fn tests(args: &EvmRunArgs) -> Result<BTreeMap<String, BlockchainTest>> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    let mut tests = BTreeMap::new();
    for file in files {
        let read = BlockchainTest::read(&file)?;
        let meant = |name: &String| args.name.as_ref().is_none_or(|text| name.contains(text));
        tests.extend(read.into_iter().filter(|(name, _)| meant(name)));
    }
    if tests.is_empty() {
        let message =
            "no test is there: name files of Ethereum's BlockchainTests, or directories of them";
        return Err(Failure::invalid(message));
    }
    Ok(tests)
}

/// The files of a path; of a directory those that end in `.json`, in it and below it.
fn collect(path: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let refused = |error| Failure::io(path.display(), &error);
    if !fs::metadata(path).map_err(refused)?.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(refused)?;
    let entries = entries.map(|entry| Ok(entry.map_err(refused)?.path()));
    let mut entries = entries.collect::<Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|end| end == "json") {
            collect(&entry, into)?;
        }
    }
    Ok(())
}

/// A slot as it is written: 32 bytes, hexadecimal.
pub(crate) fn word(number: &U256) -> String {
    B256::from(*number).to_string()
}
