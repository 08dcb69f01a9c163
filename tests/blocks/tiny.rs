//! All small blocks: three transactions over two keys, each with any reads, any writes and deletes, and
//! with what it writes depending on what it read or not.

use crate::{
    compare::check,
    on_executor::forced,
    oracle::{Limits, Rows, answer},
    program::{Op, Program, plain},
    shapes::Case,
};

const TRANSACTIONS: usize = 51;
/// In one of so many blocks writers wait for the readers behind them.
const GATED: usize = 16;

/// What a transaction does to a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Delete,
    Write,
}

const CHANGES: [Change; 3] = [Change::Nothing, Change::Delete, Change::Write];

/// All that a transaction can be.
fn transactions() -> Vec<Program> {
    let mut all = Vec::new();
    for reads in 0..4_u32 {
        for first in CHANGES {
            for second in CHANGES {
                let changes = [first, second];
                let depends = reads != 0 && changes.contains(&Change::Write);
                all.push(transaction(reads, changes, false));
                if depends {
                    all.push(transaction(reads, changes, true));
                }
            }
        }
    }
    all
}

/// `reads` is a set of keys. A write that does not depend on them sets one value, the same for all.
fn transaction(reads: u32, changes: [Change; 2], depends: bool) -> Program {
    let mut program = Program::new();
    for key in 0..2 {
        if reads & (1 << key) != 0 {
            program.push(Op::Read(plain(key)));
        }
    }
    for (key, change) in (0..).zip(changes) {
        match change {
            Change::Nothing => {}
            Change::Delete => program.push(Op::Delete(plain(key))),
            Change::Write if depends => program.push(Op::Write(plain(key))),
            Change::Write => program.push(Op::WriteOneOf(plain(key), 1)),
        }
    }
    program
}

fn every_block(workers: usize) {
    let executor = forced(workers, 8);
    let transactions = transactions();
    assert_eq!(transactions.len(), TRANSACTIONS);
    let base = Rows::from([(plain(0), b"base".to_vec())]);
    let mut blocks = 0;
    let mut in_parallel = 0;
    for first in &transactions {
        for second in &transactions {
            for third in &transactions {
                let mut block = vec![first.clone(), second.clone(), third.clone()];
                // In some, a transaction only writes when the next has read.
                if workers > 1 && blocks % GATED == 0 {
                    for (index, program) in (1..).zip(&mut block[..2]) {
                        program.insert(0, Op::After(index));
                    }
                }
                blocks += 1;
                let expected = answer(&base, &block, Limits::default());
                let case = Case {
                    base: base.clone(),
                    block,
                };
                let stats = check(&executor, &case, Limits::default(), &expected);
                in_parallel += stats.parallel;
            }
        }
    }
    assert_eq!(blocks, TRANSACTIONS.pow(3));
    println!("{blocks} blocks, {in_parallel} transactions in parallel");
}

#[test]
fn every_block_of_three_with_one_worker() {
    every_block(1);
}

#[test]
fn every_block_of_three_with_two_workers() {
    every_block(2);
}

#[test]
fn every_block_of_three_with_three_workers() {
    every_block(3);
}
