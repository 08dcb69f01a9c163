//! The rows of `meta`: the store's marks, pins and epochs.

use super::{
    report::{Findings, Rule},
    rows::Rows,
};
use crate::{
    backend::Keyspace,
    codec::{DecodeError, meta},
    error::Result,
    limits::PIN_NAME_MAX_BYTES,
    timestamp::Timestamp,
};

/// What memory knew when the view was taken.
#[derive(Debug)]
pub(super) struct InMemory {
    pub(super) visible: Timestamp,
    pub(super) floor: Timestamp,
    pub(super) epoch: u64,
    /// Names and timestamps, by name.
    pub(super) pins: Vec<(String, Timestamp)>,
}

/// What `meta` says.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) floor: Timestamp,
    pub(super) merged: Timestamp,
    pub(super) trimmed: Timestamp,
    epoch: u64,
    /// What the last rollback went back to.
    target: Option<Timestamp>,
    /// Pins of memory that were met, by their place there.
    met: Vec<bool>,
}

impl Marks {
    /// Reads and checks all of `meta`.
    pub(super) fn walk(
        rows: &mut Rows,
        memory: &InMemory,
        findings: &mut Findings,
    ) -> Result<Self> {
        let mut marks = Self {
            met: vec![false; memory.pins.len()],
            ..Self::default()
        };
        rows.first(findings)?;
        while let Some((name, value)) = rows.row() {
            if let Err(error) = marks.row(name, value, memory, findings) {
                findings.add(Rule::Row, Keyspace::Meta, Some(name), &[], || {
                    error.0.to_owned()
                });
                // It is there, whatever it says.
                marks.meet(name, memory);
            }
            rows.step(findings)?;
        }
        let is_whole = rows.gaps() == 0;
        marks.check(memory, is_whole, findings);
        Ok(marks)
    }

    fn row(
        &mut self,
        name: &[u8],
        value: &[u8],
        memory: &InMemory,
        findings: &mut Findings,
    ) -> Result<(), DecodeError> {
        let visible = memory.visible;
        match name {
            meta::FORMAT => {
                let version = meta::decode_format(value)?;
                if version != meta::FORMAT_VERSION {
                    wrong(findings, name, &[], || {
                        format!("the format is {version}, not {}", meta::FORMAT_VERSION)
                    });
                }
            }
            meta::FLOOR => self.floor = meta::decode_timestamp(value)?,
            meta::MERGED => self.merged = meta::decode_timestamp(value)?,
            meta::TRIMMED => self.trimmed = meta::decode_timestamp(value)?,
            _ if name.starts_with(meta::PIN_PREFIX) => {
                let (at, _) = meta::decode_pin(value)?;
                let length = name.len() - meta::PIN_PREFIX.len();
                if length == 0 || length > PIN_NAME_MAX_BYTES || std::str::from_utf8(name).is_err()
                {
                    wrong(findings, name, &[at], || {
                        "that is no name of a pin".to_owned()
                    });
                }
                if at > visible {
                    wrong(findings, name, &[at, visible], || {
                        format!("it holds {at}; the last commit is {visible}")
                    });
                }
                self.meet(name, memory);
            }
            _ if name.starts_with(meta::ROLLBACK_PREFIX) => {
                let epoch = meta::decode_rollback_key(name)?;
                let (target, has_ended) = meta::decode_rollback(value)?;
                self.rollback(name, epoch, target, has_ended, visible, findings);
            }
            _ => findings.add(Rule::Meta, Keyspace::Meta, Some(name), &[], || {
                "nothing has this name".to_owned()
            }),
        }
        Ok(())
    }

    fn rollback(
        &mut self,
        name: &[u8],
        epoch: u64,
        target: Timestamp,
        has_ended: bool,
        visible: Timestamp,
        findings: &mut Findings,
    ) {
        if !has_ended {
            wrong(findings, name, &[target], || {
                format!("the rollback to {target} has begun and not ended")
            });
        } else if target > visible {
            wrong(findings, name, &[target, visible], || {
                format!("it went back to {target}; the last commit is {visible}")
            });
        } else if let Some(earlier) = self.target.filter(|earlier| *earlier >= target) {
            wrong(findings, name, &[earlier, target], || {
                format!(
                    "it went back to {target}, which makes an earlier one to {earlier} meaningless, but \
                     that is still there"
                )
            });
        }
        (self.epoch, self.target) = (epoch, Some(target));
    }

    fn meet(&mut self, name: &[u8], memory: &InMemory) {
        let Some(name) = name.strip_prefix(meta::PIN_PREFIX) else {
            return;
        };
        let found = memory
            .pins
            .binary_search_by(|(pin, _)| pin.as_bytes().cmp(name));
        if let Some(met) = found.ok().and_then(|index| self.met.get_mut(index)) {
            *met = true;
        }
    }

    /// What the rows owe each other, and memory.
    fn check(&self, memory: &InMemory, is_whole: bool, findings: &mut Findings) {
        let visible = memory.visible;
        let marks = [
            (meta::FLOOR, self.floor),
            (meta::MERGED, self.merged),
            (meta::TRIMMED, self.trimmed),
        ];
        for (name, mark) in marks {
            if mark > visible {
                wrong(findings, name, &[mark, visible], || {
                    format!("it is {mark}; the last commit is {visible}")
                });
            }
        }
        let (merged, trimmed) = (self.merged, self.trimmed);
        if trimmed > merged && trimmed <= visible {
            wrong(findings, meta::TRIMMED, &[trimmed, merged], || {
                format!(
                    "records hold no values up to {trimmed}, but are merged up to {merged} only"
                )
            });
        }
        if !is_whole {
            return;
        }
        // A filter may have used what is in memory.
        if self.floor < memory.floor {
            wrong(findings, meta::FLOOR, &[self.floor, memory.floor], || {
                format!("it is {}, but {} is in use", self.floor, memory.floor)
            });
        }
        if self.epoch != memory.epoch {
            wrong(findings, meta::ROLLBACK_PREFIX, &[], || {
                format!(
                    "the last epoch is {}, but {} is in use",
                    self.epoch, memory.epoch
                )
            });
        }
        for ((pin, at), _) in memory.pins.iter().zip(&self.met).filter(|(_, met)| !**met) {
            wrong(findings, &meta::pin_key(pin), &[*at], || {
                format!("it is in use, at {at}, but not there")
            });
        }
    }
}

fn wrong(
    findings: &mut Findings,
    name: &[u8],
    timestamps: &[Timestamp],
    message: impl FnOnce() -> String,
) {
    findings.add(Rule::Marks, Keyspace::Meta, Some(name), timestamps, message);
}
