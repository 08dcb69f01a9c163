//! How a figure is made: two sides of the same work in alternating rounds, or one side by itself
//! where there is nothing fair to compare it with.

mod bench;
mod clock;
mod counts;
mod disk;
mod figure;
mod rounds;
mod sweep;
mod threads;

pub(crate) use bench::Bench;
pub(crate) use clock::{Clock, Sample};
pub(crate) use counts::{Counts, count_reads};
pub(crate) use figure::{Figure, NO_LIMIT, RowSpec};
pub(crate) use rounds::{Outcome, Work, against, alone, alternate, compare, median, rate};
pub(crate) use sweep::{Point, Swept, sweep, sweep_rounds};
pub(crate) use threads::on_threads;

/// The results of a row: its figure, and counts where they were taken.
pub(crate) type Measured = (Figure, Vec<Counts>);
