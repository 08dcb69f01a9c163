//! Executing a block's transactions, with what stands before and after them, on Sapwood's block executor.

use std::sync::Arc;

use alloy_consensus::{Header, Transaction};
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{Address, B256, Bloom, U256};
use revm::{
    context::{BlockEnv, TxEnv, result::ExecutionResult},
    primitives::eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN,
    state::EvmState as Changes,
};
use sapwood::{
    BlockBase, BlockContext, BlockEnd, BlockExecutor, BlockFailure, BlockOutput, BlockStats,
    ChangeSet, ExecutionStatus, TxnOutcome,
};

use crate::{
    account::StorageId,
    apply::{apply, apply_foreign, settle},
    code::CodeCache,
    config::EvmConfig,
    database::Rows,
    error::{EvmError, Stopped},
    header::withdrawn,
    machine::{Rules, system_call, transact},
    txn::{EvmTxn, environment},
};

/// What a block's transactions are to the executor.
#[expect(
    clippy::large_enum_variant,
    reason = "all but two of a block are transactions"
)]
enum Step {
    /// Before them: what the system calls.
    Begin,
    Txn(TxEnv),
    /// After them: withdrawals and fees.
    End,
}

/// What came of one.
#[derive(Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "all but two of a block are transactions"
)]
enum StepOutput {
    Done,
    /// With the bloom of its logs, which takes as long as some transactions.
    Ran(ExecutionResult, Bloom),
    Invalid(String),
}

/// What all of them share.
struct Work {
    rules: Rules,
    height: u64,
    parent_beacon_block_root: Option<B256>,
    /// In wei.
    withdrawals: Vec<(Address, U256)>,
    codes: Arc<CodeCache>,
}

/// A block that was executed, and is not committed.
pub(crate) struct Executed {
    pub(crate) results: Vec<ExecutionResult>,
    pub(crate) blooms: Vec<Bloom>,
    pub(crate) changes: ChangeSet,
    pub(crate) stats: BlockStats,
}

pub(crate) fn block_environment(header: &Header, config: &EvmConfig) -> BlockEnv {
    let mut block = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: Some(header.mix_hash),
        ..BlockEnv::default()
    };
    block.blob_excess_gas_and_price = None;
    if config.has_blobs() {
        let excess = header.excess_blob_gas.unwrap_or_default();
        block.set_blob_excess_gas_and_price(excess, BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN);
    }
    block
}

/// Executes a block on a state. Its header is taken as it is.
pub(crate) fn execute(
    executor: &BlockExecutor,
    base: Arc<dyn BlockBase>,
    config: &EvmConfig,
    codes: &Arc<CodeCache>,
    header: &Header,
    txns: &[EvmTxn],
    withdrawals: &[alloy_eips::eip4895::Withdrawal],
) -> Result<Executed, EvmError> {
    let number = header.number;
    let work = Work {
        rules: Rules {
            cfg: config.cfg(),
            block: block_environment(header, config),
        },
        height: number,
        parent_beacon_block_root: header.parent_beacon_block_root,
        withdrawals: withdrawals
            .iter()
            .map(|it| (it.address, withdrawn(it)))
            .collect(),
        codes: Arc::clone(codes),
    };
    let mut steps = Vec::with_capacity(txns.len() + 2);
    steps.push(Step::Begin);
    steps.extend(txns.iter().map(|txn| Step::Txn(environment(txn))));
    steps.push(Step::End);
    let ended = executor.execute(base, steps, move |ctx, step| run(&work, ctx, step));
    let (outputs, changes, stats) = whole(number, ended)?;
    let mut results = Vec::with_capacity(txns.len());
    let mut blooms = Vec::with_capacity(txns.len());
    for output in outputs {
        if let StepOutput::Ran(result, bloom) = output {
            results.push(result);
            blooms.push(bloom);
        }
    }
    fits_its_gas(number, header.gas_limit, txns, &results)?;
    Ok(Executed {
        results,
        blooms,
        changes,
        stats,
    })
}

/// What the transactions of a block changed that somebody else has run, as rows.
pub(crate) fn replay(
    executor: &BlockExecutor,
    base: Arc<dyn BlockBase>,
    number: u64,
    changes: Vec<Changes>,
) -> Result<ChangeSet, EvmError> {
    let ended = executor.execute(base, changes, move |ctx, changes| {
        // As if the system's calls stood before it, as in a block that is executed here.
        let storage = StorageId::new(number, ctx.index().saturating_add(1));
        apply_foreign(ctx, storage, changes)?;
        Ok(ExecutionStatus::Success(StepOutput::Done))
    });
    let (_, changes, _) = whole(number, ended)?;
    Ok(changes)
}

/// What a block came to, if all of its steps were executed to their ends: a limit of the executor's may not leave any out.
fn whole(
    number: u64,
    ended: Result<BlockOutput<StepOutput>, sapwood::BlockError<StepOutput>>,
) -> Result<(Vec<StepOutput>, ChangeSet, BlockStats), EvmError> {
    let output = ended.map_err(|error| failed(number, error))?;
    if output.end != BlockEnd::Complete {
        let why = "it is more than block_limit of the executor allows: leave that out".to_owned();
        return Err(EvmError::Failed { number, why });
    }
    let outputs = output.outcomes.into_iter().enumerate();
    let outputs = outputs.map(|(index, outcome)| match outcome {
        TxnOutcome::Success(output) => Ok(output),
        _ => {
            let why = format!(
                "step {index} called more than operations_limit of the executor allows: raise it"
            );
            Err(EvmError::Failed { number, why })
        }
    });
    let outputs = outputs.collect::<Result<_, _>>()?;
    Ok((outputs, output.changes, output.stats))
}

/// Each transaction must find as much gas left in the block as it may use.
fn fits_its_gas(
    number: u64,
    limit: u64,
    txns: &[EvmTxn],
    results: &[ExecutionResult],
) -> Result<(), EvmError> {
    let mut left = limit;
    for (index, (txn, result)) in txns.iter().zip(results).enumerate() {
        let asked = txn.inner().gas_limit();
        if asked > left {
            let why = format!("it may use {asked} gas, and {left} of the block's are left");
            return Err(EvmError::InvalidTransaction { number, index, why });
        }
        left = left.saturating_sub(result.tx_gas_used());
    }
    Ok(())
}

fn failed(number: u64, error: sapwood::BlockError<StepOutput>) -> EvmError {
    let message = error.to_string();
    match *error.failure {
        BlockFailure::Aborted {
            index,
            output: StepOutput::Invalid(why),
        } => EvmError::InvalidTransaction {
            number,
            // The first step is the system's.
            index: (index as usize).saturating_sub(1),
            why,
        },
        BlockFailure::Failed { error, .. } | BlockFailure::Refused(error) => error.into(),
        _ => EvmError::Failed {
            number,
            why: message,
        },
    }
}

fn run(
    work: &Work,
    ctx: &mut BlockContext<'_>,
    step: &Step,
) -> sapwood::Result<ExecutionStatus<StepOutput>> {
    let ended = match step {
        Step::Begin => begin(work, ctx),
        Step::Txn(txn) => run_txn(work, ctx, txn.clone()),
        Step::End => end(work, ctx),
    };
    match ended {
        Ok(output) => Ok(ExecutionStatus::Success(output)),
        Err(Stopped::Invalid(why)) => Ok(ExecutionStatus::Abort(StepOutput::Invalid(why))),
        Err(Stopped::Store(error)) => Err(error),
    }
}

fn storage_of(work: &Work, ctx: &BlockContext<'_>) -> StorageId {
    StorageId::new(work.height, ctx.index())
}

fn begin(work: &Work, ctx: &mut BlockContext<'_>) -> Result<StepOutput, Stopped> {
    if let Some(root) = work.parent_beacon_block_root {
        let rows = Rows::new(&*ctx, &work.codes, None);
        let ran = system_call(&work.rules, rows, BEACON_ROOTS_ADDRESS, root.0.into())?;
        let (_, changes, fees, loaded) = ran.into_parts();
        let (storage, beneficiary) = (storage_of(work, ctx), work.rules.block.beneficiary);
        apply(ctx, storage, beneficiary, &changes, &loaded, fees)?;
    }
    Ok(StepOutput::Done)
}

fn run_txn(work: &Work, ctx: &mut BlockContext<'_>, txn: TxEnv) -> Result<StepOutput, Stopped> {
    let beneficiary = work.rules.block.beneficiary;
    let rows = Rows::new(&*ctx, &work.codes, Some(beneficiary));
    let ran = transact(&work.rules, rows, txn)?;
    let (result, changes, fees, loaded) = ran.into_parts();
    let storage = storage_of(work, ctx);
    apply(ctx, storage, beneficiary, &changes, &loaded, fees)?;
    let bloom = result.logs().iter().collect();
    Ok(StepOutput::Ran(result, bloom))
}

fn end(work: &Work, ctx: &mut BlockContext<'_>) -> Result<StepOutput, Stopped> {
    let withdrawals = work.withdrawals.iter().copied();
    settle(ctx, withdrawals, &work.rules.block.beneficiary)?;
    Ok(StepOutput::Done)
}
