//! The transfers of real blocks: who pays whom, and in what order, is as contended as it is.
//!
//! A transaction checks its sender's nonce, pays value and fee, and is skipped where the sender has too
//! little. What its call data would do is not executed.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, OnceLock},
};

use sapwood::{
    BlockBase, BlockContext, BlockExecutor, BlockOutput, ExecutionStatus, Key, ReadView, Result,
    TxnOutcome, Value, decode_cell, encode_cell,
};
use serde_json::Value as Json;

use crate::{data, on_executor::forced};

/// What a transaction pays for, whatever it does.
const FEE: i128 = 21_000;

/// A transfer of a block.
#[derive(Clone, Debug)]
struct Payment {
    from: String,
    /// A contract that is made has no address in the block: it gets one of the sender's and the nonce's.
    to: String,
    value: i128,
    fee: i128,
    nonce: i128,
    miner: String,
}

/// A block, and the balances and nonces of all whom it names, before it.
struct Block {
    name: String,
    payments: Vec<Payment>,
    accounts: BTreeMap<String, (i128, i128)>,
}

/// A number as the data has it: `0x` and hexadecimal digits.
fn number(json: &Json) -> i128 {
    match json {
        Json::String(text) => i128::from_str_radix(text.trim_start_matches("0x"), 16).unwrap(),
        Json::Number(number) => i128::from(number.as_u64().unwrap()),
        Json::Null => 0,
        _ => panic!("no number: {json}"),
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap().to_owned()
}

fn parse(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn payment(json: &Json, miner: &str) -> Payment {
    let price = if json["gasPrice"].is_null() {
        &json["maxFeePerGas"]
    } else {
        &json["gasPrice"]
    };
    let from = text(&json["from"]);
    let nonce = number(&json["nonce"]);
    Payment {
        to: json["to"]
            .as_str()
            .map_or(format!("{from}/{nonce}"), str::to_owned),
        value: number(&json["value"]),
        fee: FEE * number(price),
        nonce,
        miner: miner.to_owned(),
        from,
    }
}

/// The blocks in order of their height; none where the data is missing.
fn blocks() -> &'static [Block] {
    static BLOCKS: OnceLock<Vec<Block>> = OnceLock::new();
    BLOCKS.get_or_init(read)
}

fn read() -> Vec<Block> {
    let Some(folder) = data::path("ethereum-state") else {
        return Vec::new();
    };
    let names = fs::read_dir(&folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut heights: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
    heights.sort_unstable();
    let block = |height: &u64| {
        let folder = folder.join(height.to_string());
        let block = parse(&folder.join("block.json"));
        let state = parse(&folder.join("pre_state.json"));
        let miner = text(&block["miner"]);
        let payments = block["transactions"].as_array().unwrap();
        let accounts = state.as_object().unwrap().iter();
        Block {
            name: height.to_string(),
            payments: payments.iter().map(|json| payment(json, &miner)).collect(),
            accounts: accounts
                .map(|(name, json)| {
                    (
                        name.clone(),
                        (number(&json["balance"]), number(&json["nonce"])),
                    )
                })
                .collect(),
        }
    };
    heights.iter().map(block).collect()
}

/// The tests' own answer: balances and nonces in a map, one payment after the other.
#[derive(Clone, Default)]
struct Ledger {
    accounts: BTreeMap<String, (i128, i128)>,
}

/// What became of a payment, and what an auditor among them found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Receipt {
    Paid,
    OldNonce,
    TooPoor,
    /// How many accounts have these first digits, and what they have in all.
    Audited(usize, i128),
}

/// Every so many transactions one audits the accounts that begin as its receiver does.
const AUDITS: usize = 25;

impl Ledger {
    /// Accounts that were not met before, with what they have.
    fn enter(&mut self, block: &Block) -> Vec<(String, i128)> {
        let mut entered = Vec::new();
        for (name, (balance, nonce)) in &block.accounts {
            if !self.accounts.contains_key(name) {
                self.accounts.insert(name.clone(), (*balance, *nonce));
                entered.push((name.clone(), *balance));
            }
        }
        entered
    }

    fn pay(&mut self, payment: &Payment) -> Receipt {
        let (balance, nonce) = self
            .accounts
            .get(&payment.from)
            .copied()
            .unwrap_or_default();
        if payment.nonce < nonce {
            return Receipt::OldNonce;
        }
        if balance < payment.value + payment.fee {
            return Receipt::TooPoor;
        }
        self.accounts.insert(
            payment.from.clone(),
            (balance - payment.value - payment.fee, payment.nonce + 1),
        );
        self.accounts.entry(payment.to.clone()).or_default().0 += payment.value;
        self.accounts.entry(payment.miner.clone()).or_default().0 += payment.fee;
        Receipt::Paid
    }

    fn audit(&self, prefix: &str) -> Receipt {
        let found = self.accounts.range(prefix.to_owned()..);
        let found = found.take_while(|(name, _)| name.starts_with(prefix));
        let balances: Vec<i128> = found.map(|(_, (balance, _))| *balance).collect();
        Receipt::Audited(balances.len(), balances.iter().sum())
    }

    /// What the executor must have at a key.
    fn number(&self, key: &[u8]) -> i128 {
        let (kind, name) = std::str::from_utf8(key).unwrap().split_once('/').unwrap();
        let (balance, nonce) = self.accounts[name];
        if kind == "balance" { balance } else { nonce }
    }

    fn total(&self) -> i128 {
        self.accounts.values().map(|(balance, _)| balance).sum()
    }
}

fn balance_key(name: &str) -> String {
    format!("balance/{name}")
}

fn nonce_key(name: &str) -> String {
    format!("nonce/{name}")
}

/// How a balance is changed.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Read and set: who meets at an account waits.
    Set,
    /// Added to, with a bound for who pays.
    Add,
}

fn cell(ctx: &BlockContext<'_>, key: &str) -> Result<i128> {
    decode_cell(ctx.get(key)?.as_deref())
}

fn pay(ctx: &mut BlockContext<'_>, payment: &Payment, way: Way) -> Result<Receipt> {
    let nonce = nonce_key(&payment.from);
    if payment.nonce < cell(ctx, &nonce)? {
        return Ok(Receipt::OldNonce);
    }
    ctx.set(&nonce, encode_cell(payment.nonce + 1))?;
    let price = payment.value + payment.fee;
    let from = balance_key(&payment.from);
    let earns = [(&payment.to, payment.value), (&payment.miner, payment.fee)];
    match way {
        Way::Set => {
            let balance = cell(ctx, &from)?;
            if balance < price {
                return Ok(Receipt::TooPoor);
            }
            ctx.set(&from, encode_cell(balance - price))?;
            for (name, amount) in earns {
                let key = balance_key(name);
                let balance = cell(ctx, &key)?;
                ctx.set(&key, encode_cell(balance + amount))?;
            }
        }
        Way::Add => {
            if !ctx.try_add(&from, -price, 0..=i128::MAX)? {
                return Ok(Receipt::TooPoor);
            }
            for (name, amount) in earns {
                ctx.add(balance_key(name), amount)?;
            }
        }
    }
    Ok(Receipt::Paid)
}

fn audit(ctx: &BlockContext<'_>, prefix: &str) -> Result<Receipt> {
    let (mut count, mut sum) = (0, 0);
    for row in ctx.scan(balance_key(prefix)) {
        count += 1;
        sum += decode_cell(Some(&row?.1))?;
    }
    Ok(Receipt::Audited(count, sum))
}

/// Who is audited after a transaction, if anybody is: the first digits of its receiver.
fn audited(index: usize, payment: &Payment) -> Option<String> {
    (index % AUDITS == AUDITS - 1).then(|| payment.to[..4].to_owned())
}

/// What a block gives one by one, in the tests' own ledger.
fn one_by_one(ledger: &mut Ledger, block: &Block) -> Vec<Receipt> {
    let transactions = block.payments.iter().enumerate();
    let receipt = |(index, payment)| match audited(index, payment) {
        Some(prefix) => ledger.audit(&prefix),
        None => ledger.pay(payment),
    };
    transactions.map(receipt).collect()
}

/// What it gives on the executor.
fn execute(
    executor: &BlockExecutor,
    base: Arc<dyn BlockBase>,
    block: &Block,
    way: Way,
) -> BlockOutput<Receipt> {
    let transactions: Vec<_> = block.payments.iter().cloned().enumerate().collect();
    let result = executor.execute(base, transactions, move |ctx, (index, payment)| {
        let receipt = match audited(*index, payment) {
            Some(prefix) => audit(ctx, &prefix)?,
            None => pay(ctx, payment, way)?,
        };
        Ok(match receipt {
            Receipt::OldNonce | Receipt::TooPoor => ExecutionStatus::Skip(receipt),
            receipt => ExecutionStatus::Success(receipt),
        })
    });
    result.unwrap_or_else(|error| panic!("block {}: {error}", block.name))
}

/// Balances and nonces as the executor has them; an account without a nonce never paid.
fn state(ledger: &Ledger) -> BTreeMap<Key, Value> {
    let mut state = BTreeMap::new();
    for (name, (balance, nonce)) in &ledger.accounts {
        state.insert(Key::from(balance_key(name)), encode_cell(*balance));
        state.insert(Key::from(nonce_key(name)), encode_cell(*nonce));
    }
    state
}

/// Balances and nonces, 0 where there is none.
fn numbers(state: &BTreeMap<Key, Value>) -> BTreeMap<Key, i128> {
    let cells = state
        .iter()
        .map(|(key, value)| (key.clone(), decode_cell(Some(value)).unwrap()));
    cells.filter(|(_, number)| *number != 0).collect()
}

fn balance_in(value: Option<&Value>) -> i128 {
    decode_cell(value.map(|value| &**value)).unwrap()
}

/// All blocks, each over the state that the ones before have left, with the accounts that it names
/// entered as they were.
fn all_in_sequence(workers: usize, window: usize, way: Way) {
    let executor = forced(workers, window);
    let blocks = blocks();
    let mut ledger = Ledger::default();
    let mut rows = BTreeMap::new();
    let (mut paid, mut entered, mut total) = (0, 0, 0);
    for (number, block) in (1..).zip(blocks) {
        for (name, balance) in ledger.enter(block) {
            entered += balance;
            total += balance;
            rows.insert(Key::from(balance_key(&name)), encode_cell(balance));
            let nonce = ledger.accounts[&name].1;
            rows.insert(Key::from(nonce_key(&name)), encode_cell(nonce));
        }
        let expected = one_by_one(&mut ledger, block);
        let base: Arc<dyn BlockBase> = Arc::new(rows.clone());
        let output = execute(&executor, base, block, way);
        let receipts = output
            .outcomes
            .iter()
            .map(|outcome| outcome.output().unwrap().clone());
        assert_eq!(
            receipts.collect::<Vec<_>>(),
            expected,
            "block {}",
            block.name
        );
        for ((index, outcome), receipt) in output.outcomes.iter().enumerate().zip(&expected) {
            let keeps = matches!(receipt, Receipt::Paid | Receipt::Audited(..));
            let kept = matches!(outcome, TxnOutcome::Success(_));
            assert_eq!(kept, keeps, "transaction {index} of block {}", block.name);
        }
        assert_eq!(
            output.stats.serial, 0,
            "block {} ran one by one",
            block.name
        );
        for (key, value) in output.changes {
            let value = value.expect("nothing is deleted");
            assert_eq!(decode_cell(Some(&value)).unwrap(), ledger.number(&key));
            total += if key.starts_with(b"balance/") {
                balance_in(Some(&value)) - balance_in(rows.get(&key))
            } else {
                0
            };
            rows.insert(key, value);
        }
        let name = &block.name;
        assert_eq!(total, entered, "money was made or lost in block {name}");
        // All of it, now and then.
        if number % 16 == 0 || number == blocks.len() {
            let expected = numbers(&state(&ledger));
            assert_eq!(numbers(&rows), expected, "after block {name}");
            assert_eq!(ledger.total(), entered);
        }
        paid += expected
            .iter()
            .filter(|receipt| **receipt == Receipt::Paid)
            .count();
    }
    if !blocks.is_empty() {
        assert_eq!(blocks.len(), 64);
        println!("{paid} payments in {} blocks", blocks.len());
        assert!(paid > 10_000, "only {paid} payments");
    }
}

#[test]
fn real_transfers_by_set_are_as_one_by_one() {
    all_in_sequence(2, 1_000, Way::Set);
    all_in_sequence(4, 20, Way::Set);
}

#[test]
fn real_transfers_by_add_are_as_one_by_one() {
    all_in_sequence(2, 1_000, Way::Add);
    all_in_sequence(4, 20, Way::Add);
}
