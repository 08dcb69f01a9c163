//! The direct serialization graph: who must come before whom, and why.
//!
//! Its nodes are the committed transactions. Adya's edges: the next version of a key (ww), a
//! version that is read (wr), and the one that comes after what was read (rw). Of a scan's absent
//! keys only those versions count that change what the scan would find.

use crate::{
    history::{History, Id, Key, Level},
    reads::{Kind, Orders, Place, Read},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependency {
    /// Overwrites.
    Ww,
    /// Is read by.
    Wr,
    /// Read what the other overwrote: an anti-dependency.
    Rw {
        kind: Kind,
        /// Whether the reader is promised that what it read held until its commit.
        serializable: bool,
    },
}

/// `from` comes before `to`, because of versions of `key`.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: Id,
    pub(crate) to: Id,
    pub(crate) dependency: Dependency,
    pub(crate) key: Key,
    /// The version of `from`, or the one that it read.
    place: Place,
    /// The version of `to`, or the one that it read.
    next: Place,
}

impl Edge {
    pub(crate) fn is_rw(&self) -> bool {
        matches!(self.dependency, Dependency::Rw { .. })
    }
}

pub(crate) struct Graph<'a> {
    history: &'a History,
    orders: &'a Orders,
    pub(crate) edges: Vec<Edge>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(history: &'a History, orders: &'a Orders, reads: &[Read]) -> Self {
        let edges = Vec::new();
        let mut graph = Self {
            history,
            orders,
            edges,
        };
        graph.add_overwrites();
        for read in reads {
            if history.transactions[read.by.0].is_committed() {
                graph.add_read(read);
            }
        }
        graph
    }

    pub(crate) fn nodes(&self) -> usize {
        self.history.transactions.len()
    }

    fn add(&mut self, from: Id, to: Id, dependency: Dependency, key: &Key, places: [Place; 2]) {
        let [place, next] = places;
        let key = key.clone();
        if from != to {
            self.edges.push(Edge {
                from,
                to,
                dependency,
                key,
                place,
                next,
            });
        }
    }

    fn add_overwrites(&mut self) {
        let orders = self.orders;
        for (key, order) in orders.keys() {
            for (before, pair) in order.windows(2).enumerate() {
                let places = [before + 1, before + 2];
                self.add(pair[0].by, pair[1].by, Dependency::Ww, key, places);
            }
        }
    }

    fn add_read(&mut self, read: &Read) {
        let Read {
            by,
            key,
            place,
            kind,
            tracked,
        } = read;
        let orders = self.orders;
        let (mut first, mut next) = (*place, place + 1);
        if *kind == Kind::Predicate {
            // From the delete that made it absent to the write that ends that.
            first = orders.absent_since(key, first);
            while orders
                .at(key, next)
                .is_some_and(|installed| !installed.live)
            {
                next += 1;
            }
        }
        if let Some(writer) = orders.at(key, first) {
            self.add(writer.by, *by, Dependency::Wr, key, [first, *place]);
        }
        if let Some(writer) = orders.at(key, next) {
            let level = self.history.transactions[by.0].level;
            let serializable = *tracked && level == Level::Serializable;
            let kind = *kind;
            let dependency = Dependency::Rw { kind, serializable };
            self.add(*by, writer.by, dependency, key, [*place, next]);
        }
    }

    /// A cycle for people to read: one edge a line.
    pub(crate) fn tell(&self, cycle: &[usize]) -> String {
        let edges = cycle.iter().map(|index| &self.edges[*index]);
        let why = edges.clone().map(|edge| self.tell_edge(edge));
        let who = edges.map(|edge| self.tell_transaction(edge.from));
        let lines: Vec<_> = why.chain(who).collect();
        format!("a cycle of {}\n  {}", cycle.len(), lines.join("\n  "))
    }

    fn tell_edge(&self, edge: &Edge) -> String {
        let Edge {
            from,
            to,
            key,
            place,
            next,
            ..
        } = edge;
        let place = self.orders.name(key, *place);
        let next = self.orders.name(key, *next);
        match edge.dependency {
            Dependency::Ww => format!("{from} -ww-> {to}: {next} follows {place}"),
            Dependency::Wr => format!("{from} -wr-> {to}: {to} read {next}"),
            Dependency::Rw {
                kind: Kind::Item, ..
            } => {
                format!("{from} -rw-> {to}: {from} read {place}, which {next} follows")
            }
            Dependency::Rw {
                kind: Kind::Predicate,
                ..
            } => format!(
                "{from} -rw-> {to}: {from} scanned where {key} was absent, {place}, until {next}"
            ),
        }
    }

    pub(crate) fn tell_transaction(&self, id: Id) -> String {
        let transaction = &self.history.transactions[id.0];
        let mut parts = vec![format!("{id} is {:?}", transaction.level)];
        parts.extend(transaction.snapshot.map(|at| format!("read at {at}")));
        parts.extend(
            transaction
                .timestamp()
                .map(|at| format!("committed at {at}")),
        );
        parts.join(", ")
    }
}
