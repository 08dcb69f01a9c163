//! The contracts that are committed are those that their sources make, and do what they say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers may fail"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_sol_types::{SolCall, SolConstructor, SolError, SolEvent};
use sapwood::Engine;
use sapwood_evm::{
    EvmCall, EvmChain, EvmConfig, EvmTxn,
    consensus::{SignableTransaction, TxEip1559},
    primitives::{Address, Bytes, Signature, TxKind, U256, hex},
    revm::context::result::ExecutionResult,
    workload::{Environment, Exchange, Funded, Token},
};
use sha2::{Digest, Sha256};

/// What the contracts are made of, as `contracts/build.mjs` has it.
const SOURCES: [&str; 5] = [
    "Exchange.sol",
    "Token.sol",
    "build.mjs",
    "package-lock.json",
    "package.json",
];

/// What `contracts/build.mjs` makes, and writes no hash of.
const MADE: [&str; 4] = [
    "Exchange.abi.json",
    "Exchange.bin",
    "Token.abi.json",
    "Token.bin",
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contracts")
        .join(name)
}

/// The SHA-256 of files, each after its name.
fn hash(names: &[&str]) -> String {
    let mut hash = Sha256::new();
    for name in names {
        hash.update(format!("{name}\0"));
        hash.update(fs::read(path(name)).unwrap());
        hash.update("\0");
    }
    hex::encode(hash.finalize())
}

#[test]
fn what_is_committed_was_made_from_the_sources() {
    let noted = fs::read_to_string(path("sources.sha256")).unwrap();
    let noted: Vec<_> = noted.lines().collect();
    let again = "run npm ci && node build.mjs in contracts, and commit what it makes";
    assert_eq!(noted, [hash(&SOURCES), hash(&MADE)], "{again}");
}

#[test]
fn packages_may_be_used_and_name_no_registry() {
    let text = fs::read_to_string(path("package-lock.json")).unwrap();
    assert!(!text.contains("\"resolved\"") && !text.contains("registry"));
    let lock: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(lock["packages"]["node_modules/solc"]["version"], "0.8.37");
}

const SUPPLY: u64 = 1_000_000_000;

/// A chain with people on it, who send a transaction a block.
struct People {
    chain: EvmChain,
    environment: Environment,
}

fn person(number: u8) -> Address {
    Address::repeat_byte(number)
}

/// The first line of a file of code creates the contract, the second one is what is stored.
fn code(file: &str, line: usize) -> Vec<u8> {
    let text = fs::read_to_string(path(file)).unwrap();
    hex::decode(text.lines().nth(line).unwrap()).unwrap()
}

impl People {
    fn new() -> Self {
        let environment = Environment::default();
        let fund = |number| Funded {
            address: person(number),
            balance: U256::from(10_u64).pow(U256::from(20)),
            nonce: 0,
        };
        let genesis = environment.genesis(&[1, 2, 3].map(fund));
        let chain = EvmChain::create(Engine::in_memory(), EvmConfig::default(), &genesis).unwrap();
        Self { chain, environment }
    }

    fn send(&mut self, from: u8, to: TxKind, input: Bytes) -> ExecutionResult {
        let account = self
            .chain
            .state()
            .unwrap()
            .account(person(from))
            .unwrap()
            .unwrap();
        let txn = TxEip1559 {
            chain_id: 1,
            nonce: account.nonce,
            gas_limit: 5_000_000,
            max_fee_per_gas: 1_000,
            to,
            input,
            ..TxEip1559::default()
        };
        let signed = txn.into_signed(Signature::test_signature());
        let txn = EvmTxn::new_unchecked(signed.into(), person(from));
        let block = self
            .chain
            .propose(self.environment.proposal(vec![txn]))
            .unwrap();
        self.environment = self.environment.next();
        block.results.into_iter().next().unwrap()
    }

    fn create(&mut self, from: u8, file: &str, arguments: &[u8]) -> Address {
        let creation = [&code(file, 0), arguments].concat();
        let result = self.send(from, TxKind::Create, creation.into());
        assert!(result.is_success(), "{result:?}");
        result.created_address().unwrap()
    }

    fn token(&mut self, from: u8) -> Address {
        let arguments = Token::constructorCall {
            name_: "Heartwood".to_owned(),
            symbol_: "HW".to_owned(),
            supply: U256::from(SUPPLY),
        };
        self.create(from, "Token.bin", &arguments.abi_encode())
    }

    /// A call that must succeed.
    fn call(&mut self, from: u8, to: Address, call: &impl SolCall) -> ExecutionResult {
        let result = self.send(from, TxKind::Call(to), call.abi_encode().into());
        assert!(result.is_success(), "{result:?}");
        result
    }

    /// A call that must revert, with this error.
    fn refused<E: SolError>(&mut self, from: u8, to: Address, call: &impl SolCall) -> E {
        match self.send(from, TxKind::Call(to), call.abi_encode().into()) {
            ExecutionResult::Revert { output, .. } => E::abi_decode(&output).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn ask<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let state = self.chain.state().unwrap();
        let call = EvmCall::new(to, call.abi_encode().into());
        let result = state.call(&call).unwrap();
        assert!(result.is_success, "{result:?}");
        C::abi_decode_returns(&result.output).unwrap()
    }

    fn balance(&self, token: Address, owner: Address) -> u64 {
        self.ask(token, &Token::balanceOfCall(owner)).to()
    }
}

fn transfer(to: Address, value: u64) -> Token::transferCall {
    let value = U256::from(value);
    Token::transferCall { to, value }
}

fn approve(spender: Address, value: U256) -> Token::approveCall {
    Token::approveCall { spender, value }
}

fn transfer_from(from: Address, to: Address, value: u64) -> Token::transferFromCall {
    let value = U256::from(value);
    Token::transferFromCall { from, to, value }
}

fn swap(token: Address, amount: u64, least: u64) -> Exchange::swapCall {
    Exchange::swapCall {
        tokenIn: token,
        amountIn: U256::from(amount),
        minOut: U256::from(least),
    }
}

#[test]
fn a_token_is_an_erc_20() {
    let mut people = People::new();
    let token = people.token(1);
    let stored = people.chain.state().unwrap().code(token).unwrap();
    assert_eq!(stored, code("Token.bin", 1));
    assert_eq!(people.ask(token, &Token::nameCall {}), "Heartwood");
    assert_eq!(people.ask(token, &Token::symbolCall {}), "HW");
    assert_eq!(people.ask(token, &Token::decimalsCall {}), 18);
    assert_eq!(
        people.ask(token, &Token::totalSupplyCall {}),
        U256::from(SUPPLY)
    );
    assert_eq!(people.balance(token, person(1)), SUPPLY);

    let result = people.call(1, token, &transfer(person(2), 300));
    let log = Token::Transfer::decode_log(&result.logs()[0]).unwrap();
    assert_eq!(log.address, token);
    let wanted = (person(1), person(2), U256::from(300));
    assert_eq!((log.from, log.to, log.value), wanted);
    // To oneself.
    people.call(2, token, &transfer(person(2), 300));
    assert_eq!(people.balance(token, person(2)), 300);

    let result = people.call(2, token, &approve(person(3), U256::from(100)));
    let log = Token::Approval::decode_log(&result.logs()[0]).unwrap();
    assert_eq!((log.owner, log.spender), (person(2), person(3)));
    people.call(3, token, &transfer_from(person(2), person(1), 60));
    let left = Token::allowanceCall {
        _0: person(2),
        _1: person(3),
    };
    assert_eq!(people.ask(token, &left), U256::from(40));
    people.call(2, token, &approve(person(3), U256::MAX));
    people.call(3, token, &transfer_from(person(2), person(3), 1));
    assert_eq!(people.ask(token, &left), U256::MAX);
    let balances = [1, 2, 3].map(|number| people.balance(token, person(number)));
    assert_eq!(balances, [SUPPLY - 240, 239, 1]);
}

#[test]
fn a_token_refuses_with_a_reason() {
    let mut people = People::new();
    let token = people.token(1);
    let why: Token::InsufficientBalance = people.refused(2, token, &transfer(person(1), 1));
    assert_eq!(
        (why.owner, why.balance, why.needed),
        (person(2), U256::ZERO, U256::ONE)
    );
    let why: Token::InsufficientAllowance =
        people.refused(2, token, &transfer_from(person(1), person(2), 5));
    assert_eq!((why.allowed, why.needed), (U256::ZERO, U256::from(5)));
    let _: Token::NoReceiver = people.refused(1, token, &transfer(Address::ZERO, 1));
    assert_eq!(people.balance(token, person(1)), SUPPLY);
}

/// Two tokens of person 1, and an exchange that has 1,000,000 of each.
fn exchange(people: &mut People) -> (Address, Address, Address) {
    let (token0, token1) = (people.token(1), people.token(1));
    let arguments = Exchange::constructorCall {
        token0_: token0,
        token1_: token1,
    };
    let exchange = people.create(1, "Exchange.bin", &arguments.abi_encode());
    for token in [token0, token1] {
        people.call(1, token, &approve(exchange, U256::MAX));
    }
    people.call(1, exchange, &add(1_000_000, 1_000_000));
    (token0, token1, exchange)
}

fn add(amount0: u64, amount1: u64) -> Exchange::addLiquidityCall {
    Exchange::addLiquidityCall {
        amount0: U256::from(amount0),
        amount1: U256::from(amount1),
    }
}

fn reserves(people: &People, exchange: Address) -> (u64, u64) {
    let reserves = people.ask(exchange, &Exchange::reservesCall {});
    (reserves._0.to(), reserves._1.to())
}

#[test]
fn an_exchange_keeps_the_product_and_a_fee() {
    let mut people = People::new();
    let (token0, token1, exchange) = exchange(&mut people);
    assert_eq!(reserves(&people, exchange), (1_000_000, 1_000_000));
    assert_eq!(
        people.ask(exchange, &Exchange::totalSharesCall {}),
        U256::from(1_000_000)
    );

    people.call(1, token0, &transfer(person(2), 10_000));
    people.call(2, token0, &approve(exchange, U256::MAX));
    // 997 of a thousand count: 10,000 * 997 * 1,000,000 / (1,000,000 * 1,000 + 10,000 * 997).
    let result = people.call(2, exchange, &swap(token0, 10_000, 9_871));
    let mut logs = result.logs().iter();
    let swapped = logs
        .find_map(|log| Exchange::Swap::decode_log(log).ok())
        .unwrap();
    assert_eq!((swapped.trader, swapped.tokenIn), (person(2), token0));
    assert_eq!(swapped.amountOut, U256::from(9_871));
    assert_eq!(people.balance(token1, person(2)), 9_871);
    let (reserve0, reserve1) = reserves(&people, exchange);
    assert_eq!((reserve0, reserve1), (1_010_000, 990_129));
    assert!(reserve0 * reserve1 > 1_000_000 * 1_000_000);
    for (token, reserve) in [(token0, reserve0), (token1, reserve1)] {
        assert_eq!(people.balance(token, exchange), reserve);
    }
    // And back: less than there was.
    people.call(2, token1, &approve(exchange, U256::MAX));
    people.call(2, exchange, &swap(token1, 9_871, 1));
    assert!(people.balance(token0, person(2)) < 10_000);

    // All of it out again: with the fees.
    let shares = people.ask(exchange, &Exchange::sharesCall(person(1)));
    people.call(
        1,
        exchange,
        &Exchange::removeLiquidityCall { burned: shares },
    );
    assert_eq!(reserves(&people, exchange), (0, 0));
    let back = people.balance(token0, person(1)) + people.balance(token0, person(2));
    assert_eq!(back, SUPPLY);
}

#[test]
fn an_exchange_refuses_with_a_reason() {
    let mut people = People::new();
    let (token0, token1, exchange) = exchange(&mut people);
    let why: Exchange::TooLittleOut = people.refused(1, exchange, &swap(token0, 10_000, 9_872));
    assert_eq!(
        (why.amountOut, why.minOut),
        (U256::from(9_871), U256::from(9_872))
    );
    let _: Exchange::UnknownToken = people.refused(1, exchange, &swap(exchange, 1, 0));
    let _: Exchange::NothingToDo = people.refused(1, exchange, &swap(token1, 0, 0));
    // The token's own reason comes through.
    let _: Token::InsufficientAllowance = people.refused(2, exchange, &swap(token0, 5, 0));
    let none = Exchange::removeLiquidityCall { burned: U256::ZERO };
    let _: Exchange::NothingToDo = people.refused(1, exchange, &none);
    // Not more than the own shares: Solidity's own error, of an underflow.
    let all = Exchange::removeLiquidityCall { burned: U256::ONE };
    let panic: alloy_sol_types::Panic = people.refused(2, exchange, &all);
    assert_eq!(panic.code, U256::from(0x11));
    assert_eq!(reserves(&people, exchange), (1_000_000, 1_000_000));

    let same = Exchange::constructorCall {
        token0_: token0,
        token1_: token0,
    };
    let creation = [code("Exchange.bin", 0), same.abi_encode()].concat();
    let result = people.send(1, TxKind::Create, creation.into());
    let _ = Exchange::SameToken::abi_decode(result.output().unwrap()).unwrap();
    assert!(!result.is_success());
}
