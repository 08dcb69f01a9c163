//! Running revm: a transaction, or a call of the system, on a view.

use std::cell::Cell;
use std::marker::PhantomData;

use alloy_primitives::{Address, Bytes, U256};
use revm::{
    Context, Database, ExecuteEvm, SystemCallEvm,
    context::{
        BlockEnv, CfgEnv, Evm, FrameStack, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason},
    },
    context_interface::{Block, ContextTr, JournalTr, Transaction},
    handler::{
        EthPrecompiles, EvmTr, FrameResult, FrameTr, Handler, MainnetContext, MainnetEvm,
        instructions::EthInstructions,
    },
    interpreter::interpreter_action::FrameInit,
    state::EvmState as Changes,
};
use sapwood::ReadView;

use crate::{
    database::Rows,
    error::{StateError, Stopped},
};

/// What a block's transactions have in common.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) cfg: CfgEnv,
    pub(crate) block: BlockEnv,
}

/// What a transaction comes to.
pub(crate) struct Ran<'v, V> {
    pub(crate) result: ExecutionResult,
    pub(crate) changes: Changes,
    /// What the block's beneficiary gets, and has not been given.
    pub(crate) fees: U256,
    pub(crate) rows: Rows<'v, V>,
}

fn machine<'v, V: ReadView>(
    rules: &Rules,
    rows: Rows<'v, V>,
) -> MainnetEvm<MainnetContext<Rows<'v, V>>> {
    let spec = rules.cfg.spec;
    let context: MainnetContext<_> = Context::new(rows, spec);
    Evm {
        ctx: context
            .with_cfg(rules.cfg.clone())
            .with_block(rules.block.clone()),
        inspector: (),
        instruction: EthInstructions::new_mainnet_with_spec(spec),
        precompiles: EthPrecompiles::new(spec),
        // Frames are made as calls need them: `build_mainnet` makes eight, of 32 KiB each.
        frame_stack: FrameStack::new(),
    }
}

/// Runs a transaction, and leaves out paying the beneficiary.
pub(crate) fn transact<'v, V: ReadView>(
    rules: &Rules,
    rows: Rows<'v, V>,
    txn: TxEnv,
) -> Result<Ran<'v, V>, Stopped> {
    let mut evm = machine(rules, rows);
    evm.ctx.tx = txn;
    let mut handler = FeesApart::new();
    let result = handler.run(&mut evm)?;
    let changes = evm.finalize();
    Ok(Ran {
        result,
        changes,
        fees: handler.fees.get(),
        rows: evm.ctx.journaled_state.database,
    })
}

/// Calls a contract of the system, in the name of the system.
pub(crate) fn system_call<'v, V: ReadView>(
    rules: &Rules,
    rows: Rows<'v, V>,
    contract: Address,
    data: Bytes,
) -> Result<Ran<'v, V>, Stopped> {
    let mut evm = machine(rules, rows);
    let ran = evm.system_call(contract, data)?;
    Ok(Ran {
        result: ran.result,
        changes: ran.state,
        fees: U256::ZERO,
        rows: evm.ctx.journaled_state.database,
    })
}

/// Ethereum's rules, but that the beneficiary is not read and written by each transaction: its fees are added
/// where adding does not make transactions wait for each other.
struct FeesApart<EVM> {
    fees: Cell<U256>,
    evm: PhantomData<EVM>,
}

impl<EVM> FeesApart<EVM> {
    fn new() -> Self {
        Self {
            fees: Cell::new(U256::ZERO),
            evm: PhantomData,
        }
    }
}

impl<EVM> Handler for FeesApart<EVM>
where
    EVM: EvmTr<
            Context: ContextTr<
                Db: Database<Error = StateError>,
                Journal: JournalTr<State = Changes>,
            >,
            Frame: FrameTr<FrameInit = FrameInit, FrameResult = FrameResult>,
        >,
{
    type Evm = EVM;
    type Error = EVMError<StateError>;
    type HaltReason = HaltReason;

    fn reward_beneficiary(
        &self,
        evm: &mut EVM,
        ended: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        let ctx = evm.ctx();
        let base_fee = u128::from(ctx.block().basefee());
        // The base fee is burnt (EIP-1559).
        let tip = ctx
            .tx()
            .effective_gas_price(base_fee)
            .saturating_sub(base_fee);
        self.fees
            .set(U256::from(tip).saturating_mul(U256::from(ended.gas().used())));
        Ok(())
    }
}
