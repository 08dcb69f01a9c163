//! [`Swaps`]: swaps at constant-product exchanges.

use alloy_primitives::{Address, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Funded, PlainRevm, Workload, WorkloadError, address,
    contracts::{Exchange, Token, create_exchange, create_token, expect},
    funded,
    script::Script,
};
use crate::EvmTxn;

/// How many exchanges there are, each of two tokens of its own, and who swaps there. All swaps at an exchange depend on
/// each other. In a block the clusters follow each other, as pevm's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pools {
    /// Exchanges.
    pub clusters: usize,
    /// Who swaps at each; where it is one, who owns it.
    pub people: usize,
    /// Transactions of each person in a block.
    pub swaps: usize,
}

/// What a person has of each token in the beginning.
const START: u64 = 1_000_000_000_000;
/// The most that is swapped at once.
const MOST: u64 = 1_000_000;

#[derive(Clone, Debug)]
struct Cluster {
    owner: Address,
    tokens: [Address; 2],
    exchange: Address,
    people: Vec<Address>,
}

/// Swaps of random amounts, either way.
#[derive(Clone, Debug)]
pub struct Swaps {
    pools: Pools,
    clusters: Vec<Cluster>,
    script: Script,
    rng: ChaCha8Rng,
    is_set_up: bool,
}

impl Swaps {
    /// Swaps of a shape.
    pub fn new(pools: Pools, seed: u64) -> Self {
        let cluster = |number| {
            let owner = address("issuer", number);
            let person = |person| address("trader", number * pools.people + person);
            let people = match pools.people {
                1 => vec![owner],
                people => (0..people).map(person).collect(),
            };
            Cluster {
                owner,
                tokens: [Address::ZERO; 2],
                exchange: Address::ZERO,
                people,
            }
        };
        Self {
            pools,
            clusters: (0..pools.clusters).map(cluster).collect(),
            script: Script::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            is_set_up: false,
        }
    }

    fn supply() -> U256 {
        U256::from(10_u64).pow(U256::from(27))
    }

    /// What an exchange has of each token in the beginning.
    fn liquidity() -> U256 {
        U256::from(10_u64).pow(U256::from(18))
    }
}

impl Cluster {
    fn deploy(&mut self, number: usize, script: &mut Script, block: &mut Vec<EvmTxn>) {
        let owner = self.owner;
        for (token, letter) in self.tokens.iter_mut().zip(["A", "B"]) {
            let name = format!("Token {letter}{number}");
            let code = create_token(&name, &format!("{letter}{number}"), Swaps::supply());
            let (deployment, at) = script.create(owner, code);
            block.push(deployment);
            *token = at;
        }
        let [token0, token1] = self.tokens;
        let (deployment, at) = script.create(owner, create_exchange(token0, token1));
        block.push(deployment);
        self.exchange = at;
    }

    fn give(&self, script: &mut Script, block: &mut Vec<EvmTxn>) {
        let approve = Token::approveCall {
            spender: self.exchange,
            value: U256::MAX,
        };
        let both = self.tokens;
        block.extend(both.map(|token| script.call(self.owner, token, &approve)));
        let amount = Swaps::liquidity();
        let add = Exchange::addLiquidityCall {
            amount0: amount,
            amount1: amount,
        };
        block.push(script.call(self.owner, self.exchange, &add));
        for person in self.people.iter().filter(|person| **person != self.owner) {
            let gift = Token::transferCall {
                to: *person,
                value: U256::from(START),
            };
            for token in both {
                block.push(script.call(self.owner, token, &gift));
                block.push(script.call(*person, token, &approve));
            }
        }
    }

    fn check(&self, state: &mut PlainRevm) -> Result<(), WorkloadError> {
        let of_pool = state.call(self.exchange, &Exchange::reservesCall {})?;
        let reserves = [of_pool._0, of_pool._1].map(U256::from);
        let owners = [self.owner, self.exchange];
        let others = self.people.iter().filter(|person| **person != self.owner);
        let owners: Vec<_> = others.chain(&owners).copied().collect();
        for (token, reserve) in self.tokens.into_iter().zip(reserves) {
            let what = || format!("the reserve of {} at {}", token, self.exchange);
            let held = state.call(token, &Token::balanceOfCall(self.exchange))?;
            expect(what, reserve, held)?;
            let mut sum = U256::ZERO;
            for owner in &owners {
                sum += state.call(token, &Token::balanceOfCall(*owner))?;
            }
            expect(|| format!("the balances of {token}"), sum, Swaps::supply())?;
        }
        let [first, second] = reserves;
        let least = Swaps::liquidity() * Swaps::liquidity();
        if first * second < least {
            let product = first * second;
            let what = format!(
                "the product of {} fell to {product} from {least}",
                self.exchange
            );
            return Err(WorkloadError(what));
        }
        Ok(())
    }
}

impl Workload for Swaps {
    fn accounts(&self) -> Vec<Funded> {
        let addresses = self.clusters.iter().flat_map(|cluster| {
            let others = cluster
                .people
                .iter()
                .filter(|person| **person != cluster.owner);
            others.copied().chain([cluster.owner])
        });
        funded(addresses)
    }

    fn setup(&mut self) -> Vec<Vec<EvmTxn>> {
        if self.is_set_up {
            return Vec::new();
        }
        self.is_set_up = true;
        let (mut deployments, mut gifts) = (Vec::new(), Vec::new());
        for (number, cluster) in self.clusters.iter_mut().enumerate() {
            cluster.deploy(number, &mut self.script, &mut deployments);
            cluster.give(&mut self.script, &mut gifts);
        }
        vec![deployments, gifts]
    }

    fn block(&mut self) -> Vec<EvmTxn> {
        let mut block = Vec::new();
        for cluster in &self.clusters {
            for _ in 0..self.pools.swaps {
                for person in &cluster.people {
                    let [token0, token1] = cluster.tokens;
                    let is_first = self.rng.random_bool(0.5);
                    let call = Exchange::swapCall {
                        tokenIn: if is_first { token0 } else { token1 },
                        amountIn: U256::from(self.rng.random_range(1_000..=MOST)),
                        minOut: U256::ONE,
                    };
                    block.push(self.script.call(*person, cluster.exchange, &call));
                }
            }
        }
        block
    }

    fn check(&self, state: &mut PlainRevm) -> Result<(), WorkloadError> {
        for cluster in &self.clusters {
            cluster.check(state)?;
        }
        state.check_ether()
    }
}
