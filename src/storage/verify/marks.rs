//! The rows of `meta`: the store's marks, pins and epochs.

use super::{
    report::{Findings, Rule},
    rows::Rows,
};
use crate::{
    backend::Keyspace,
    codec::{DecodeError, meta},
    error::Result,
    limits::{FEED_NAME_MAX_BYTES, PIN_NAME_MAX_BYTES},
    storage::{Position, RetentionPolicy},
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
    /// Names and positions of feeds, by name.
    pub(super) feeds: Vec<(String, Position)>,
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
    /// Feeds of memory that were met where they are, likewise.
    feeds_met: Vec<bool>,
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
            feeds_met: vec![false; memory.feeds.len()],
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
            meta::RETENTION => {
                RetentionPolicy::decode(value)?;
            }
            meta::LAST_COMMIT => {
                meta::decode_timestamp(value)?;
            }
            _ if name.starts_with(meta::PIN_PREFIX) => {
                let (at, _, _) = meta::decode_pin(value)?;
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
            _ if name.starts_with(meta::FEED_PREFIX) => self.feed(name, value, memory, findings)?,
            _ if name.starts_with(meta::LINEAGE_PREFIX) => {
                let start = meta::decode_lineage_key(name)?;
                meta::decode_lineage(value)?;
                if start > visible {
                    wrong(findings, name, &[start, visible], || {
                        format!("the branch begins above {start}; the last commit is {visible}")
                    });
                }
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

    fn feed(
        &mut self,
        name: &[u8],
        value: &[u8],
        memory: &InMemory,
        findings: &mut Findings,
    ) -> Result<(), DecodeError> {
        let row = meta::decode_feed(value)?;
        let position = Position::new(row.timestamp, row.epoch);
        let plain = name.strip_prefix(meta::FEED_PREFIX).unwrap_or_default();
        if plain.is_empty() || plain.len() > FEED_NAME_MAX_BYTES || str::from_utf8(plain).is_err() {
            wrong(findings, name, &[row.timestamp], || {
                "that is no name of a feed".to_owned()
            });
        }
        let by_name = |(feed, _): &(String, Position)| feed.as_bytes().cmp(plain);
        let Ok(index) = memory.feeds.binary_search_by(by_name) else {
            return Ok(());
        };
        if let Some((_, used)) = memory
            .feeds
            .get(index)
            .filter(|(_, used)| *used != position)
        {
            wrong(findings, name, &[row.timestamp, used.timestamp], || {
                format!("it is at {position}, but {used} is in use")
            });
        }
        self.meet(name, memory);
        Ok(())
    }

    fn meet(&mut self, name: &[u8], memory: &InMemory) {
        let Some(name) = name.strip_prefix(meta::PIN_PREFIX) else {
            let name = name.strip_prefix(meta::FEED_PREFIX).unwrap_or_default();
            let feeds = &memory.feeds;
            let found = feeds.binary_search_by(|(feed, _)| feed.as_bytes().cmp(name));
            if let Some(met) = found.ok().and_then(|index| self.feeds_met.get_mut(index)) {
                *met = true;
            }
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
        let feeds = memory.feeds.iter().zip(&self.feeds_met);
        for ((feed, position), _) in feeds.filter(|(_, met)| !**met) {
            wrong(
                findings,
                &meta::feed_key(feed),
                &[position.timestamp],
                || format!("it is in use, at {position}, but not there"),
            );
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
