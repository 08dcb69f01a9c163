//! The life of a chain of contracts: blocks, restarts, every past height, pruning, rollbacks and other blocks, against
//! a reference that knows what a token, a counter and an auction are, and nothing of WebAssembly.

use std::collections::BTreeMap;

use sapwood::{ErrorKind, Keep, MemoryStorage, Mode, Runtime, RuntimeConfig};
use sapwood_wasm::{ContractAddress, WasmCall, WasmMachine, WasmTxn};

use crate::support::*;

const PEOPLE: [&str; 4] = ["ada", "bob", "carol", "dan"];
const SUPPLY: u64 = 1_000;
/// The height from which nobody may bid any more.
const END: u64 = 14;
const KEPT: u64 = 10;

/// The contracts: who deploys them, and with which salt.
fn contract(name: &str) -> ContractAddress {
    ContractAddress::of(b"ada", name.as_bytes())
}

/// What the contracts should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct World {
    is_deployed: bool,
    balances: BTreeMap<&'static str, u64>,
    count: u64,
    bids: BTreeMap<&'static str, u64>,
    highest: u64,
    winner: &'static str,
    is_closed: bool,
}

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Deploy,
    Transfer(&'static str, u64),
    Increment,
    /// Traps when half is done.
    Half,
    Reset,
    Bid(u64),
    Withdraw,
    Close,
}

impl Act {
    fn random(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(..16) {
            0..=5 => Self::Transfer(PEOPLE[rng.usize(..PEOPLE.len())], rng.u64(..400)),
            6 | 7 => Self::Increment,
            8 => Self::Half,
            9 => Self::Reset,
            10..=12 => Self::Bid(rng.u64(1..1_000)),
            13 | 14 => Self::Withdraw,
            _ => Self::Close,
        }
    }

    fn txns(self, who: &'static str) -> Vec<WasmTxn> {
        let call = |name: &str, function: &str, input: &[u8]| {
            vec![WasmTxn::call(who, contract(name), function, input)]
        };
        match self {
            Self::Deploy => [
                ("token", TOKEN, SUPPLY),
                ("counter", COUNTER, 0),
                ("auction", AUCTION, END),
            ]
            .map(|(salt, text, input)| {
                WasmTxn::deploy(who, salt, module(text), input.to_le_bytes())
            })
            .to_vec(),
            Self::Transfer(to, amount) => vec![transfer(contract("token"), who, to, amount)],
            Self::Increment => call("counter", "increment", b""),
            Self::Half => call("counter", "half", b""),
            Self::Reset => call("counter", "reset", b""),
            Self::Bid(amount) => call("auction", "bid", &amount.to_le_bytes()),
            Self::Withdraw => call("auction", "withdraw", b""),
            Self::Close => call("auction", "close", b""),
        }
    }
}

impl World {
    /// Returns whether it succeeds.
    fn act(&mut self, height: u64, who: &'static str, act: Act) -> bool {
        if let Act::Deploy = act {
            let is_new = !self.is_deployed;
            if is_new {
                self.is_deployed = true;
                self.balances.insert(who, SUPPLY);
            }
            return is_new;
        }
        if !self.is_deployed {
            return false;
        }
        let is_over = height >= END;
        match act {
            Act::Deploy | Act::Half => false,
            Act::Transfer(to, amount) => {
                let balance = self.balance(who);
                if balance < amount {
                    return false;
                }
                self.balances.insert(who, balance - amount);
                self.balances.insert(to, self.balance(to) + amount);
                true
            }
            Act::Increment => {
                self.count += 1;
                true
            }
            Act::Reset => {
                self.count = 0;
                true
            }
            Act::Bid(amount) => {
                let is_taken = !is_over && amount > self.highest;
                if is_taken {
                    (self.highest, self.winner) = (amount, who);
                    self.bids.insert(who, amount);
                }
                is_taken
            }
            Act::Withdraw => {
                let is_highest = self.bids.get(who) == Some(&self.highest);
                if !is_highest {
                    self.bids.remove(who);
                }
                !is_highest
            }
            Act::Close => {
                let closes = is_over && !self.is_closed;
                self.is_closed |= closes;
                closes
            }
        }
    }

    fn balance(&self, who: &str) -> u64 {
        self.balances.get(who).copied().unwrap_or(0)
    }

    /// As the contract gives them out.
    fn bids(&self) -> Vec<u8> {
        let mut rows = Vec::new();
        for (who, amount) in &self.bids {
            let key = [b"bid/", who.as_bytes()].concat();
            rows.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
            rows.extend(8u32.to_le_bytes());
            rows.extend(key);
            rows.extend(amount.to_le_bytes());
        }
        rows
    }
}

/// A storage that a chain is opened over again and again.
enum Place {
    Memory(MemoryStorage),
    #[cfg(feature = "rocksdb-storage")]
    Disk(tempfile::TempDir),
}

impl Place {
    fn open(&self, mode: Mode) -> Chain {
        let mut config: RuntimeConfig = config(mode);
        config.keep = Keep::Last(KEPT);
        config.prune_every = Some(3);
        match self {
            Self::Memory(storage) => Runtime::new(storage, WasmMachine::default(), config).unwrap(),
            #[cfg(feature = "rocksdb-storage")]
            Self::Disk(directory) => rocksdb_chain(directory.path(), &config),
        }
    }
}

/// A chain, and what each of its heights should be.
struct Life {
    place: Place,
    mode: Mode,
    chain: Chain,
    /// By height, from 0.
    worlds: Vec<World>,
    digests: Vec<[u8; 32]>,
    rng: fastrand::Rng,
}

impl Life {
    fn new(place: Place, mode: Mode, seed: u64) -> Self {
        Self {
            chain: place.open(mode),
            place,
            mode,
            worlds: vec![World::default()],
            digests: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn height(&self) -> u64 {
        self.worlds.len() as u64 - 1
    }

    /// Executes a block of so many acts.
    fn block(&mut self, acts: usize) {
        let height = self.height() + 1;
        let mut world = self.worlds.last().cloned().unwrap();
        let (mut txns, mut expected) = (Vec::new(), Vec::new());
        let deploys = height == 2 || self.rng.u8(..8) == 0;
        let first = deploys.then_some(("ada", Act::Deploy));
        let others: Vec<_> = (0..acts)
            .map(|_| {
                let who = PEOPLE[self.rng.usize(..PEOPLE.len())];
                (who, Act::random(&mut self.rng))
            })
            .collect();
        for (who, act) in first.into_iter().chain(others) {
            let succeeds = world.act(height, who, act);
            let acts = act.txns(who);
            expected.extend(vec![succeeds; acts.len()]);
            txns.extend(acts);
        }
        let done = block(&self.chain, txns);
        assert_eq!(done.commit.timestamp, at(height));
        let succeeded = done.output.outcomes.iter();
        let succeeded = succeeded.map(|outcome| outcome.output().unwrap().is_success());
        assert_eq!(succeeded.collect::<Vec<_>>(), expected, "at {height}");
        self.digests.push(done.output.digest());
        self.worlds.push(world);
    }

    fn blocks(&mut self, count: usize) {
        for _ in 0..count {
            let acts = self.rng.usize(..30);
            self.block(acts);
        }
    }

    fn restart(self) -> Self {
        let Self {
            place, mode, chain, ..
        } = self;
        close(chain);
        let chain = place.open(mode);
        Self {
            place,
            chain,
            ..self
        }
    }

    fn roll_back(&mut self, height: u64) {
        self.chain.rollback_to(at(height)).unwrap();
        self.worlds.truncate(usize::try_from(height).unwrap() + 1);
    }

    /// Every height, through the contracts: as it was where it is kept, refused where it is not.
    fn check(&self) {
        assert_eq!(self.chain.height(), at(self.height()));
        let floor = self.chain.engine().floor().get();
        let value = WasmCall::new(contract("counter"), "value", "");
        for asked in 0..=self.height() + 3 {
            if (floor..=self.height()).contains(&asked) {
                self.check_world(asked);
                continue;
            }
            let error = self.chain.call_at(at(asked), &value).unwrap_err();
            match error.kind() {
                ErrorKind::Pruned { .. } => assert!(asked < floor),
                ErrorKind::NotYet { .. } => assert!(asked > self.height()),
                _ => panic!("{asked}: {error}"),
            }
        }
    }

    fn check_world(&self, height: u64) {
        let world = &self.worlds[usize::try_from(height).unwrap()];
        let call = |name, function, input: &str| {
            let call = WasmCall::new(contract(name), function, input);
            let receipt = self.chain.call_at(at(height), &call).unwrap();
            assert_eq!(receipt.is_success(), world.is_deployed, "at {height}");
            receipt.output
        };
        let count = call("counter", "value", "");
        let bids = call("auction", "bids", "");
        let balances = PEOPLE.map(|who| call("token", "balance", who));
        if world.is_deployed {
            assert_eq!(number(&count), world.count, "at {height}");
            assert_eq!(bids, world.bids(), "at {height}");
            let balances = balances.map(|balance| number(&balance));
            assert_eq!(
                balances,
                PEOPLE.map(|who| world.balance(who)),
                "at {height}"
            );
            assert_eq!(balances.iter().sum::<u64>(), SUPPLY, "at {height}");
        }
    }
}

fn live(place: Place, mode: Mode, seed: u64) -> Vec<[u8; 32]> {
    let mut life = Life::new(place, mode, seed);
    life.blocks(9);
    life.check();
    life = life.restart();
    life.check();
    life.blocks(9);
    settle(&life.chain);
    life.chain.prune().unwrap();
    assert_eq!(life.chain.engine().floor(), at(18 - KEPT + 1));
    life.check();
    // Back before the end of the auction: it goes on.
    life.roll_back(11);
    life.check();
    life.blocks(4);
    life.check();
    life = life.restart();
    life.check();
    life.blocks(3);
    life.check();
    for _ in 0..6 {
        let lowest = life.chain.engine().floor().get().max(life.height() - 3);
        let height = life.rng.u64(lowest..=life.height());
        life.roll_back(height);
        life.blocks(2);
        life.check();
    }
    life.digests
}

#[test]
fn a_life_is_that_of_the_reference_in_every_mode_on_every_storage() {
    let seed = fastrand::u64(..);
    // Shown where the test fails.
    println!("seed {seed}");
    let mut lives = Vec::new();
    for mode in [Mode::Serial, Mode::Parallel, Mode::Verify] {
        lives.push(live(Place::Memory(MemoryStorage::new()), mode, seed));
        #[cfg(feature = "rocksdb-storage")]
        lives.push(live(Place::Disk(tempfile::tempdir().unwrap()), mode, seed));
    }
    assert!(lives.iter().all(|digests| *digests == lives[0]));
}
