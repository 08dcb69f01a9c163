//! What each fuzz target does with its input. `fuzz/` has libFuzzer call these; `tests/corpus.rs` calls them with the
//! inputs that are kept in `fuzz/corpus`. A finding is a panic.
//!
//! | target | input | what must hold |
//! |---|---|---|
//! | `codec` | keys and bytes | encoded keys keep their order and come back; what decodes encodes back |
//! | `records` | rows, commits and marks, and bytes for each | what was encoded decodes; what decodes encodes back |
//! | `operations` | commits, reads, transactions, pins, prunes, rollbacks | the engine answers as the reference of `tests/model` does |
//! | `shell` | lines of text | each is answered; an error has a kind and one line; what parses is written and parses to the same |
//! | `export` | bytes, a changed export, made-up frames | refused with nothing done, or applied whole; a right one comes back |
//! | `directory` | what to do to a database's files and rows | it opens or is refused; no call panics, errors have a kind that is documented |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a finding is a panic"
)]

mod codec;
mod directory;
mod engines;
mod export;
mod operations;
mod records;
mod shell;

/// What a target does with an input.
pub type Target = fn(&[u8]);

/// The targets, by their names in `fuzz/`.
pub const TARGETS: [(&str, Target); 6] = [
    ("codec", codec::run),
    ("records", records::run),
    ("operations", operations::run),
    ("shell", shell::run),
    ("export", export::run),
    ("directory", directory::run),
];

/// Does what the target of this name does.
///
/// # Panics
/// Where something does not hold, and where there is no such target.
pub fn run(target: &str, input: &[u8]) {
    let named = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, run) = named.unwrap_or_else(|| panic!("there is no target {target}"));
    run(input);
}

/// Reads the whole input as what a target takes; too little of it is filled up.
fn read<'a, T: arbitrary::Arbitrary<'a>>(input: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(arbitrary::Unstructured::new(input)).ok()
}
