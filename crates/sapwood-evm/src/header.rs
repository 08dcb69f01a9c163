//! What a block's header must say, whatever its transactions do.

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Header, Transaction,
    proofs::{calculate_transaction_root, calculate_withdrawals_root},
};
use alloy_eips::{eip1559::BaseFeeParams, eip4895::Withdrawal, eip7840::BlobParams};
use alloy_primitives::{B64, B256, Bloom, U256};

use crate::{
    block::{EvmBlock, Proposal},
    config::EvmConfig,
    error::EvmError,
    txn::EvmTxn,
};

/// The least gas limit of a block (yellow paper, 4.4.4).
const LEAST_GAS_LIMIT: u64 = 5_000;
/// The part of the gas limit that it must differ by less than.
const GAS_LIMIT_PART: u64 = 1_024;
/// The most bytes of extra data.
const EXTRA_DATA_BYTES: usize = 32;

fn transactions_root(txns: &[EvmTxn]) -> B256 {
    let txns: Vec<_> = txns.iter().map(EvmTxn::inner).collect();
    calculate_transaction_root(&txns)
}

fn blob_gas(txns: &[EvmTxn]) -> u64 {
    let used = txns.iter().filter_map(|txn| txn.inner().blob_gas_used());
    used.sum()
}

/// The base fee of the block after this one (EIP-1559); none before London.
fn base_fee_after(parent: &Header) -> Option<u64> {
    parent.next_block_base_fee(BaseFeeParams::ethereum())
}

/// The excess blob gas of the block after this one (EIP-4844).
fn excess_blob_gas_after(parent: &Header) -> u64 {
    let excess = parent.next_block_excess_blob_gas(BlobParams::cancun());
    excess.unwrap_or_default()
}

/// Whether a block may follow its parent, and its header is of what it brings.
///
/// # Errors
/// [`EvmError::Unfit`] with the first rule that it breaks.
pub(crate) fn check(
    block: &EvmBlock,
    parent: &Header,
    parent_hash: B256,
    config: &EvmConfig,
) -> Result<(), EvmError> {
    check_made(block, parent, parent_hash, config)?;
    let header = &block.header;
    let expect = Expect(header.number);
    expect.equal(
        "transactions root",
        transactions_root(&block.txns),
        header.transactions_root,
    )?;
    let withdrawals = block.withdrawals.as_deref().map(calculate_withdrawals_root);
    expect.equal("withdrawals root", withdrawals, header.withdrawals_root)
}

/// The same of a block that was made here: its roots are those of what it brings.
pub(crate) fn check_made(
    block: &EvmBlock,
    parent: &Header,
    parent_hash: B256,
    config: &EvmConfig,
) -> Result<(), EvmError> {
    let header = &block.header;
    follows(header, parent, parent_hash)?;
    is_of_its_time(block, config)?;
    let expect = Expect(header.number);
    if config.has_blobs() {
        let used = blob_gas(&block.txns);
        expect.equal("blob gas used", Some(used), header.blob_gas_used)?;
        let most = BlobParams::cancun().max_blob_gas_per_block();
        expect.that(used <= most, || {
            format!("its blobs take {used} gas, more than {most}")
        })?;
        let excess = Some(excess_blob_gas_after(parent));
        expect.equal("excess blob gas", excess, header.excess_blob_gas)?;
    }
    Ok(())
}

/// What follows from the block before.
pub(crate) fn follows(header: &Header, parent: &Header, parent_hash: B256) -> Result<(), EvmError> {
    let expect = Expect(header.number);
    expect.equal("number", parent.number.wrapping_add(1), header.number)?;
    expect.equal("parent hash", parent_hash, header.parent_hash)?;
    expect.that(header.timestamp > parent.timestamp, || {
        format!(
            "its time is {}, and the one before is {}",
            header.timestamp, parent.timestamp
        )
    })?;
    let limits = (header.gas_limit, parent.gas_limit);
    expect.that(
        limits.0.abs_diff(limits.1) < limits.1 / GAS_LIMIT_PART,
        || {
            format!(
                "its gas limit is {}, too far from {} before it",
                limits.0, limits.1
            )
        },
    )?;
    expect.that(header.gas_limit >= LEAST_GAS_LIMIT, || {
        format!(
            "its gas limit is {}, less than {LEAST_GAS_LIMIT}",
            header.gas_limit
        )
    })?;
    expect.that(header.gas_used <= header.gas_limit, || {
        format!(
            "it used {} gas of at most {}",
            header.gas_used, header.gas_limit
        )
    })?;
    expect.equal("base fee", base_fee_after(parent), header.base_fee_per_gas)
}

/// What is so in every block of the rules at hand.
fn is_of_its_time(block: &EvmBlock, config: &EvmConfig) -> Result<(), EvmError> {
    let header = &block.header;
    let expect = Expect(header.number);
    expect.that(header.extra_data.len() <= EXTRA_DATA_BYTES, || {
        format!(
            "it has {} bytes of extra data, more than {EXTRA_DATA_BYTES}",
            header.extra_data.len()
        )
    })?;
    expect.equal("difficulty", U256::ZERO, header.difficulty)?;
    expect.equal("nonce", B64::ZERO, header.nonce)?;
    expect.equal("ommers hash", EMPTY_OMMER_ROOT_HASH, header.ommers_hash)?;
    expect.that(block.ommers.is_empty(), || "it has ommers".to_owned())?;
    let has = |there: bool| if there { "there" } else { "missing" };
    let shanghai = config.has_withdrawals();
    expect.equal(
        "withdrawals",
        has(shanghai),
        has(block.withdrawals.is_some()),
    )?;
    expect.equal(
        "withdrawals root",
        has(shanghai),
        has(header.withdrawals_root.is_some()),
    )?;
    let cancun = config.has_blobs();
    let fields = [
        ("blob gas used", header.blob_gas_used.is_some()),
        ("excess blob gas", header.excess_blob_gas.is_some()),
        (
            "parent beacon block root",
            header.parent_beacon_block_root.is_some(),
        ),
    ];
    for (what, there) in fields {
        expect.equal(what, has(cancun), has(there))?;
    }
    expect.equal(
        "requests hash",
        has(false),
        has(header.requests_hash.is_some()),
    )
}

/// The header of a block that is being made, without what comes of executing it.
pub(crate) fn of_proposal(
    proposal: &Proposal,
    parent: &Header,
    parent_hash: B256,
    config: &EvmConfig,
) -> Header {
    let has_blobs = config.has_blobs();
    Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: proposal.beneficiary,
        transactions_root: transactions_root(&proposal.txns),
        logs_bloom: Bloom::ZERO,
        number: parent.number.wrapping_add(1),
        gas_limit: proposal.gas_limit,
        timestamp: proposal.timestamp,
        extra_data: proposal.extra_data.clone(),
        mix_hash: proposal.prev_randao,
        base_fee_per_gas: base_fee_after(parent),
        withdrawals_root: config
            .has_withdrawals()
            .then(|| calculate_withdrawals_root(&proposal.withdrawals)),
        blob_gas_used: has_blobs.then(|| blob_gas(&proposal.txns)),
        excess_blob_gas: has_blobs.then(|| excess_blob_gas_after(parent)),
        parent_beacon_block_root: has_blobs.then_some(proposal.parent_beacon_block_root),
        ..Header::default()
    }
}

/// What withdrawals pay out, in wei.
pub(crate) fn withdrawn(withdrawal: &Withdrawal) -> U256 {
    U256::from(withdrawal.amount) * U256::from(1_000_000_000_u64)
}

/// Refuses a block by its number.
struct Expect(u64);

impl Expect {
    fn that(&self, holds: bool, why: impl FnOnce() -> String) -> Result<(), EvmError> {
        if holds {
            return Ok(());
        }
        let (number, why) = (self.0, why());
        Err(EvmError::Unfit { number, why })
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers and hashes")]
    fn equal<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        expected: T,
        got: T,
    ) -> Result<(), EvmError> {
        self.that(expected == got, || {
            format!("its {what} is {got:?} instead of {expected:?}")
        })
    }
}
