//! Histories of transactions, judged by Adya's theory of isolation levels.
//!
//! A recorder writes down what the transactions of many threads read and wrote on a real store; a
//! checker that knows nothing of the store builds the graph of their dependencies and looks for what
//! their levels forbid. The checker is judged too: by hand-made histories of each class of anomaly,
//! by a brute-force search on small random histories, and by right histories with one thing changed.
//!
//! `SEEDS` says how many random histories each test takes, `SEED` runs just one; a failure names its
//! seed.

#[path = "anomalies/anomaly.rs"]
mod anomaly;
#[path = "anomalies/checker.rs"]
mod checker;
#[path = "anomalies/cycles.rs"]
mod cycles;
#[path = "anomalies/graph.rs"]
mod graph;
#[path = "anomalies/history.rs"]
mod history;
#[path = "anomalies/order.rs"]
mod order;
#[path = "anomalies/reads.rs"]
mod reads;

#[path = "anomalies/brute.rs"]
mod brute;
#[path = "anomalies/note.rs"]
mod note;
#[path = "anomalies/recorder.rs"]
mod recorder;
#[path = "anomalies/right.rs"]
mod right;
#[path = "anomalies/seeds.rs"]
mod seeds;

#[path = "anomalies/by_hand.rs"]
mod by_hand;
#[path = "anomalies/on_a_store.rs"]
mod on_a_store;
#[path = "anomalies/one_wrong.rs"]
mod one_wrong;
#[path = "anomalies/tiny.rs"]
mod tiny;
