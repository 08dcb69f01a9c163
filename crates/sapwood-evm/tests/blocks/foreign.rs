//! A node that executes blocks by itself, and leaves the state to the chain.

use sapwood_evm::{
    EvmChain, EvmError, EvmTxn, Header, SpecId,
    consensus::Transaction,
    primitives::{Address, U256},
    revm::{
        Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext,
        context::{BlockEnv, TxEnv},
        database::CacheDB,
        database_interface::WrapDatabaseRef,
        state::EvmState as Changes,
    },
};

use crate::support::{
    BASE_FEE, FACTORY, GAS_LIMIT, MINER, SETTER, block, call, chain_of, deploying, genesis, pay,
    person, setting, with_code,
};

const FACTORY_AT: Address = Address::repeat_byte(0xfa);

/// The blocks: payments, and a contract that is made, set, destroyed and made again.
fn blocks() -> Vec<Vec<EvmTxn>> {
    let making = deploying(SETTER);
    let at = FACTORY_AT.create2_from_code(sapwood_evm::primitives::B256::ZERO, making.clone());
    vec![
        vec![
            pay(person(1), 0, person(80), 5),
            call(person(2), 0, FACTORY_AT, &making),
        ],
        vec![
            call(person(2), 1, at, &setting(1, 10)),
            call(person(3), 0, at, &setting(2, 20)),
            pay(person(4), 0, MINER, 7),
        ],
        vec![
            call(person(3), 1, at, &[]),
            call(person(2), 2, FACTORY_AT, &making),
            call(person(5), 0, at, &setting(3, 30)),
        ],
    ]
}

/// Executes a block one by one, with revm's own handling of fees.
fn execute(chain: &EvmChain, header: &Header, txns: &[EvmTxn]) -> Vec<Changes> {
    let state = CacheDB::new(WrapDatabaseRef(chain.state().unwrap()));
    let environment = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap(),
        ..BlockEnv::default()
    };
    let mut evm = Context::mainnet()
        .with_db(state)
        .with_block(environment)
        .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::SHANGHAI))
        .build_mainnet();
    let run = |txn: &EvmTxn| {
        let signed = txn.inner();
        let txn = TxEnv {
            caller: txn.signer(),
            gas_limit: signed.gas_limit(),
            gas_price: signed.max_fee_per_gas(),
            kind: signed.kind(),
            value: signed.value(),
            data: signed.input().clone(),
            nonce: signed.nonce(),
            ..TxEnv::default()
        };
        let ran = evm.transact(txn).unwrap();
        assert!(ran.result.is_success());
        evm.ctx.journaled_state.database.commit(ran.state.clone());
        ran.state
    };
    txns.iter().map(run).collect()
}

#[test]
fn what_a_node_has_executed_is_the_state_that_is_executed_here() {
    let genesis = with_code(genesis(), FACTORY_AT, FACTORY);
    let ours = chain_of(SpecId::SHANGHAI, 2, &genesis);
    let theirs = chain_of(SpecId::SHANGHAI, 2, &genesis);
    for txns in blocks() {
        let made = block(&ours, txns.clone());
        let changes = execute(&theirs, &made.header, &txns);
        theirs.commit_changes(&made.header, changes).unwrap();
        assert_eq!(theirs.head(), made.header);
        let roots = [&ours, &theirs].map(|chain| chain.state().unwrap().state_root().unwrap());
        assert_eq!(
            roots, [made.header.state_root; 2],
            "at {}",
            made.header.number
        );
    }
    for height in 0..=3 {
        let roots =
            [&ours, &theirs].map(|chain| chain.state_at(height).unwrap().state_root().unwrap());
        assert_eq!(roots[0], roots[1], "read back at {height}");
    }
}

#[test]
fn a_header_that_does_not_follow_is_refused() {
    let chain = chain_of(SpecId::SHANGHAI, 1, &genesis());
    let stray = Header {
        number: 2,
        gas_limit: GAS_LIMIT,
        base_fee_per_gas: Some(BASE_FEE),
        ..Header::default()
    };
    let error = chain.commit_changes(&stray, Vec::new()).unwrap_err();
    assert!(
        matches!(error, EvmError::Unfit { number: 2, .. }),
        "{error:?}"
    );
    assert_eq!(chain.height(), 0);
}

#[test]
fn changes_that_a_limit_of_the_executor_leaves_out_are_not_committed() {
    let genesis = with_code(genesis(), FACTORY_AT, FACTORY);
    let ours = chain_of(SpecId::SHANGHAI, 1, &genesis);
    let txns = blocks().remove(0);
    let made = block(&ours, txns.clone());
    let mut config = crate::support::config(0);
    config.spec = SpecId::SHANGHAI;
    config.executor.operations_limit = 2;
    let theirs = crate::support::begin(config, &genesis);
    let changes = execute(&theirs, &made.header, &txns);
    let error = theirs.commit_changes(&made.header, changes).unwrap_err();
    assert!(error.to_string().contains("operations_limit"), "{error}");
    assert_eq!(theirs.height(), 0);
}
