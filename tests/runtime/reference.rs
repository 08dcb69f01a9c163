//! What a chain should be: a map for each height, and transactions run one by one over the newest. It shares
//! nothing with the executor and the store.

use std::collections::BTreeMap;

use sapwood::TxnOutcome;

use crate::ledger::{COUNT, FEES, NOTE, Txn, account, note};

pub(crate) type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A chain.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    /// After each height at which there is a block.
    states: BTreeMap<u64, State>,
    /// The newest height: that of a block, or what was gone back to.
    pub(crate) height: u64,
}

impl Reference {
    pub(crate) fn at(&self, height: u64) -> State {
        let newest = self.states.range(..=height).next_back();
        newest.map_or_else(State::default, |(_, state)| state.clone())
    }

    pub(crate) fn block(&mut self, height: u64, txns: &[Txn]) -> Vec<TxnOutcome<String>> {
        let mut state = self.at(self.height);
        let mut outcomes = Vec::new();
        for txn in txns {
            if matches!(outcomes.last(), Some(TxnOutcome::NotExecuted)) {
                outcomes.push(TxnOutcome::NotExecuted);
                continue;
            }
            outcomes.push(run(&mut state, height, txn));
            if matches!(txn, Txn::Rest) && outcomes.len() < txns.len() {
                outcomes.push(TxnOutcome::NotExecuted);
            }
        }
        outcomes.truncate(txns.len());
        self.states.insert(height, state);
        self.height = height;
        outcomes
    }

    pub(crate) fn roll_back(&mut self, height: u64) {
        self.states.retain(|kept, _| *kept <= height);
        self.height = height;
    }
}

fn run(state: &mut State, height: u64, txn: &Txn) -> TxnOutcome<String> {
    let mut told = "in vain";
    match txn {
        Txn::Mint {
            account: to,
            amount,
        } => {
            add(state, &account(*to), *amount);
            told = "minted";
        }
        Txn::Pay { from, to, amount } => {
            if cell(state, &account(*from)) < amount + 1 {
                return TxnOutcome::Skipped("too little".to_owned());
            }
            add(state, FEES, 1);
            add(state, &account(*from), -amount - 1);
            add(state, &account(*to), *amount);
            told = "paid";
        }
        Txn::Note(key) => {
            state.insert(note(*key).into(), height.to_string().into());
            told = "noted";
        }
        Txn::Forget(key) => {
            let had = state.remove(note(*key).as_bytes()).is_some();
            told = if had { "forgotten" } else { "never heard of" };
        }
        Txn::Count => {
            let count = notes(state).len().to_string();
            state.insert(COUNT.into(), count.clone().into());
            return TxnOutcome::Success(count);
        }
        Txn::Sweep => {
            for key in notes(state).iter().skip(1).take(2) {
                state.remove(key);
            }
            told = "swept";
        }
        Txn::Vain(_) => return TxnOutcome::Skipped(told.to_owned()),
        Txn::Rest => {
            state.insert(COUNT.into(), "rest".into());
            told = "rest";
        }
    }
    TxnOutcome::Success(told.to_owned())
}

fn notes(state: &State) -> Vec<Vec<u8>> {
    let keys = state.keys().filter(|key| key.starts_with(NOTE.as_bytes()));
    keys.cloned().collect()
}

fn cell(state: &State, key: &str) -> i128 {
    let value = state.get(key.as_bytes());
    value.map_or(0, |value| {
        i128::from_be_bytes(value[..].try_into().unwrap())
    })
}

fn add(state: &mut State, key: &str, delta: i128) {
    let sum = cell(state, key) + delta;
    state.insert(key.into(), sum.to_be_bytes().into());
}
