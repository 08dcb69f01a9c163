//! Those that read: at many timestamps, everything compared with what should be there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use sapwood::{ErrorKind, ReadView, Timestamp};

use crate::{
    content::{ACCOUNTS, Content, Digest, OPENING, account, amount, document, side},
    counts::Count,
    state::Witness,
    world::{Held, World},
};

/// How many states a reader keeps open for longer.
const KEPT: usize = 4;

/// What a whole state was, when it was right.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    held: Held<'a>,
    digest: Digest,
}

/// Adds rows up, and checks what holds in every state: the total of all accounts, and that no pair is below 0.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    digest: Digest,
    accounts: i64,
    total: i64,
    pairs: BTreeMap<Vec<u8>, i64>,
    rows: u64,
}

impl Sums {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> Result<Content> {
        let content = Content::of(value);
        self.digest.add(key, content);
        self.rows += 1;
        if key.starts_with(ACCOUNTS.as_bytes()) {
            self.accounts += 1;
            self.total += amount(value)?;
        } else if let Some(pair) = key.strip_prefix(b"p/") {
            let pair = pair.split(|byte| *byte == b'/').next().unwrap_or_default();
            *self.pairs.entry(pair.to_vec()).or_default() += amount(value)?;
        }
        Ok(content)
    }

    pub(crate) fn check(&self, at: u64) -> Result<Digest> {
        ensure!(
            self.total == self.accounts * OPENING,
            "at {at} the {} accounts hold {}, and should hold {}",
            self.accounts,
            self.total,
            self.accounts * OPENING
        );
        let below = self.pairs.iter().find(|(_, sum)| **sum < 0);
        ensure!(below.is_none(), "at {at} the pair {below:?} is overdrawn");
        Ok(self.digest)
    }
}

/// Reads a whole state, checks what holds in every state, and returns its digest and how many rows it has.
pub(crate) fn digest(view: &impl ReadView, at: u64) -> Result<(Digest, u64)> {
    let mut sums = Sums::default();
    for row in view.range(..) {
        let (key, value) = row?;
        sums.add(&key, &value)?;
    }
    Ok((sums.check(at)?, sums.rows))
}

/// Compares a whole state, row by row, with the rows that should be there.
pub(crate) fn compare(
    view: &impl ReadView,
    expected: &[(std::sync::Arc<[u8]>, Content)],
    at: u64,
) -> Result<Digest> {
    let mut sums = Sums::default();
    let mut expected = expected.iter();
    for row in view.range(..) {
        let (key, value) = row?;
        let found = sums.add(&key, &value)?;
        match expected.next() {
            Some((wanted, content)) if wanted.as_ref() == key.as_ref() && *content == found => {}
            other => bail!(
                "at {at} there is {} as {found:?}, and should be {:?}",
                key.escape_ascii(),
                other.map(|(key, content)| (key.escape_ascii().to_string(), content))
            ),
        }
    }
    if let Some((key, _)) = expected.next() {
        bail!("at {at} there is no {}, and should be", key.escape_ascii());
    }
    sums.check(at)
}

impl<'a> World<'a> {
    fn read_done(&self, rows: u64) {
        self.shared.done(Count::Reads);
        self.shared.counts.add(Count::Rows, rows);
    }

    fn any_key(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let scale = self.shared.scale;
        match random.u32(..8) {
            0..3 => account(random.u64(..scale.accounts)),
            3 => side(random.u64(..scale.pairs), random.bool()),
            _ => document(random.u64(..scale.documents)),
        }
    }

    /// Compares the whole state with the model, and remembers it.
    pub(crate) fn whole(&self, held: &Held<'_>) -> Result<Digest> {
        let expected = self.shared.model().state(held.at);
        let digest = compare(&held.snapshot, &expected, held.at)?;
        self.read_done(expected.len() as u64);
        self.shared.add_witness(Witness {
            timestamp: held.at,
            epoch: held.epoch,
            digest: digest.0,
        });
        Ok(digest)
    }

    /// Reads one thing or another.
    pub(crate) fn read(&self, random: &mut fastrand::Rng, kept: &mut Vec<Kept<'a>>) -> Result<()> {
        let _turn = self.shared.turn();
        match random.u32(..40) {
            0 => self.whole(&self.hold(random)?).map(drop),
            1 => self.read_kept(random, kept),
            2 => self.difference(random),
            3..10 => self.part(random),
            10..18 => self.versions(random),
            _ => self.points(random),
        }
    }

    fn points(&self, random: &mut fastrand::Rng) -> Result<()> {
        let held = self.hold(random)?;
        let keys: Vec<_> = (0..8).map(|_| self.any_key(random)).collect();
        let found = if random.bool() {
            held.snapshot.multi_get(&keys)?
        } else {
            let values = keys.iter().map(|key| held.snapshot.get(key));
            values.collect::<sapwood::Result<_>>()?
        };
        let model = self.shared.model();
        for (key, value) in keys.iter().zip(&found) {
            let expected = model.get(key, held.at);
            let value = value.as_deref().map(Content::of);
            ensure!(
                value == expected,
                "at {} there is {} as {value:?}, and should be {expected:?}",
                held.at,
                key.escape_ascii()
            );
        }
        self.read_done(keys.len() as u64);
        Ok(())
    }

    /// A range, from either end.
    fn part(&self, random: &mut fastrand::Rng) -> Result<()> {
        let held = self.hold(random)?;
        let first = self.any_key(random);
        let most = random.usize(1..60);
        let rows = held.snapshot.range(first.clone()..);
        let mut found = if random.bool() {
            rows.take(most).collect::<sapwood::Result<Vec<_>>>()?
        } else {
            // From the end of a range that is as long.
            let ahead: Vec<_> = rows.take(most).collect::<sapwood::Result<_>>()?;
            let Some((last, _)) = ahead.last() else {
                return Ok(());
            };
            let range = first.clone()..=last.to_vec();
            let back = held.snapshot.range(range).rev();
            back.collect::<sapwood::Result<Vec<_>>>()?
        };
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let model = self.shared.model();
        let expected = model.rows_from(&first, held.at, most);
        let found: Vec<_> = found
            .iter()
            .map(|(key, value)| (key.as_ref(), Content::of(value)))
            .collect();
        ensure!(
            found == expected,
            "at {} the {most} rows from {} on are wrong: {} instead of {}",
            held.at,
            first.escape_ascii(),
            found.len(),
            expected.len()
        );
        self.read_done(found.len() as u64);
        Ok(())
    }

    /// All versions of a key between two timestamps.
    fn versions(&self, random: &mut fastrand::Rng) -> Result<()> {
        let (one, other) = (self.hold(random)?, self.hold(random)?);
        let (first, last) = (one.at.min(other.at), one.at.max(other.at));
        let key = self.any_key(random);
        let range = Timestamp::new(first)..=Timestamp::new(last);
        let found = self.engine.history(&key, range)?;
        let found = found.collect::<sapwood::Result<Vec<_>>>()?;
        let model = self.shared.model();
        let found: Vec<_> = found
            .iter()
            .map(|version| {
                let start = version.start.get().max(model.begun());
                let end = version.end.map(Timestamp::get);
                (
                    start,
                    end.filter(|end| *end <= last),
                    Content::of(&version.value),
                )
            })
            .collect();
        let expected = model.history(&key, first, last);
        ensure!(
            found == expected,
            "the versions of {} from {first} to {last} are {found:?}, and should be {expected:?}",
            key.escape_ascii()
        );
        self.read_done(found.len() as u64);
        Ok(())
    }

    /// What differs between two states.
    fn difference(&self, random: &mut fastrand::Rng) -> Result<()> {
        let (one, other) = (self.hold(random)?, self.hold(random)?);
        let (first, last) = (one.at.min(other.at), one.at.max(other.at));
        let mut found = BTreeSet::new();
        let changes = self
            .engine
            .diff(Timestamp::new(first), Timestamp::new(last))?;
        for change in changes {
            let change = change?;
            let of = |value: Option<&sapwood::Value>| value.map(|value| Content::of(value));
            found.insert((
                change.key.to_vec(),
                of(change.old.as_ref()),
                of(change.new.as_ref()),
            ));
        }
        let expected = self.shared.model().difference(first, last);
        ensure!(
            found == expected,
            "from {first} to {last} {} keys differ, and should {}; one of them: {:?}",
            found.len(),
            expected.len(),
            found.symmetric_difference(&expected).next()
        );
        self.read_done(found.len() as u64);
        Ok(())
    }

    /// Reads a state again that was opened a while ago: it is the same, or was rolled back.
    fn read_kept(&self, random: &mut fastrand::Rng, kept: &mut Vec<Kept<'a>>) -> Result<()> {
        if kept.len() < KEPT {
            let held = self.hold(random)?;
            let digest = self.whole(&held)?;
            kept.push(Kept { held, digest });
            return Ok(());
        }
        let Kept {
            held,
            digest: first,
        } = kept.swap_remove(random.usize(..kept.len()));
        let position = self
            .engine
            .check_position(Timestamp::new(held.at), held.epoch);
        match position {
            Ok(()) => {
                let (again, rows) = digest(&held.snapshot, held.at)
                    .with_context(|| format!("reading {} again", held.at))?;
                ensure!(
                    again == first,
                    "the state at {} is not what it was",
                    held.at
                );
                self.read_done(rows);
            }
            Err(error) if *error.kind() == ErrorKind::TooOld => {
                let read = held.snapshot.get(self.any_key(random));
                let kind = read.map_err(|error| error.kind().clone());
                ensure!(
                    kind == Err(ErrorKind::TooOld),
                    "{} was rolled back, and can still be read: {kind:?}",
                    held.at
                );
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
