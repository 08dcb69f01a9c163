//! Cycles of the graph, and what they are called.
//!
//! First the graph is peeled: nodes that nothing leads to, or that lead nowhere, are on no cycle. In
//! a right history nothing is left, and that is all that is done. Only where something is left is it
//! searched, by the mildest class first; an anti-dependency that a class has explained is no longer
//! looked at by those after it, so that each cycle gets one name.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    anomaly::{Anomaly, Class},
    graph::{Dependency, Edge, Graph},
    reads::{Kind, Orders, Read},
};

/// Arrows between nodes, each with its label.
struct Arrows {
    out: Vec<Vec<(usize, usize)>>,
    back: Vec<Vec<usize>>,
}

impl Arrows {
    fn new(nodes: usize) -> Self {
        Self {
            out: vec![Vec::new(); nodes],
            back: vec![Vec::new(); nodes],
        }
    }

    fn add(&mut self, from: usize, to: usize, label: usize) {
        self.out[from].push((to, label));
        self.back[to].push(from);
    }

    /// Whether there is any cycle.
    fn has_cycle(&self) -> bool {
        let mut waiting: Vec<_> = self.back.iter().map(Vec::len).collect();
        let mut free: Vec<_> = (0..waiting.len())
            .filter(|node| waiting[*node] == 0)
            .collect();
        let mut gone = 0;
        while let Some(node) = free.pop() {
            gone += 1;
            for (next, _) in &self.out[node] {
                waiting[*next] -= 1;
                if waiting[*next] == 0 {
                    free.push(*next);
                }
            }
        }
        gone < waiting.len()
    }

    /// The labels along a shortest way.
    fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut came: Vec<Option<(usize, usize)>> = vec![None; self.out.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for (next, label) in &self.out[node] {
                if *next != from && came[*next].is_none() {
                    came[*next] = Some((node, *label));
                    queue.push_back(*next);
                }
            }
            if came[to].is_some() || from == to {
                break;
            }
        }
        let mut way = Vec::new();
        let mut node = to;
        while node != from {
            let (before, label) = came[node]?;
            way.push(label);
            node = before;
        }
        way.reverse();
        Some(way)
    }
}

/// The nodes of an edge.
fn nodes(edge: &Edge) -> (usize, usize) {
    (edge.from.0, edge.to.0)
}

/// Every class of cycle that the graph has, each with its shortest one.
pub(crate) fn find(graph: &Graph<'_>, orders: &Orders, reads: &[Read]) -> Vec<Anomaly> {
    let mut search = Search {
        graph,
        explained: BTreeSet::new(),
        found: Vec::new(),
    };
    search.writes();
    search.flow();
    search.lost_updates(orders, reads);
    search.read_skew();
    search.long_forks();
    search.write_skew();
    search.found
}

struct Search<'a> {
    graph: &'a Graph<'a>,
    /// Anti-dependencies that are on a cycle which has its name.
    explained: BTreeSet<usize>,
    found: Vec<Anomaly>,
}

impl Search<'_> {
    fn edges(&self, keep: impl Fn(&Edge) -> bool) -> Vec<usize> {
        let kept =
            |index: &usize| keep(&self.graph.edges[*index]) && !self.explained.contains(index);
        (0..self.graph.edges.len()).filter(kept).collect()
    }

    fn arrows(&self, edges: &[usize]) -> Arrows {
        let mut arrows = Arrows::new(self.graph.nodes());
        for index in edges {
            let edge = &self.graph.edges[*index];
            arrows.add(edge.from.0, edge.to.0, *index);
        }
        arrows
    }

    /// Cycles through each of `first` and back along `rest`, whose nodes `ends` knows: explains
    /// them, and tells the shortest.
    fn name(
        &mut self,
        class: Class,
        first: &[usize],
        rest: &Arrows,
        ends: impl Fn(&Edge) -> (usize, usize),
    ) {
        let mut shortest: Option<Vec<usize>> = None;
        let mut explained = Vec::new();
        for index in first {
            let edge = &self.graph.edges[*index];
            let (from, to) = ends(edge);
            if let Some(way) = rest.way(to, from) {
                explained.extend(edge.is_rw().then_some(*index));
                if shortest
                    .as_ref()
                    .is_none_or(|cycle| way.len() + 1 < cycle.len())
                {
                    shortest = Some([vec![*index], way].concat());
                }
            }
        }
        self.explained.extend(explained);
        let story = shortest.map(|cycle| self.graph.tell(&cycle));
        self.found
            .extend(story.map(|story| Anomaly::new(class, story)));
    }

    fn writes(&mut self) {
        let edges = self.edges(|edge| edge.dependency == Dependency::Ww);
        let arrows = self.arrows(&edges);
        if arrows.has_cycle() {
            self.name(Class::G0, &edges, &arrows, nodes);
        }
    }

    fn flow(&mut self) {
        let arrows = self.arrows(&self.edges(|edge| !edge.is_rw()));
        if arrows.has_cycle() {
            let first = self.edges(|edge| edge.dependency == Dependency::Wr);
            self.name(Class::G1c, &first, &arrows, nodes);
        }
    }

    /// A transaction that read a version of a key and wrote one that is not the next.
    fn lost_updates(&mut self, orders: &Orders, reads: &[Read]) {
        let mut first = None;
        for (index, edge) in self
            .graph
            .edges
            .iter()
            .enumerate()
            .filter(|(_, edge)| edge.is_rw())
        {
            let own = orders.place_by(edge.from, &edge.key);
            let other = orders.place_by(edge.to, &edge.key);
            if let Some((own, other)) = own.zip(other).filter(|(own, other)| own > other) {
                self.explained.insert(index);
                first.get_or_insert((index, other, own));
            }
        }
        let Some((index, other, own)) = first else {
            return;
        };
        let edge = &self.graph.edges[index];
        let Edge { from, to, key, .. } = edge;
        let read = reads
            .iter()
            .find(|read| read.by == *from && read.key == *key);
        let read = read.map_or(0, |read| read.place);
        let story = format!(
            "{from} read {} and wrote {}, but {} came in between\n  {}\n  {}",
            orders.name(key, read),
            orders.name(key, own),
            orders.name(key, other),
            self.graph.tell_transaction(*from),
            self.graph.tell_transaction(*to),
        );
        self.found.push(Anomaly::new(Class::LostUpdate, story));
    }

    /// Arrows between nodes that remember whether an anti-dependency led to them: `2 * node + 1`
    /// where one did. Two of them never follow each other.
    fn alternating(&self) -> (Vec<usize>, Arrows) {
        let mut arrows = Arrows::new(2 * self.graph.nodes());
        let edges = self.edges(|_| true);
        for index in &edges {
            let edge = &self.graph.edges[*index];
            let (from, to) = (2 * edge.from.0, 2 * edge.to.0);
            if edge.is_rw() {
                arrows.add(from, to + 1, *index);
            } else {
                arrows.add(from, to, *index);
                arrows.add(from + 1, to, *index);
            }
        }
        let rw = edges
            .into_iter()
            .filter(|index| self.graph.edges[*index].is_rw());
        (rw.collect(), arrows)
    }

    fn read_skew(&mut self) {
        let (first, alternating) = self.alternating();
        if alternating.has_cycle() {
            let arrows = self.arrows(&self.edges(|edge| !edge.is_rw()));
            self.name(Class::GSingle, &first, &arrows, nodes);
        }
    }

    fn long_forks(&mut self) {
        let (first, arrows) = self.alternating();
        if !arrows.has_cycle() {
            return;
        }
        let ends = |edge: &Edge| (2 * edge.from.0, 2 * edge.to.0 + 1);
        self.name(Class::LongFork, &first, &arrows, ends);
    }

    /// Cycles of what serializable transactions were promised.
    fn write_skew(&mut self) {
        let promised = |edge: &Edge| match edge.dependency {
            Dependency::Rw { serializable, .. } => serializable,
            Dependency::Ww | Dependency::Wr => true,
        };
        let is_phantom = |edge: &Edge| {
            let kind = Kind::Predicate;
            matches!(edge.dependency, Dependency::Rw { kind: k, .. } if k == kind)
        };
        for class in [Class::G2Item, Class::G2] {
            let phantoms = class == Class::G2;
            let edges = self.edges(|edge| promised(edge) && (phantoms || !is_phantom(edge)));
            let arrows = self.arrows(&edges);
            if arrows.has_cycle() {
                let first = |index: &usize| {
                    let edge = &self.graph.edges[*index];
                    edge.is_rw() && is_phantom(edge) == phantoms
                };
                let first: Vec<_> = edges.into_iter().filter(first).collect();
                self.name(class, &first, &arrows, nodes);
            }
        }
    }
}
