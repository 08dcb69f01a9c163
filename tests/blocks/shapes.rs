//! Blocks of every shape: who meets whom, how often and how far apart.

use std::ops::Bound;

use rand::{
    RngExt,
    seq::{IndexedRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;

use crate::{
    oracle::Rows,
    program::{Ends, Op, Part, Program, cell, plain},
};

/// A block, and the state that it stands on.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) base: Rows,
    pub(crate) block: Vec<Program>,
}

/// Makes a block of some size.
type Make = fn(&mut ChaCha8Rng, u32) -> Case;

/// The shapes by name.
pub(crate) const SHAPES: &[(&str, Make)] = &[
    ("uniform", |random, size| {
        transfers(random, size, 1_000, uniform)
    }),
    ("crowded", |random, size| {
        transfers(random, size, 10, uniform)
    }),
    ("two accounts", |random, size| {
        transfers(random, size, 2, uniform)
    }),
    ("zipf", |random, size| transfers(random, size, 500, zipf)),
    ("hot", |random, size| transfers(random, size, 500, hot)),
    ("chain", |random, size| chain(random, size, size, 1)),
    ("half chain", |random, size| {
        chain(random, size, size / 2, 1)
    }),
    ("distance 2", |random, size| chain(random, size, size, 2)),
    ("distance 8", |random, size| chain(random, size, size, 8)),
    ("clusters", clusters),
    ("one reads all", |random, size| barriers(random, size, true)),
    ("one writes all", |random, size| {
        barriers(random, size, false)
    }),
    ("iterate", iterate),
    ("beneficiary", beneficiary),
    ("cycles", cycles),
    ("dynamic", dynamic),
    ("sums that hold", sums),
    ("deleted and made again", comings_and_goings),
    ("cells", cells),
    ("bounded cells", bounded_cells),
    ("ranges", ranges),
    ("odd keys", odd_keys),
    ("wide", wide),
    ("mixed", |random, size| mixed(random, size, &Mix::calm())),
    ("mixed with ends", |random, size| {
        mixed(random, size, &Mix::ends())
    }),
    ("dense", |random, size| mixed(random, size, &Mix::dense())),
];

type Choice = fn(&mut ChaCha8Rng, u32) -> u32;

fn uniform(random: &mut ChaCha8Rng, count: u32) -> u32 {
    random.random_range(0..count)
}

/// The first about as often as the next two, those as often as the next four, and so on.
fn zipf(random: &mut ChaCha8Rng, count: u32) -> u32 {
    let octave = random.random_range(0..=count.ilog2());
    random.random_range((1 << octave) - 1..(2 << octave) - 1) % count
}

/// A third of all goes to a tenth.
fn hot(random: &mut ChaCha8Rng, count: u32) -> u32 {
    let count = if random.random_ratio(3, 10) {
        count.div_ceil(10)
    } else {
        count
    };
    random.random_range(0..count)
}

/// Plain keys, each with this number.
fn numbers(count: u32, number: u64) -> Rows {
    (0..count)
        .map(|key| (plain(key), number.to_be_bytes().to_vec()))
        .collect()
}

/// A pause now and then, so that threads come between each other's operations on any machine.
fn pause(random: &mut ChaCha8Rng, index: u32, size: u32) -> Op {
    match random.random_range(0..12) {
        0 => Op::Yield(1),
        1 => Op::Spin(random.random_range(0..2_000)),
        2 if index + 1 < size => Op::After(random.random_range(index + 1..size.min(index + 6))),
        _ => Op::Spin(0),
    }
}

fn transfers(random: &mut ChaCha8Rng, size: u32, accounts: u32, choice: Choice) -> Case {
    let transfer = |index| {
        let (from, to) = (choice(random, accounts), choice(random, accounts));
        let op = Op::Transfer(plain(from), plain(to), random.random_range(0..60));
        vec![pause(random, index, size), op]
    };
    Case {
        base: numbers(accounts, 100),
        block: (0..size).map(transfer).collect(),
    }
}

/// The first `chained` each read what the one `distance` before has written; the rest are alone.
fn chain(random: &mut ChaCha8Rng, size: u32, chained: u32, distance: u32) -> Case {
    let program = |index: u32| {
        let mut program = vec![pause(random, index, size)];
        if index < chained && index >= distance {
            program.push(Op::Read(plain(index - distance)));
        }
        program.extend([pause(random, index, size), Op::Write(plain(index))]);
        program
    };
    Case {
        base: Rows::new(),
        block: (0..size).map(program).collect(),
    }
}

/// Families that only meet among themselves, each with a key of its own that all of it increments.
fn clusters(random: &mut ChaCha8Rng, size: u32) -> Case {
    let (families, people) = (6, 5);
    let program = |index: u32| {
        let family = index % families;
        let mut member = || plain(family * people + random.random_range(0..people));
        let (from, to) = (member(), member());
        let mut program = vec![Op::Transfer(from, to, 3), pause(random, index, size)];
        if random.random_bool(0.3) {
            program.push(Op::Increment(plain(1_000 + family)));
        }
        program
    };
    Case {
        base: numbers(families * people, 20),
        block: (0..size).map(program).collect(),
    }
}

/// Some that read every key, or write every key, among increments.
fn barriers(random: &mut ChaCha8Rng, size: u32, reads: bool) -> Case {
    let keys = 20;
    let program = |index: u32| {
        if index % 15 == 7 {
            let all = (0..keys).map(plain);
            let mut program: Program = if reads {
                all.map(Op::Read).collect()
            } else {
                all.map(Op::Write).collect()
            };
            program.push(Op::Write(plain(keys)));
            program
        } else {
            let key = plain(random.random_range(0..=keys));
            vec![pause(random, index, size), Op::Increment(key)]
        }
    };
    Case {
        base: numbers(keys, 1),
        block: (0..size).map(program).collect(),
    }
}

/// Each pays the sixth neighbour of its account; accounts come and go between.
fn iterate(random: &mut ChaCha8Rng, size: u32) -> Case {
    let accounts = 40;
    let program = |index: u32| {
        let payer = plain(random.random_range(0..accounts));
        let mut program = vec![pause(random, index, size)];
        match random.random_range(0..6) {
            0 => program.push(Op::Delete(plain(random.random_range(0..accounts)))),
            1 => program.push(Op::Write(plain(random.random_range(0..accounts)))),
            _ => program.push(Op::PayNeighbour(payer)),
        }
        program
    };
    Case {
        base: numbers(accounts / 2, 50),
        block: (0..size).map(program).collect(),
    }
}

/// All pay a fee to one cell; the last, and some between, read the sum.
fn beneficiary(random: &mut ChaCha8Rng, size: u32) -> Case {
    let mut case = transfers(random, size, 200, uniform);
    for (index, program) in (0..size).zip(&mut case.block) {
        program.push(Op::AddSome(0, 100));
        if index + 1 == size || random.random_ratio(1, 40) {
            program.push(Op::Read(cell(0)));
        }
    }
    case
}

/// Read-modify-writes of few keys by many, again and again.
fn cycles(random: &mut ChaCha8Rng, size: u32) -> Case {
    let program = |index: u32| {
        let mut program = Program::new();
        for _ in 0..random.random_range(1..4) {
            program.push(Op::Increment(plain(random.random_range(0..8))));
            program.push(pause(random, index, size));
        }
        program
    };
    Case {
        base: numbers(4, 5),
        block: (0..size).map(program).collect(),
    }
}

/// Which keys a transaction reads and writes depends on what it reads: another set in each run that
/// sees another state.
fn dynamic(random: &mut ChaCha8Rng, size: u32) -> Case {
    let keys = *[10, 100].choose(random).unwrap();
    let program = |index: u32| {
        let mut program = vec![Op::Read(plain(random.random_range(0..keys)))];
        for _ in 0..random.random_range(2..7) {
            program.push(match random.random_range(0..9) {
                0..3 => Op::ReadDyn(keys),
                3..5 => Op::WriteDyn(keys),
                5 => Op::DeleteDyn(keys),
                6 => Op::Branch(2, random.random_range(1..3)),
                7 => Op::Range(part(random, keys)),
                _ => pause(random, index, size),
            });
        }
        program
    };
    Case {
        base: numbers(keys / 2, 9),
        block: (0..size).map(program).collect(),
    }
}

/// Pairs of numbers whose sum never changes, and many that rely on it: what a run sees that is not
/// valid must not count, whatever it does then.
fn sums(random: &mut ChaCha8Rng, size: u32) -> Case {
    let pairs = 4;
    let program = |index: u32| {
        let pair = random.random_range(0..pairs);
        let (left, right) = (plain(2 * pair), plain(2 * pair + 1));
        let op = match random.random_range(0..8) {
            0..4 => Op::Transfer(left, right, random.random_range(0..30)),
            4..6 => Op::Transfer(right, left, random.random_range(0..30)),
            6 => Op::Check(right, left, 200),
            _ => Op::Await(left, right, 200),
        };
        vec![op, pause(random, index, size)]
    };
    Case {
        base: numbers(2 * pairs, 100),
        block: (0..size).map(program).collect(),
    }
}

/// Keys that are deleted and made again, with readers of all kinds between: writing fewer keys than
/// in the run before is as dangerous as writing more.
fn comings_and_goings(random: &mut ChaCha8Rng, size: u32) -> Case {
    let keys = 12;
    let program = |index: u32| {
        let mut key = || plain(random.random_range(0..keys));
        let ops = [
            vec![Op::Delete(key())],
            vec![Op::Write(key())],
            vec![Op::WriteOneOf(key(), 2)],
            vec![Op::Read(key()), Op::Branch(2, 1), Op::Delete(key())],
            vec![
                Op::Exists(key()),
                Op::Branch(3, 2),
                Op::Write(key()),
                Op::Delete(key()),
            ],
            vec![
                Op::Scan(b"v/".to_vec(), Ends::Front, 20),
                Op::WriteDyn(keys),
            ],
            vec![
                Op::Scan(b"v/1".to_vec(), Ends::Back, 3),
                Op::DeleteDyn(keys),
            ],
            vec![Op::MultiGet(vec![key(), key(), key()]), Op::WriteDyn(keys)],
        ];
        let mut program = ops.choose(random).unwrap().clone();
        program.insert(0, pause(random, index, size));
        program
    };
    Case {
        base: numbers(keys / 2, 1),
        block: (0..size).map(program).collect(),
    }
}

/// Integer cells under all that can be done to them.
fn cells(random: &mut ChaCha8Rng, size: u32) -> Case {
    let program = |index: u32| {
        let number = random.random_range(0..4);
        let delta = random.random_range(-50..50);
        let mut program = match random.random_range(0..14) {
            0..6 => vec![Op::Add(number, delta)],
            6 => vec![Op::AddSome(number, 9), Op::Add((number + 1) % 4, -delta)],
            7 => vec![Op::Read(cell(number)), Op::AddSome((number + 1) % 4, 50)],
            8 => vec![
                Op::Add(number, 3),
                Op::Read(cell(number)),
                Op::Add(number, delta),
            ],
            9 => vec![Op::WriteCell(number), Op::Add(number, delta)],
            10 => vec![Op::Delete(cell(number))],
            11 => vec![Op::Delete(cell(number)), Op::Add(number, delta)],
            12 => vec![
                Op::Scan(b"c/".to_vec(), Ends::Both, 5),
                Op::WriteCell(number),
            ],
            _ => vec![
                Op::Add(number, 5),
                Op::Savepoint,
                Op::Add(number, delta),
                Op::Rollback(0),
                Op::Exists(cell(number)),
            ],
        };
        program.insert(0, pause(random, index, size));
        program
    };
    Case {
        base: [(cell(0), 50_i128.to_be_bytes().to_vec())].into(),
        block: (0..size).map(program).collect(),
    }
}

/// Cells that must stay within bounds, so close that the answers go both ways.
fn bounded_cells(random: &mut ChaCha8Rng, size: u32) -> Case {
    let program = |index: u32| {
        let number = random.random_range(0..3);
        let try_add = Op::TryAdd {
            cell: number,
            delta: random.random_range(-40..40),
            min: *[0, 0, -10].choose(random).unwrap(),
            max: *[100, 60, 100].choose(random).unwrap(),
        };
        let mut program = match random.random_range(0..10) {
            0..6 => vec![try_add],
            6 => vec![try_add.clone(), try_add, Op::AddSome((number + 1) % 3, 5)],
            7 => vec![try_add, Op::Branch(2, 1), Op::Fail(1)],
            8 => vec![Op::Add(number, random.random_range(-9..9)), try_add],
            _ => vec![try_add, Op::Read(cell(number))],
        };
        program.insert(0, pause(random, index, size));
        program
    };
    Case {
        base: [(cell(1), 90_i128.to_be_bytes().to_vec())].into(),
        block: (0..size).map(program).collect(),
    }
}

/// Part of the plain keys below `keys`.
fn part(random: &mut ChaCha8Rng, keys: u32) -> Part {
    let mut bound = |open: Bound<Vec<u8>>| {
        let key = plain(random.random_range(0..keys));
        match random.random_range(0..5) {
            0 => open,
            1..4 => Bound::Included(key),
            _ => Bound::Excluded(key),
        }
    };
    let start = bound(Bound::Unbounded);
    let end = bound(Bound::Unbounded);
    Part {
        start,
        end,
        ends: *[Ends::Front, Ends::Back, Ends::Both]
            .choose(random)
            .unwrap(),
        limit: *[0, 1, 2, 3, 5, 100].choose(random).unwrap(),
    }
}

/// Ranges from both ends, with a limit and without, among keys that come and go.
fn ranges(random: &mut ChaCha8Rng, size: u32) -> Case {
    let keys = 30;
    let program = |index: u32| {
        let mut program = vec![pause(random, index, size)];
        for _ in 0..random.random_range(1..4) {
            let key = plain(random.random_range(0..keys));
            program.push(match random.random_range(0..9) {
                0..3 => Op::Range(part(random, keys)),
                3 => Op::HeldRange(part(random, keys), key),
                4 => Op::Delete(key),
                5 => Op::Write(key),
                6 => Op::WriteDyn(keys),
                7 => Op::DeleteDyn(keys),
                _ => Op::AddSome(random.random_range(0..3), 10),
            });
        }
        program
    };
    Case {
        base: numbers(keys / 2, 3),
        block: (0..size).map(program).collect(),
    }
}

/// Keys that are empty, or begin with each other, or are zeros and ff.
fn odd_keys(random: &mut ChaCha8Rng, size: u32) -> Case {
    const KEYS: [&[u8]; 9] = [
        b"",
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"a\0\x01",
        b"a\xFF",
        b"\xFF",
        b"\xFF\xFF",
    ];
    let program = |index: u32| {
        let mut program = vec![pause(random, index, size)];
        for _ in 0..random.random_range(1..5) {
            let key = |random: &mut ChaCha8Rng| KEYS.choose(random).unwrap().to_vec();
            let ends = *[Ends::Front, Ends::Back, Ends::Both]
                .choose(random)
                .unwrap();
            let bound = |random: &mut ChaCha8Rng| match random.random_range(0..3) {
                0 => Bound::Included(key(random)),
                1 => Bound::Excluded(key(random)),
                _ => Bound::Unbounded,
            };
            program.push(match random.random_range(0..7) {
                0 => Op::Read(key(random)),
                1 => Op::Exists(key(random)),
                2 => Op::Delete(key(random)),
                3 => Op::Scan(key(random), ends, random.random_range(0..6)),
                4 => Op::Range(Part {
                    start: bound(random),
                    end: bound(random),
                    ends,
                    limit: random.random_range(0..10),
                }),
                _ => Op::Write(key(random)),
            });
        }
        program
    };
    Case {
        base: [
            (b"a".to_vec(), Vec::new()),
            (b"\xFF".to_vec(), b"1".to_vec()),
        ]
        .into(),
        block: (0..size).map(program).collect(),
    }
}

/// Few transactions of very many operations, among small ones.
fn wide(random: &mut ChaCha8Rng, size: u32) -> Case {
    let keys = 400;
    let program = |index: u32| {
        if index % 20 != 3 {
            return vec![Op::Increment(plain(random.random_range(0..keys)))];
        }
        let mut program = Program::new();
        for number in 0..keys {
            program.push(match random.random_range(0..5) {
                0 => Op::Write(plain(number)),
                1 => Op::Increment(plain(number)),
                2 => Op::Delete(plain(number)),
                3 => Op::AddSome(number, 7),
                _ => Op::Read(plain(number)),
            });
        }
        program.push(Op::Scan(b"v/1".to_vec(), Ends::Front, 1_000));
        program
    };
    Case {
        base: numbers(keys / 2, 3),
        block: (0..size).map(program).collect(),
    }
}

/// How a mixed block is mixed.
pub(crate) struct Mix {
    keys: u32,
    cells: u32,
    longest: usize,
    /// Of a thousand operations, how many may end the program or the block.
    ends: u32,
}

impl Mix {
    /// Nothing that ends a block.
    pub(crate) fn calm() -> Self {
        Self {
            keys: 60,
            cells: 5,
            longest: 10,
            ends: 0,
        }
    }

    /// With programs that fail, and blocks that end early.
    pub(crate) fn ends() -> Self {
        Self {
            ends: 60,
            ..Self::calm()
        }
    }

    /// Few keys, so that everything meets.
    pub(crate) fn dense() -> Self {
        Self {
            keys: 5,
            cells: 2,
            longest: 6,
            ends: 10,
        }
    }
}

/// Programs of any operations.
pub(crate) fn mixed(random: &mut ChaCha8Rng, size: u32, mix: &Mix) -> Case {
    let program = |index: u32| {
        let length = random.random_range(1..=mix.longest);
        (0..length)
            .map(|_| any(random, index, size, mix))
            .collect::<Program>()
    };
    let block = (0..size).map(program).collect();
    let mut base: Vec<_> = numbers(mix.keys, 4).into_iter().collect();
    base.shuffle(random);
    base.truncate(base.len() / 2);
    base.push((cell(0), 7_i128.to_be_bytes().to_vec()));
    Case {
        base: base.into_iter().collect(),
        block,
    }
}

fn any(random: &mut ChaCha8Rng, index: u32, size: u32, mix: &Mix) -> Op {
    if random.random_ratio(mix.ends, 1000) {
        return end(random);
    }
    let number = random.random_range(0..mix.keys);
    let key = plain(number);
    let other = plain(random.random_range(0..mix.keys));
    let count = random.random_range(0..mix.cells);
    let ends = *[Ends::Front, Ends::Back, Ends::Both]
        .choose(random)
        .unwrap();
    match random.random_range(0..30) {
        0..3 => Op::Read(key),
        3 => Op::ReadDyn(mix.keys),
        4 => Op::MultiGet(vec![key, other, cell(count)]),
        5 => Op::Exists(key),
        6..9 => Op::Write(key),
        9 => Op::WriteDyn(mix.keys),
        10 => Op::WriteOneOf(key, 2),
        11 => Op::Delete(key),
        12 => Op::DeleteDyn(mix.keys),
        13 => Op::WriteCell(count),
        14 => Op::Add(count, random.random_range(-9..9)),
        15 => Op::AddSome(count, 20),
        16 => Op::TryAdd {
            cell: count,
            delta: random.random_range(-30..30),
            min: 0,
            max: random.random_range(20..60),
        },
        17 => Op::Range(part(random, mix.keys)),
        18 => Op::Scan(b"v/".to_vec(), ends, random.random_range(0..6)),
        19 => Op::Scan(b"c/".to_vec(), ends, 4),
        20 => Op::HeldRange(part(random, mix.keys), key),
        21 => Op::Increment(key),
        22 => Op::Transfer(key, other, 1),
        23 => Op::PayNeighbour(key),
        24 => Op::Branch(random.random_range(1..4), random.random_range(1..4)),
        25 => Op::Savepoint,
        26 => Op::Rollback(random.random_range(0..3)),
        27 => Op::Delete(cell(count)),
        28 => Op::Read(cell(count)),
        _ => pause(random, index, size),
    }
}

/// What ends a program, or the block; the more it ends, the rarer.
fn end(random: &mut ChaCha8Rng) -> Op {
    match random.random_range(0..40) {
        0 => Op::SkipRest(random.random_range(1..30)),
        1 => Op::Abort(random.random_range(1..30)),
        2 => Op::Panic(random.random_range(1..30)),
        3 => Op::Refuse(random.random_range(1..30)),
        4..6 => Op::Swallow(2),
        6..12 => Op::Charge(random.random_range(1..9)),
        _ => Op::Fail(random.random_range(1..4)),
    }
}
