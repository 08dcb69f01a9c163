//! What is written: the contents of each commit follow from the seed, the thread and the operation's number alone.
//!
//! So nobody has to report them: whoever knows that an operation was committed, and when, knows what it did. Each
//! commit also writes its number under the marker of its thread, so that a commit which nobody was told of can
//! be recognised in the store.

use std::ops::Range;

/// Keys that are written, beside the markers.
const KEYS: u64 = 300;

/// A key and its value; `None` deletes.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);

/// How an operation commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As a batch.
    Batch,
    /// As a transaction that has read.
    Transaction,
    /// As a block at a height of its own.
    Block,
    /// As a transaction that deletes all that it finds in a range.
    Range,
}

/// What one operation does.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) way: Way,
    pub(crate) is_synced: bool,
    /// The marker among them.
    pub(crate) writes: Vec<Write>,
    pub(crate) reads: Vec<Vec<u8>>,
    /// What a [`Way::Range`] deletes.
    pub(crate) range: Range<Vec<u8>>,
    /// How far above the last commit a [`Way::Block`] is.
    pub(crate) gap: u64,
}

/// Mixes numbers to a seed.
pub(crate) fn mix(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9E37_79B9_7F4A_7C15, |sum, number| {
        let sum = (sum ^ number).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (sum ^ (sum >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB)
    })
}

/// The key under which a thread notes the number of its last operation.
pub(crate) fn marker(thread: usize) -> Vec<u8> {
    format!("marker/{thread:02}").into_bytes()
}

/// What a marker says.
pub(crate) fn read_marker(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// The key of a number. Some are prefixes of others, or hold bytes that the encoding has to escape.
fn key(number: u64) -> Vec<u8> {
    let base = format!("k/{:04}", number - number % 5).into_bytes();
    match number % 5 {
        0 => base,
        1 => [&base[..], &[0]].concat(),
        2 => [&base[..], &[0, 0xFF]].concat(),
        3 => [&base[..], &[0xFF; 9]].concat(),
        _ => [&base[..], b"/tail"].concat(),
    }
}

fn value(random: &mut fastrand::Rng) -> Vec<u8> {
    let length = match random.u32(..1000) {
        0..50 => 0,
        50..950 => random.usize(1..120),
        950..996 => random.usize(1000..20_000),
        // More than a part of a record holds.
        _ => random.usize(250_000..600_000),
    };
    let pattern: [u8; 24] = std::array::from_fn(|_| random.u8(..));
    pattern.iter().copied().cycle().take(length).collect()
}

/// What an operation does.
pub(crate) fn work(seed: u64, thread: usize, number: u64) -> Work {
    let mut random = fastrand::Rng::with_seed(mix(&[seed, thread as u64, number]));
    let way = match random.u32(..10) {
        0..4 => Way::Batch,
        4..7 => Way::Transaction,
        7..9 => Way::Block,
        _ => Way::Range,
    };
    let count = if random.u32(..40) == 0 {
        200
    } else {
        random.usize(1..12)
    };
    let mut writes: Vec<Write> = Vec::new();
    for _ in 0..count {
        let value = (random.u32(..4) != 0).then(|| value(&mut random));
        writes.push((key(random.u64(..KEYS)), value));
    }
    if way == Way::Range {
        writes.clear();
    }
    writes.push((marker(thread), Some(number.to_be_bytes().to_vec())));
    let reads = (0..random.usize(..4))
        .map(|_| key(random.u64(..KEYS)))
        .collect();
    let start = random.u64(..KEYS);
    Work {
        way,
        is_synced: random.u32(..4) == 0,
        writes,
        reads,
        range: key(start)..key(start + random.u64(..20)),
        gap: if random.u32(..3) == 0 {
            random.u64(1..40)
        } else {
            1
        },
    }
}
