//! [`Content`]: what a file holds, what of that the disk has, and what may be left of the rest after a power cut.

use fastrand::Rng;

/// What a disk writes whole.
const SECTOR: usize = 512;

/// What may become of writes that nobody has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tears {
    /// A file grows with its data only: of all that was added the beginning is there, up to some byte. What was
    /// written over something else is there or not, sector by sector.
    Ordered,
    /// Any sectors are there, whatever is missing before them, and the length may count what is missing as zeros.
    Any,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A change that the disk may not have.
#[derive(Clone, Debug)]
struct Pending {
    change: Change,
    /// Whether the file became longer, or was cut off.
    resizes: bool,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The disk has it as soon as somebody waits for it.
    Waits,
    /// The disk has it, behind something that it may not have.
    Certain,
    /// Writing it has failed, and nobody will try again: it may be on the disk or not, for ever.
    GivenUp,
}

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    now: Vec<u8>,
    disk: Vec<u8>,
    /// In order. What is `Certain` never comes first: it is in `disk` then.
    pending: Vec<Pending>,
}

impl Content {
    /// One that the disk has.
    #[cfg(test)]
    pub(crate) fn synced(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.write(0, bytes);
        content.sync();
        content
    }

    pub(crate) fn now(&self) -> &[u8] {
        &self.now
    }

    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        let change = Change::Write {
            at,
            bytes: bytes.to_vec(),
        };
        self.change(change, at.saturating_add(bytes.len()) > self.now.len());
    }

    pub(crate) fn set_length(&mut self, length: usize) {
        if length != self.now.len() {
            self.change(Change::Length(length), true);
        }
    }

    fn change(&mut self, change: Change, resizes: bool) {
        change.apply(&mut self.now);
        self.pending.push(Pending {
            change,
            resizes,
            fate: Fate::Waits,
        });
    }

    /// The disk gets all that waits.
    pub(crate) fn sync(&mut self) {
        for pending in &mut self.pending {
            if pending.fate == Fate::Waits {
                pending.fate = Fate::Certain;
            }
        }
        let given_up = |pending: &Pending| pending.fate == Fate::GivenUp;
        let first = self.pending.iter().position(given_up);
        for pending in self.pending.drain(..first.unwrap_or(self.pending.len())) {
            pending.change.apply(&mut self.disk);
        }
    }

    /// Writing what waits has failed, and the system takes it for written: a later sync says that all is well.
    pub(crate) fn give_up(&mut self) {
        for pending in &mut self.pending {
            if pending.fate == Fate::Waits && matches!(pending.change, Change::Write { .. }) {
                pending.fate = Fate::GivenUp;
            }
        }
    }

    /// What the disk may hold after a power cut.
    pub(crate) fn left(&self, tears: Tears, random: &mut Rng) -> Vec<u8> {
        let mut bytes = self.disk.clone();
        let count = self.pending.len();
        // Sometimes nothing or all, mostly something in between.
        let (share, end) = match random.u32(..8) {
            0 => (0.0, 0),
            1 => (1.0, count),
            _ => (random.f64(), random.usize(..=count)),
        };
        for (index, pending) in self.pending.iter().enumerate() {
            let keeps = match (pending.fate, tears) {
                (Fate::Certain, _) => true,
                (_, Tears::Ordered) if pending.resizes => {
                    if index == end {
                        pending.change.tear(&mut bytes, true, random);
                    }
                    index < end
                }
                _ => random.f64() < share,
            };
            match tears {
                _ if keeps => pending.change.apply(&mut bytes),
                Tears::Ordered if !pending.resizes && random.u32(..4) == 0 => {
                    let length = bytes.len();
                    pending.change.tear(&mut bytes, false, random);
                    // Where the file did not grow so far there is nothing that could be written over.
                    bytes.truncate(length);
                }
                Tears::Any if random.bool() => {
                    let from_the_start = random.u32(..4) > 0;
                    pending.change.tear(&mut bytes, from_the_start, random);
                }
                _ => {}
            }
        }
        if tears == Tears::Any && random.bool() && bytes.len() < self.now.len() {
            bytes.resize(self.now.len(), 0);
        }
        bytes
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => put(to, *at, bytes),
            Self::Length(length) => to.resize(*length, 0),
        }
    }

    /// Applies a part of it: the beginning, up to any byte; or some sectors.
    fn tear(&self, to: &mut Vec<u8>, from_the_start: bool, random: &mut Rng) {
        let Self::Write { at, bytes } = self else {
            return;
        };
        if from_the_start {
            let end = random.usize(..bytes.len().max(1));
            put(to, *at, bytes.get(..end).unwrap_or_default());
            return;
        }
        let mut start = 0;
        while start < bytes.len() {
            // The first sector may have begun before.
            let end = (start + SECTOR - (at + start) % SECTOR).min(bytes.len());
            if random.bool() {
                put(to, at + start, bytes.get(start..end).unwrap_or_default());
            }
            start = end;
        }
    }
}

fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = at.saturating_add(bytes.len());
    if to.len() < end {
        to.resize(end, 0);
    }
    if let Some(place) = to.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(content: &Content, tears: Tears) -> BTreeSet<Vec<u8>> {
        let mut random = Rng::with_seed(1);
        let left = (0..3000).map(|_| content.left(tears, &mut random));
        left.collect()
    }

    #[test]
    fn what_was_synced_is_there() {
        let mut content = Content::synced(b"synced");
        content.write(6, b" and not");
        for tears in [Tears::Ordered, Tears::Any] {
            for left in all(&content, tears) {
                assert!(left.starts_with(b"synced"), "{left:?}");
            }
        }
        content.sync();
        assert_eq!(
            all(&content, Tears::Any),
            BTreeSet::from([b"synced and not".to_vec()])
        );
    }

    #[test]
    fn in_order_what_was_added_is_there_up_to_any_byte() {
        let mut content = Content::synced(b"1");
        content.write(1, b"23");
        content.write(3, b"456");
        let expected = (1..=6).map(|end| b"123456"[..end].to_vec());
        assert_eq!(all(&content, Tears::Ordered), expected.collect());
    }

    #[test]
    fn otherwise_zeros_may_lie_before_it() {
        let mut content = Content::synced(b"1");
        content.write(1, b"23");
        content.write(3, b"456");
        let left = all(&content, Tears::Any);
        assert!(left.contains(&b"1\x00\x00456"[..]), "{left:?}");
        assert!(left.contains(&b"123\x00\x00\x00"[..]), "{left:?}");
        assert!(left.contains(&b"1"[..]) && left.contains(&b"123456"[..]));
    }

    #[test]
    fn what_is_written_over_is_torn_between_sectors() {
        let mut content = Content::synced(&[1; 1100]);
        content.write(100, &[2; 1000]);
        let left = all(&content, Tears::Ordered);
        for bytes in &left {
            assert_eq!(bytes.len(), 1100);
            for sector in [100..512, 512..1024, 1024..1100] {
                assert_eq!(BTreeSet::from_iter(&bytes[sector]).len(), 1);
            }
        }
        assert_eq!(left.len(), 8);
    }

    #[test]
    fn what_was_given_up_is_never_certain() {
        let mut content = Content::synced(b"1");
        content.write(1, b"2");
        content.give_up();
        content.sync();
        content.write(0, b"0");
        content.sync();
        let expected = [b"0".to_vec(), b"02".to_vec()];
        assert_eq!(all(&content, Tears::Ordered), expected.into());
        assert_eq!(content.now(), b"02");
    }
}
