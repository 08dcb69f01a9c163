//! A plain machine: accounts and notes, with what a block can do to a key.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sapwood::{
    BlockContext, ExecutionStatus, ReadView, Result, Snapshot, Timestamp, VirtualMachine,
};

const ACCOUNTS: u8 = 6;
const NOTES: u8 = 8;

/// A transaction.
#[derive(Clone, Debug)]
pub(crate) enum Txn {
    /// Makes money.
    Mint { account: u8, amount: i128 },
    /// Moves money, and one more to the fees; is skipped where there is too little.
    Pay { from: u8, to: u8, amount: i128 },
    /// Notes the height.
    Note(u8),
    /// Forgets a note.
    Forget(u8),
    /// Counts the notes.
    Count,
    /// Forgets all notes but the first, and takes all but the first two of that back.
    Sweep,
    /// Writes, and is skipped all the same.
    Vain(u8),
    /// Ends the block.
    Rest,
}

impl Txn {
    pub(crate) fn random(random: &mut ChaCha8Rng) -> Self {
        let account = random.random_range(0..ACCOUNTS);
        let note = random.random_range(0..NOTES);
        match random.random_range(0..40) {
            0..4 => Self::Mint {
                account,
                amount: random.random_range(1..50),
            },
            4..18 => Self::Pay {
                from: account,
                to: random.random_range(0..ACCOUNTS),
                amount: random.random_range(1..40),
            },
            18..26 => Self::Note(note),
            26..32 => Self::Forget(note),
            32..35 => Self::Count,
            35..37 => Self::Sweep,
            37..39 => Self::Vain(note),
            _ => Self::Rest,
        }
    }
}

pub(crate) fn account(number: u8) -> String {
    format!("account/{number}")
}

pub(crate) fn note(number: u8) -> String {
    format!("note/{number}")
}

pub(crate) const NOTE: &str = "note/";
pub(crate) const FEES: &str = "fees";
pub(crate) const COUNT: &str = "count";

/// The machine. A call is a prefix, its answer the rows whose keys begin with it.
#[derive(Debug)]
pub(crate) struct Ledger;

impl VirtualMachine for Ledger {
    type Txn = Txn;
    type Output = String;
    type Call = str;
    type Answer = Vec<(Vec<u8>, Vec<u8>)>;

    fn execute(
        &self,
        ctx: &mut BlockContext<'_>,
        height: Timestamp,
        txn: &Txn,
    ) -> Result<ExecutionStatus<String>> {
        let done = |told: &str| Ok(ExecutionStatus::Success(told.to_owned()));
        match txn {
            Txn::Mint {
                account: to,
                amount,
            } => {
                ctx.add(account(*to), *amount)?;
                done("minted")
            }
            Txn::Pay { from, to, amount } => {
                ctx.add(FEES, 1)?;
                if !ctx.try_add(account(*from), -amount - 1, 0..=i128::MAX)? {
                    return Ok(ExecutionStatus::Skip("too little".to_owned()));
                }
                ctx.add(account(*to), *amount)?;
                done("paid")
            }
            Txn::Note(key) => {
                ctx.set(note(*key), height.to_string())?;
                done("noted")
            }
            Txn::Forget(key) => {
                let had = ctx.get(note(*key))?.is_some();
                ctx.delete(note(*key))?;
                done(if had { "forgotten" } else { "never heard of" })
            }
            Txn::Count => {
                let count = ctx.scan(NOTE).collect::<Result<Vec<_>>>()?.len();
                ctx.set(COUNT, count.to_string())?;
                done(&count.to_string())
            }
            Txn::Sweep => {
                let rows = ctx.scan(NOTE).collect::<Result<Vec<_>>>()?;
                let mut third = None;
                for (place, (key, _)) in rows.iter().skip(1).enumerate() {
                    if place == 2 {
                        third = Some(ctx.savepoint());
                    }
                    ctx.delete(key)?;
                }
                if let Some(third) = third {
                    ctx.rollback_to(&third)?;
                }
                done("swept")
            }
            Txn::Vain(key) => {
                ctx.set(note(*key), "in vain")?;
                ctx.add(account(*key), 1)?;
                Ok(ExecutionStatus::Skip("in vain".to_owned()))
            }
            Txn::Rest => {
                ctx.set(COUNT, "rest")?;
                Ok(ExecutionStatus::SkipRest("rest".to_owned()))
            }
        }
    }

    fn call(&self, state: &Snapshot, prefix: &str) -> Result<Self::Answer> {
        let owned = |row: Result<(sapwood::Key, sapwood::Value)>| {
            row.map(|(key, value)| (key.to_vec(), value.to_vec()))
        };
        state.scan(prefix).map(owned).collect()
    }
}
