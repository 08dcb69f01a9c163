//! [`EvmChain`]: blocks, one after the other.

use std::sync::{Arc, Mutex, PoisonError};

use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxType,
    proofs::calculate_receipt_root,
};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{B256, Bloom, keccak256};
use alloy_rlp::Decodable;
use revm::{context::result::ExecutionResult, state::EvmState as Changes};
use sapwood::{
    Batch, BlockBase, BlockExecutor, BlockOverlay, BlockStats, ChangeSet, Engine, PruneReport,
    RollbackReport, Timestamp,
};

use crate::{
    account::{Account, StorageId},
    apply::sweep,
    block::{EvmBlock, Genesis, GenesisAccount, Proposal},
    code::CodeCache,
    config::EvmConfig,
    error::EvmError,
    execute::{Executed, execute, replay},
    header, keys,
    root::state_root,
    state::{EvmState, height_of, timestamp_of},
    txn::EvmTxn,
};

/// A chain of Ethereum blocks on a store of its own: executed in parallel, one commit for each block, the state
/// readable at every height that is kept.
///
/// Block `h` is the commit of [`timestamp_of`]`(h)`. Nothing else may be committed to the store.
///
/// # Examples
/// ```
/// use sapwood::Engine;
/// use sapwood_evm::{
///     EvmChain, EvmConfig, EvmState, EvmTxn, Genesis, GenesisAccount, Header, Proposal, SignedTxn,
///     consensus::{SignableTransaction, TxLegacy},
///     primitives::{Address, Signature, TxKind, U256},
/// };
///
/// let (ada, bob, miner) = (Address::repeat_byte(1), Address::repeat_byte(2), Address::repeat_byte(3));
/// let mut genesis = Genesis::default();
/// genesis.header = Header { gas_limit: 30_000_000, base_fee_per_gas: Some(7), ..Header::default() };
/// let rich = GenesisAccount { balance: U256::from(10).pow(U256::from(18)), ..GenesisAccount::default() };
/// genesis.accounts.insert(ada, rich);
/// let chain = EvmChain::create(Engine::in_memory(), EvmConfig::default(), &genesis)?;
///
/// let payment = TxLegacy {
///     gas_price: 10, gas_limit: 21_000, to: TxKind::Call(bob), value: U256::from(5), ..TxLegacy::default()
/// };
/// // In earnest the sender is found from the signature: EvmBlock::decode does that.
/// let signed = SignedTxn::from(payment.into_signed(Signature::test_signature()));
/// let block = chain.propose(Proposal::new(miner, 1, 30_000_000, vec![EvmTxn::new_unchecked(signed, ada)]))?;
/// assert_eq!(block.header.gas_used, 21_000);
///
/// let state = EvmState::at(chain.engine(), 1)?;
/// assert_eq!(state.balance(bob)?, U256::from(5));
/// assert_eq!(state.balance(miner)?, U256::from(21_000 * (10 - 7)));
/// assert_eq!(chain.state_at(0)?.balance(bob)?, U256::ZERO);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EvmChain {
    engine: Engine,
    executor: BlockExecutor,
    config: EvmConfig,
    codes: Arc<CodeCache>,
    /// Held by whoever changes the chain, from its beginning to its end.
    turn: Mutex<()>,
    /// Held no longer than to look at it: who reads does not wait for a block.
    head: Mutex<Head>,
}

/// The newest block.
#[derive(Clone, Debug)]
struct Head {
    header: Header,
    hash: B256,
}

/// A block that was executed and committed.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExecutedBlock {
    /// Its header.
    pub header: Header,
    /// The header's hash.
    pub hash: B256,
    /// Of its transactions, in order.
    pub receipts: Vec<ReceiptEnvelope>,
    /// What its transactions came to, in order.
    pub results: Vec<ExecutionResult>,
    /// How it was run. The one thing that differs from run to run.
    pub stats: BlockStats,
    /// How many keys it wrote.
    pub keys: usize,
}

impl EvmChain {
    /// Begins a chain on an empty store. Nobody's code, and everybody's balance, are those of the genesis.
    ///
    /// # Errors
    /// [`EvmError::Chain`] for a store that is not empty, or rules that are not known;
    /// [`EvmError::Malformed`] for a header with gaps, [`EvmError::Mismatch`] for a genesis with another state root than its header says
    /// ([`verify_state_root`](EvmConfig::verify_state_root)); of writing.
    pub fn create(engine: Engine, config: EvmConfig, genesis: &Genesis) -> Result<Self, EvmError> {
        config.check()?;
        if engine.visible() != Timestamp::ZERO {
            let message =
                "a chain begins on an empty store, and this one has commits: open it instead";
            return Err(EvmError::Chain(message.to_owned()));
        }
        // A header with a field but without one before it has an encoding that cannot be read.
        let rlp = alloy_rlp::encode(&genesis.header);
        if Header::decode(&mut &rlp[..]).ok().as_ref() != Some(&genesis.header) {
            let why =
                "it has a field of a later fork and lacks one of an earlier: set both, or neither";
            return Err(EvmError::malformed("the header of the genesis", why));
        }
        let mut batch = Batch::new();
        let mut chain = Vec::from(config.chain_id.to_be_bytes());
        chain.push(config.spec as u8);
        batch.set(keys::CHAIN, chain);
        for (address, account) in &genesis.accounts {
            begin_account(&mut batch, address, account, genesis.header.number);
        }
        let head = put_header(&mut batch, &genesis.header);
        if config.verify_state_root {
            let trial = Engine::in_memory();
            trial.commit(batch.clone(), config.commit)?;
            let root = state_root(&trial.snapshot()?)?;
            expect(
                &genesis.header,
                "state root",
                genesis.header.state_root,
                root,
            )?;
        }
        let options = config.commit.at(timestamp_of(head.header.number));
        engine.commit(batch, options)?;
        Self::with_head(engine, config, head)
    }

    /// Goes on with a chain that a store has.
    ///
    /// # Errors
    /// [`EvmError::Chain`] for a store without one, or with one of other rules than the configuration's.
    pub fn open(engine: Engine, config: EvmConfig) -> Result<Self, EvmError> {
        config.check()?;
        let state = EvmState::newest(&engine)?;
        let (chain_id, spec) = state.rules()?;
        if (chain_id, spec) != (config.chain_id, config.spec) {
            return Err(EvmError::Chain(format!(
                "the store has chain {chain_id} of {spec}, and chain {} of {} is asked for: take its own configuration",
                config.chain_id, config.spec
            )));
        }
        let head = head_of(&state)?;
        Self::with_head(engine, config, head)
    }

    fn with_head(engine: Engine, config: EvmConfig, head: Head) -> Result<Self, EvmError> {
        Ok(Self {
            executor: BlockExecutor::new(config.executor.clone())?,
            codes: Arc::new(CodeCache::new(config.code_cache_size)),
            turn: Mutex::default(),
            head: Mutex::new(head),
            engine,
            config,
        })
    }

    /// The store.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How blocks are executed.
    pub fn config(&self) -> &EvmConfig {
        &self.config
    }

    /// The header of the newest block.
    pub fn head(&self) -> Header {
        self.lock().header.clone()
    }

    /// The height of the newest block.
    pub fn height(&self) -> u64 {
        self.lock().header.number
    }

    /// The newest state.
    ///
    /// # Errors
    /// Of reading.
    pub fn state(&self) -> Result<EvmState, EvmError> {
        self.state_at(self.height())
    }

    /// The state at a height.
    ///
    /// # Errors
    /// As [`EvmState::at`].
    pub fn state_at(&self, height: u64) -> Result<EvmState, EvmError> {
        EvmState::with_codes(&self.engine, height, Arc::clone(&self.codes))
    }

    /// Executes a block, compares what came of it with its header, and commits it at its height.
    ///
    /// # Errors
    /// With nothing committed: [`EvmError::Unfit`] for a block that may not follow the newest one,
    /// [`EvmError::InvalidTransaction`], [`EvmError::Mismatch`] where gas, logs, receipts (or, where asked for, the
    /// state root) are others than the header says, and of the store.
    pub fn execute_block(&self, block: &EvmBlock) -> Result<ExecutedBlock, EvmError> {
        let _turn = self.turn();
        let head = self.lock().clone();
        header::check(block, &head.header, head.hash, &self.config)?;
        let withdrawals = block.withdrawals.as_deref().unwrap_or_default();
        let (executed, base) = self.execute(&head, &block.header, &block.txns, withdrawals)?;
        let receipts = receipts(&block.txns, &executed);
        let header = &block.header;
        let came_of_it = CameOfIt::of(&receipts, &executed.results);
        expect(header, "gas used", header.gas_used, came_of_it.gas_used)?;
        expect(
            header,
            "logs bloom",
            header.logs_bloom,
            came_of_it.logs_bloom,
        )?;
        expect(
            header,
            "receipts root",
            header.receipts_root,
            came_of_it.receipts_root,
        )?;
        let changes = Arc::new(executed.changes);
        if self.config.verify_state_root {
            let root = state_root(&BlockOverlay::new(Arc::clone(&base), Arc::clone(&changes)))?;
            expect(header, "state root", header.state_root, root)?;
        }
        let (keys, hash) = self.commit(&*base, header, &changes)?;
        Ok(ExecutedBlock {
            header: header.clone(),
            hash,
            receipts,
            results: executed.results,
            stats: executed.stats,
            keys,
        })
    }

    /// Makes the next block of these transactions: executes them, writes the header, commits it. Its state root is
    /// zero unless [`verify_state_root`](EvmConfig::verify_state_root) has it computed.
    ///
    /// # Errors
    /// As [`EvmChain::execute_block`].
    pub fn propose(&self, proposal: Proposal) -> Result<ExecutedBlock, EvmError> {
        let _turn = self.turn();
        let head = self.lock().clone();
        let header = header::of_proposal(&proposal, &head.header, head.hash, &self.config);
        let Proposal {
            txns, withdrawals, ..
        } = proposal;
        let has_withdrawals = self.config.has_withdrawals();
        // Where the rules have none, those that are given refuse the block.
        let has_withdrawals = has_withdrawals || !withdrawals.is_empty();
        let block = EvmBlock::new(header, txns, has_withdrawals.then_some(withdrawals));
        header::check_made(&block, &head.header, head.hash, &self.config)?;
        let withdrawals = block.withdrawals.as_deref().unwrap_or_default();
        let (executed, base) = self.execute(&head, &block.header, &block.txns, withdrawals)?;
        let receipts = receipts(&block.txns, &executed);
        let mut header = block.header;
        let came_of_it = CameOfIt::of(&receipts, &executed.results);
        header.gas_used = came_of_it.gas_used;
        header.logs_bloom = came_of_it.logs_bloom;
        header.receipts_root = came_of_it.receipts_root;
        let changes = Arc::new(executed.changes);
        if self.config.verify_state_root {
            header.state_root =
                state_root(&BlockOverlay::new(Arc::clone(&base), Arc::clone(&changes)))?;
        }
        let (keys, hash) = self.commit(&*base, &header, &changes)?;
        Ok(ExecutedBlock {
            header,
            hash,
            receipts,
            results: executed.results,
            stats: executed.stats,
            keys,
        })
    }

    /// Commits a block that a node has executed by itself, on [`EvmChain::state`]: what each of its steps changed, in
    /// order, fees and withdrawals included, as revm's `finalize` gives it. That the header is of these changes is
    /// the node's to know. Returns how many keys were written.
    ///
    /// # Errors
    /// [`EvmError::Unfit`] for a header that does not follow the newest one, and of the store.
    pub fn commit_changes(
        &self,
        header: &Header,
        changes: Vec<Changes>,
    ) -> Result<usize, EvmError> {
        let _turn = self.turn();
        let head = self.lock().clone();
        header::follows(header, &head.header, head.hash)?;
        let base = self.base(&head)?;
        let changes = replay(&self.executor, Arc::clone(&base), header.number, changes)?;
        Ok(self.commit(&*base, header, &changes)?.0)
    }

    /// Takes back the blocks above a height, as a chain does that reorganises itself: their states are gone.
    ///
    /// # Errors
    /// [`EvmError::Pruned`], [`EvmError::NotYet`], and as [`Engine::rollback_to`].
    pub fn rollback_to(&self, height: u64) -> Result<RollbackReport, EvmError> {
        let _turn = self.turn();
        // Held no longer than to see that it is there: a state that is read keeps the store from going back.
        let new_head = head_of(&self.state_at(height)?)?;
        let report = self.engine.rollback_to(timestamp_of(height))?;
        *self.lock() = new_head;
        Ok(report)
    }

    /// Gives up the states below a height.
    ///
    /// # Errors
    /// As [`Engine::prune_before`].
    pub fn prune_before(&self, height: u64) -> Result<PruneReport, EvmError> {
        Ok(self.engine.prune_before(timestamp_of(height))?)
    }

    /// The newest state, which must be the newest block's.
    fn base(&self, head: &Head) -> Result<Arc<dyn BlockBase>, EvmError> {
        let snapshot = self.engine.snapshot()?;
        if height_of(snapshot.timestamp()) != head.header.number {
            return Err(EvmError::Chain(format!(
                "somebody else has committed to the chain's store, at {}: open it anew",
                snapshot.timestamp()
            )));
        }
        Ok(Arc::new(snapshot))
    }

    fn execute(
        &self,
        head: &Head,
        header: &Header,
        txns: &[EvmTxn],
        withdrawals: &[Withdrawal],
    ) -> Result<(Executed, Arc<dyn BlockBase>), EvmError> {
        let base = self.base(head)?;
        let executed = execute(
            &self.executor,
            Arc::clone(&base),
            &self.config,
            &self.codes,
            header,
            txns,
            withdrawals,
        )?;
        Ok((executed, base))
    }

    /// Commits what a block changes, with its header. Returns how many keys were written, and the header's hash.
    fn commit(
        &self,
        base: &dyn BlockBase,
        header: &Header,
        changes: &ChangeSet,
    ) -> Result<(usize, B256), EvmError> {
        let mut batch = Batch::new();
        for (key, value) in changes.iter() {
            match value {
                Some(value) => batch.set(key, value),
                // It was not there before the block either.
                None if **key == *keys::FEES => continue,
                None => batch.delete(key),
            };
        }
        sweep(base, self.config.sweep_slots, &mut batch)?;
        let new_head = put_header(&mut batch, header);
        let keys = batch.len();
        let options = self.config.commit.at(timestamp_of(header.number));
        self.engine.commit(batch, options)?;
        let hash = new_head.hash;
        *self.lock() = new_head;
        Ok((keys, hash))
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        // A block that failed has changed nothing.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Head> {
        // It is replaced as a whole, once its block is committed.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head_of(state: &EvmState) -> Result<Head, EvmError> {
    let header = state.header()?;
    let hash = header.hash_slow();
    Ok(Head { header, hash })
}

fn put_header(batch: &mut Batch, header: &Header) -> Head {
    let rlp = alloy_rlp::encode(header);
    let hash = keccak256(&rlp);
    batch.set(keys::HEADER, rlp);
    batch.set(keys::block_hash(header.number), hash);
    Head {
        header: header.clone(),
        hash,
    }
}

fn begin_account(
    batch: &mut Batch,
    address: &alloy_primitives::Address,
    account: &GenesisAccount,
    height: u64,
) {
    let mut record = Account {
        nonce: account.nonce,
        balance: account.balance,
        ..Account::default()
    };
    let slots = account.storage.iter().filter(|(_, value)| !value.is_zero());
    if !account.code.is_empty() {
        record.code_hash = keccak256(&account.code);
        batch.set(keys::code(&record.code_hash), &account.code);
    }
    if record.has_code() || slots.clone().next().is_some() {
        record.storage = StorageId::new(height, 0);
    }
    for (slot, value) in slots {
        let key = keys::slot(address, record.storage, &B256::from(*slot));
        batch.set(key, value.to_be_bytes_trimmed_vec());
    }
    batch.set(keys::account(address), record.encode());
}

/// What a header says of the execution.
struct CameOfIt {
    gas_used: u64,
    logs_bloom: Bloom,
    receipts_root: B256,
}

impl CameOfIt {
    fn of(receipts: &[ReceiptEnvelope], results: &[ExecutionResult]) -> Self {
        let blooms = receipts.iter().map(ReceiptEnvelope::logs_bloom);
        Self {
            gas_used: results.iter().map(ExecutionResult::tx_gas_used).sum(),
            logs_bloom: blooms.fold(Bloom::ZERO, |all, bloom| all | *bloom),
            receipts_root: calculate_receipt_root(receipts),
        }
    }
}

fn receipts(txns: &[EvmTxn], executed: &Executed) -> Vec<ReceiptEnvelope> {
    let mut cumulative_gas_used = 0;
    let ran = executed.results.iter().zip(&executed.blooms);
    let receipts = txns.iter().zip(ran).map(|(txn, (result, bloom))| {
        cumulative_gas_used += result.tx_gas_used();
        let receipt = Receipt {
            status: Eip658Value::Eip658(result.is_success()),
            cumulative_gas_used,
            logs: result.logs().to_vec(),
        };
        let receipt = ReceiptWithBloom {
            receipt,
            logs_bloom: *bloom,
        };
        let kind: TxType = txn.inner().tx_type();
        match kind {
            TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
            TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
            TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
            TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
            TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
        }
    });
    receipts.collect()
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and hashes")]
fn expect<T: PartialEq + ToString>(
    header: &Header,
    what: &'static str,
    expected: T,
    got: T,
) -> Result<(), EvmError> {
    if expected == got {
        return Ok(());
    }
    Err(EvmError::Mismatch {
        number: header.number,
        what,
        expected: expected.to_string(),
        got: got.to_string(),
    })
}
