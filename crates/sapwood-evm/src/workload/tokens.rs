//! [`Tokens`]: transfers of ERC-20 tokens.

use alloy_primitives::{Address, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Funded, PlainRevm, Workload, WorkloadError, address,
    contracts::{Token, create_token, expect},
    funded,
    script::Script,
};
use crate::EvmTxn;

/// Who has which token, and whom they pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holders {
    /// A token for each cluster. In a block each person, so many times, pays a random member of the own family a random
    /// amount; the clusters follow each other, as pevm's do. With one person in each family everybody pays himself.
    Families {
        /// Tokens.
        clusters: usize,
        /// Families of each cluster.
        families: usize,
        /// People of each family.
        people: usize,
        /// Transactions of each person in a block.
        transfers: usize,
    },
    /// One token; each of so many people pays the same receiver: every transaction reads and writes the receiver's
    /// balance.
    Receiver {
        /// Transactions of a block.
        senders: usize,
    },
    /// One token; its issuer pays so many people, one after the other: every transaction reads and writes the issuer's
    /// account and balance.
    Sender {
        /// Transactions of a block.
        receivers: usize,
    },
    /// One token; transaction i of a block hands all that is handed on from person i to person i + 1, who had nothing,
    /// and the next block hands it back: none can go through before the one before it.
    Chain {
        /// Transactions of a block.
        length: usize,
    },
}

/// What one person of a family, or a sender, has in the beginning; what a chain hands on.
const START: u64 = 1_000_000_000;
/// The most that is paid at once.
const MOST: u64 = 255;

#[derive(Clone, Debug)]
struct Cluster {
    owner: Address,
    token: Address,
    /// Family by family.
    people: Vec<Address>,
}

/// Transfers of tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    holders: Holders,
    clusters: Vec<Cluster>,
    receiver: Address,
    script: Script,
    rng: ChaCha8Rng,
    is_set_up: bool,
    /// Which way a chain goes next.
    is_forward: bool,
}

impl Tokens {
    /// Transfers of a shape.
    pub fn new(holders: Holders, seed: u64) -> Self {
        let (clusters, people) = match holders {
            Holders::Families {
                clusters,
                families,
                people,
                ..
            } => (clusters, families * people),
            Holders::Receiver { senders: people } | Holders::Sender { receivers: people } => {
                (1, people)
            }
            Holders::Chain { length } => (1, length + 1),
        };
        let cluster = |number| Cluster {
            owner: address("issuer", number),
            token: Address::ZERO,
            people: (0..people)
                .map(|person| address("holder", number * people + person))
                .collect(),
        };
        Self {
            holders,
            clusters: (0..clusters).map(cluster).collect(),
            receiver: address("receiver", 0),
            script: Script::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            is_set_up: false,
            is_forward: true,
        }
    }

    fn supply() -> U256 {
        U256::from(10_u64).pow(U256::from(27))
    }

    fn among_families(&mut self, people: usize, transfers: usize) -> Vec<EvmTxn> {
        let mut block = Vec::new();
        for cluster in &self.clusters {
            for _ in 0..transfers {
                for family in cluster.people.chunks(people) {
                    for from in family {
                        let to = family.get(self.rng.random_range(0..family.len()));
                        let call = transfer(
                            to.copied().unwrap_or_default(),
                            self.rng.random_range(0..=MOST),
                        );
                        block.push(self.script.call(*from, cluster.token, &call));
                    }
                }
            }
        }
        block
    }

    fn paying_receiver(&mut self) -> Vec<EvmTxn> {
        let mut block = Vec::new();
        for cluster in &self.clusters {
            for from in &cluster.people {
                let call = transfer(self.receiver, self.rng.random_range(1..=MOST));
                block.push(self.script.call(*from, cluster.token, &call));
            }
        }
        block
    }

    fn paid_by_sender(&mut self) -> Vec<EvmTxn> {
        let mut block = Vec::new();
        for cluster in &self.clusters {
            for to in &cluster.people {
                let call = transfer(*to, self.rng.random_range(1..=MOST));
                block.push(self.script.call(cluster.owner, cluster.token, &call));
            }
        }
        block
    }

    fn along_chain(&mut self) -> Vec<EvmTxn> {
        let mut block = Vec::new();
        for cluster in &self.clusters {
            let mut people = cluster.people.clone();
            if !self.is_forward {
                people.reverse();
            }
            for pair in people.windows(2) {
                if let [from, to] = *pair {
                    block.push(self.script.call(from, cluster.token, &transfer(to, START)));
                }
            }
        }
        self.is_forward = !self.is_forward;
        block
    }
}

fn transfer(to: Address, value: u64) -> Token::transferCall {
    Token::transferCall {
        to,
        value: U256::from(value),
    }
}

impl Workload for Tokens {
    fn accounts(&self) -> Vec<Funded> {
        let addresses = self.clusters.iter().flat_map(|cluster| {
            let people = cluster.people.iter().copied();
            people.chain([cluster.owner])
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
            let code = create_token(
                &format!("Token {number}"),
                &format!("T{number}"),
                Self::supply(),
            );
            let (deployment, token) = self.script.create(cluster.owner, code);
            deployments.push(deployment);
            cluster.token = token;
            let given = match self.holders {
                Holders::Chain { .. } => 1,
                Holders::Sender { .. } => 0,
                _ => cluster.people.len(),
            };
            for person in cluster.people.iter().take(given) {
                gifts.push(
                    self.script
                        .call(cluster.owner, token, &transfer(*person, START)),
                );
            }
        }
        vec![deployments, gifts]
    }

    fn block(&mut self) -> Vec<EvmTxn> {
        match self.holders {
            Holders::Families {
                people, transfers, ..
            } => self.among_families(people, transfers),
            Holders::Receiver { .. } => self.paying_receiver(),
            Holders::Sender { .. } => self.paid_by_sender(),
            Holders::Chain { .. } => self.along_chain(),
        }
    }

    fn check(&self, state: &mut PlainRevm) -> Result<(), WorkloadError> {
        for cluster in &self.clusters {
            let supply = state.call(cluster.token, &Token::totalSupplyCall {})?;
            expect(|| "a token's supply".to_owned(), supply, Self::supply())?;
            let mut sum = U256::ZERO;
            let owners = [cluster.owner, self.receiver];
            for owner in cluster.people.iter().chain(&owners) {
                sum += state.call(cluster.token, &Token::balanceOfCall(*owner))?;
            }
            expect(|| format!("the balances of {}", cluster.token), sum, supply)?;
        }
        state.check_ether()
    }
}
