//! Options of a chain: plain data, checked where a chain is made.

use revm::{context::CfgEnv, primitives::hardfork::SpecId};
use sapwood::{BlockExecutorConfig, CommitOptions};

use crate::error::EvmError;

/// How a chain is executed.
///
/// # Examples
/// ```
/// use sapwood_evm::{EvmConfig, SpecId};
///
/// let mut config = EvmConfig::default();
/// config.spec = SpecId::SHANGHAI;
/// config.executor.workers = 2;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EvmConfig {
    /// Which chain transactions are signed for (EIP-155).
    ///
    /// Unit: a number. Default: 1, Ethereum's main chain.
    pub chain_id: u64,
    /// The rules of all blocks: from Paris (`MERGE`) to Cancun.
    ///
    /// Unit: a choice. Default: [`SpecId::CANCUN`].
    pub spec: SpecId,
    /// How blocks are executed.
    pub executor: BlockExecutorConfig,
    /// How blocks are committed.
    pub commit: CommitOptions,
    /// Whether a block's state root is computed, from all of the state, and compared with its header's: for tests
    /// and for states of some thousands of accounts. Without it, what was executed is compared by gas, logs and
    /// receipts.
    ///
    /// Unit: yes or no. Default: `false`.
    pub verify_state_root: bool,
    /// How much code is kept in memory, ready to run.
    ///
    /// Unit: bytes. Default: 64 MiB.
    pub code_cache_size: usize,
    /// How many slots of contracts that are gone a block deletes, at most. They are out of reach from the block
    /// on that destroys the contract, whatever this says; this is how soon their rows go.
    ///
    /// Unit: slots. Default: 256.
    pub sweep_slots: usize,
}

impl Default for EvmConfig {
    fn default() -> Self {
        Self {
            chain_id: 1,
            spec: SpecId::CANCUN,
            executor: BlockExecutorConfig::default(),
            commit: CommitOptions::default(),
            verify_state_root: false,
            code_cache_size: 64 << 20,
            sweep_slots: 256,
        }
    }
}

impl EvmConfig {
    pub(crate) fn check(&self) -> Result<(), EvmError> {
        if !(SpecId::MERGE..=SpecId::CANCUN).contains(&self.spec) {
            return Err(EvmError::Chain(format!(
                "blocks are executed by the rules from Paris to Cancun, not by those of {}: set spec to one of them",
                self.spec
            )));
        }
        Ok(())
    }

    pub(crate) fn has_withdrawals(&self) -> bool {
        self.spec >= SpecId::SHANGHAI
    }

    pub(crate) fn has_blobs(&self) -> bool {
        self.spec >= SpecId::CANCUN
    }

    pub(crate) fn cfg(&self) -> CfgEnv {
        let blobs = alloy_eips::eip7840::BlobParams::cancun();
        CfgEnv::new_with_spec(self.spec)
            .with_chain_id(self.chain_id)
            .enable_tx_chain_id_check()
            .with_max_blobs_per_tx(blobs.max_blob_count)
    }
}
