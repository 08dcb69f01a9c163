//! [`BlockchainTest`]: Ethereum's official block-chain tests, as their JSON files have them.

use std::{collections::BTreeMap, fs, path::Path};

use alloy_consensus::{Block, Header};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Decodable;
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;

use crate::{
    block::{EvmBlock, Genesis, GenesisAccount},
    chain::{EvmChain, ExecutedBlock},
    config::EvmConfig,
    error::EvmError,
    state::EvmState,
    txn::SignedTxn,
};

/// A chain with its beginning, its blocks and its end, by Ethereum's own clients.
///
/// The files are those of the folder `BlockchainTests` of <https://github.com/ethereum/tests>, each with some tests by their
/// names. Fields that are not here are left aside.
///
/// # Examples
/// ```no_run
/// use sapwood::Engine;
/// use sapwood_evm::{BlockchainTest, EvmConfig};
///
/// for (name, test) in BlockchainTest::read("bcExample/mergeExample.json")? {
///     let chain = test.run(Engine::in_memory(), EvmConfig::default())?;
///     println!("{name}: {} blocks", chain.height());
/// }
/// # Ok::<(), sapwood_evm::EvmError>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockchainTest {
    /// The rules, by the name that the tests give them.
    pub network: String,
    /// The block before the first.
    #[serde(rename = "genesisRLP")]
    pub genesis_rlp: Bytes,
    /// The blocks, in the order in which they are told.
    pub blocks: Vec<TestBlock>,
    /// The hash of the block that the chain ends with.
    #[serde(rename = "lastblockhash")]
    pub last_block_hash: B256,
    /// The state before the first block.
    pub pre: BTreeMap<Address, TestAccount>,
    /// The state after the last.
    pub post_state: Option<BTreeMap<Address, TestAccount>>,
    /// The root of that, where the state itself is too large to be told.
    pub post_state_hash: Option<B256>,
}

/// A block of a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestBlock {
    /// The block.
    pub rlp: Bytes,
    /// Why it is to be refused, if it is.
    pub expect_exception: Option<String>,
}

/// An account of a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TestAccount {
    /// What it has. Unit: wei.
    pub balance: U256,
    /// How many transactions it has sent, or contracts it has made.
    pub nonce: U256,
    /// Its code.
    pub code: Bytes,
    /// Its slots that are not 0.
    pub storage: BTreeMap<U256, U256>,
}

impl BlockchainTest {
    /// The tests of a file, by their names.
    ///
    /// # Errors
    /// [`EvmError::Malformed`] for a file that is not there, or none of tests.
    pub fn read(file: impl AsRef<Path>) -> Result<BTreeMap<String, Self>, EvmError> {
        let file = file.as_ref();
        let malformed =
            |why: &dyn ToString| EvmError::malformed(file.display().to_string(), why.to_string());
        let bytes = fs::read(file).map_err(|error| malformed(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| malformed(&error))
    }

    /// The rules that its blocks are executed by.
    ///
    /// # Errors
    /// [`EvmError::Chain`] for others than those from Paris to Cancun.
    pub fn spec(&self) -> Result<SpecId, EvmError> {
        match self.network.as_str() {
            "Paris" | "Merge" => Ok(SpecId::MERGE),
            "Shanghai" => Ok(SpecId::SHANGHAI),
            "Cancun" => Ok(SpecId::CANCUN),
            other => Err(EvmError::Chain(format!(
                "the test asks for the rules of {other}: those from Paris to Cancun are there"
            ))),
        }
    }

    /// What the chain begins with.
    ///
    /// # Errors
    /// [`EvmError::Malformed`].
    pub fn genesis(&self) -> Result<Genesis, EvmError> {
        let block = Block::<SignedTxn>::decode(&mut &self.genesis_rlp[..]);
        let header: Header = block
            .map_err(|error| EvmError::malformed("the genesis", error))?
            .header;
        let mut accounts = BTreeMap::new();
        for (address, account) in &self.pre {
            let nonce = u64::try_from(account.nonce);
            let nonce = nonce.map_err(|_| {
                EvmError::malformed(format!("account {address}"), "its nonce is too large")
            })?;
            let account = GenesisAccount {
                nonce,
                balance: account.balance,
                code: account.code.clone(),
                storage: account.storage.clone(),
            };
            accounts.insert(*address, account);
        }
        Ok(Genesis { header, accounts })
    }

    /// Begins the chain on an empty store.
    ///
    /// # Errors
    /// As [`EvmChain::create`].
    pub fn begin(
        &self,
        engine: sapwood::Engine,
        mut config: EvmConfig,
    ) -> Result<EvmChain, EvmError> {
        config.spec = self.spec()?;
        EvmChain::create(engine, config, &self.genesis()?)
    }

    /// Executes the chain on an empty store, and compares what it ends with.
    ///
    /// # Errors
    /// [`EvmError::Failed`] for a block that is to be refused and was not, [`EvmError::Mismatch`] for another end, and as
    /// [`EvmChain::execute_block`].
    pub fn run(&self, engine: sapwood::Engine, config: EvmConfig) -> Result<EvmChain, EvmError> {
        self.run_with(engine, config, |_| {})
    }

    /// The same, and shows each block that was committed.
    ///
    /// # Errors
    /// As [`BlockchainTest::run`].
    pub fn run_with(
        &self,
        engine: sapwood::Engine,
        config: EvmConfig,
        mut see: impl FnMut(&ExecutedBlock),
    ) -> Result<EvmChain, EvmError> {
        let chain = self.begin(engine, config)?;
        for block in &self.blocks {
            let ended = EvmBlock::decode(&block.rlp).and_then(|block| chain.execute_block(&block));
            match (ended, &block.expect_exception) {
                (Ok(block), Some(why)) => {
                    let why = format!("it was accepted, and is to be refused: {why}");
                    let number = block.header.number;
                    return Err(EvmError::Failed { number, why });
                }
                (Err(error), None) => return Err(error),
                (Ok(block), None) => see(&block),
                (Err(_), Some(_)) => {}
            }
        }
        self.compare(&chain.state()?)?;
        Ok(chain)
    }

    /// Compares a state with the one that the chain is to end with: the hash of its block, account by account and slot by slot.
    ///
    /// # Errors
    /// [`EvmError::Mismatch`] with the first difference.
    pub fn compare(&self, state: &EvmState) -> Result<(), EvmError> {
        let number = state.height();
        let differ = |what, expected: String, got: String| {
            if expected == got {
                return Ok(());
            }
            Err(EvmError::Mismatch {
                number,
                what,
                expected,
                got,
            })
        };
        let hash = state.header()?.hash_slow();
        differ("hash", self.last_block_hash.to_string(), hash.to_string())?;
        if let Some(root) = self.post_state_hash {
            differ(
                "state root",
                root.to_string(),
                state.state_root()?.to_string(),
            )?;
        }
        let Some(expected) = &self.post_state else {
            return Ok(());
        };
        let got = accounts(state)?;
        for (address, expected) in expected {
            let got = got.get(address);
            differ(
                "account",
                format!("{address}: {:?}", Some(expected)),
                format!("{address}: {got:?}"),
            )?;
        }
        let more = got.keys().find(|address| !expected.contains_key(*address));
        differ(
            "account",
            "none".to_owned(),
            more.map_or("none".to_owned(), Address::to_string),
        )
    }
}

/// All accounts of a state, as tests have them.
///
/// # Errors
/// Of reading.
pub fn accounts(state: &EvmState) -> Result<BTreeMap<Address, TestAccount>, EvmError> {
    let mut accounts = BTreeMap::new();
    for row in state.accounts() {
        let (address, account) = row?;
        let slots = state.slots(address)?;
        let account = TestAccount {
            balance: account.balance,
            nonce: U256::from(account.nonce),
            code: state.code(address)?,
            storage: slots.collect::<Result<_, _>>()?,
        };
        accounts.insert(address, account);
    }
    Ok(accounts)
}
