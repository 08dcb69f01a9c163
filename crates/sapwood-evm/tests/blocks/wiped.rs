//! Contracts that destroy themselves and are made again at the same address.

use sapwood::ReadView;
use sapwood_evm::{
    EvmChain, SpecId,
    primitives::{Address, B256},
};

use crate::support::{
    FACTORY, SETTER, all_succeeded, begin, block, call, chain_of, config, deploying, genesis,
    person, setting, slots, with_code,
};

const FACTORY_AT: Address = Address::repeat_byte(0xfa);

fn contract() -> Address {
    FACTORY_AT.create2_from_code(B256::ZERO, deploying(SETTER))
}

/// Made at 1, with five slots at 2, gone at 3, made again with one slot at 4.
fn there_and_back(chain: &EvmChain) {
    let making = deploying(SETTER);
    let at = contract();
    assert!(all_succeeded(&block(
        chain,
        vec![call(person(1), 0, FACTORY_AT, &making)]
    )));
    let set = (1..=5).map(|slot| call(person(1), slot, at, &setting(slot, slot * 10)));
    assert!(all_succeeded(&block(chain, set.collect())));
    assert!(all_succeeded(&block(
        chain,
        vec![call(person(2), 0, at, &[])]
    )));
    let again = vec![
        call(person(1), 6, FACTORY_AT, &making),
        call(person(2), 1, at, &setting(2, 9)),
    ];
    assert!(all_succeeded(&block(chain, again)));
}

/// The rows of slots that lie in the newest state, seen or not.
fn rows_of_slots(chain: &EvmChain) -> usize {
    let state = chain.state().unwrap();
    state.snapshot().scan(b"s").count()
}

#[test]
fn slots_of_a_contract_that_is_gone_are_not_those_of_the_next_one_there() {
    for workers in [0, 1, 2, 4] {
        let genesis = with_code(genesis(), FACTORY_AT, FACTORY);
        let chain = chain_of(SpecId::SHANGHAI, workers, &genesis);
        there_and_back(&chain);
        let at = contract();
        let all = [(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)];
        let expected: [&[(u64, u64)]; 5] = [&[], &[], &all, &[], &[(2, 9)]];
        for (height, expected) in (0..).zip(expected) {
            let state = chain.state_at(height).unwrap();
            assert_eq!(
                slots(&state, at),
                expected,
                "at {height}, {workers} workers"
            );
            let is_there = state.account(at).unwrap().is_some();
            assert_eq!(
                is_there,
                [false, true, true, false, true][usize::try_from(height).unwrap()]
            );
        }
        let [old, new] = [2, 4].map(|height| {
            chain
                .state_at(height)
                .unwrap()
                .account(at)
                .unwrap()
                .unwrap()
        });
        assert_ne!(old.storage, new.storage);
        assert_eq!(old.code_hash, new.code_hash);
    }
}

#[test]
fn rows_of_slots_that_are_out_of_reach_go_some_with_each_block() {
    let genesis = with_code(genesis(), FACTORY_AT, FACTORY);
    let mut config = config(2);
    config.spec = SpecId::SHANGHAI;
    config.sweep_slots = 2;
    let chain = begin(config.clone(), &genesis);
    there_and_back(&chain);
    // Five were there; two went with block 4, which has set another.
    assert_eq!(rows_of_slots(&chain), 4);
    let markers = |chain: &EvmChain| chain.state().unwrap().snapshot().scan(b"w").count();
    assert_eq!(markers(&chain), 1);
    block(&chain, Vec::new());
    assert_eq!((rows_of_slots(&chain), markers(&chain)), (2, 1));
    block(&chain, Vec::new());
    assert_eq!((rows_of_slots(&chain), markers(&chain)), (1, 0));
    // What was swept stays readable where it was.
    let state = chain.state_at(2).unwrap();
    assert_eq!(slots(&state, contract()).len(), 5);

    config.sweep_slots = 0;
    let kept = begin(config, &genesis);
    there_and_back(&kept);
    block(&kept, Vec::new());
    assert_eq!((rows_of_slots(&kept), markers(&kept)), (6, 1));
    let roots = [&chain, &kept].map(|chain| chain.state().unwrap().state_root().unwrap());
    assert_eq!(
        roots[0], roots[1],
        "rows that are out of reach are not of the state"
    );
}

#[test]
fn by_the_rules_of_cancun_a_contract_that_is_not_new_stays() {
    let genesis = with_code(genesis(), FACTORY_AT, FACTORY);
    let chain = chain_of(SpecId::CANCUN, 2, &genesis);
    let at = contract();
    block(
        &chain,
        vec![call(person(1), 0, FACTORY_AT, &deploying(SETTER))],
    );
    block(&chain, vec![call(person(1), 1, at, &setting(7, 70))]);
    assert!(all_succeeded(&block(
        &chain,
        vec![call(person(2), 0, at, &[])]
    )));
    assert_eq!(slots(&chain.state().unwrap(), at), [(7, 70)]);
}

#[test]
fn blocks_that_are_executed_again_after_a_rollback_come_to_the_same() {
    let genesis = with_code(genesis(), FACTORY_AT, FACTORY);
    let chain = chain_of(SpecId::SHANGHAI, 2, &genesis);
    there_and_back(&chain);
    let root = chain.state().unwrap().state_root().unwrap();
    chain.rollback_to(0).unwrap();
    assert_eq!(chain.height(), 0);
    there_and_back(&chain);
    assert_eq!(chain.state().unwrap().state_root().unwrap(), root);
    assert_eq!(slots(&chain.state_at(2).unwrap(), contract()).len(), 5);
}
