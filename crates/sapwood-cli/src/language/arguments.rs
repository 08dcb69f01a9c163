//! [`Arguments`]: the words behind a command, sorted into options, flags and data by what the
//! command's row lists.

use std::time::Duration;

use sapwood::Timestamp;

use super::{
    command::{Scan, key_range, number},
    words::Word,
};
use crate::failure::{Failure, Result};

/// What a command takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its name and arguments, for messages.
    pub(crate) usage: &'static str,
    /// Its options.
    pub(crate) options: &'static [&'static str],
    /// Its flags.
    pub(crate) flags: &'static [&'static str],
}

/// The words behind a command, sorted.
#[derive(Debug)]
pub(crate) struct Arguments {
    row: Row,
    options: Vec<(&'static str, Vec<u8>)>,
    flags: Vec<&'static str>,
    data: Vec<Word>,
}

impl Arguments {
    /// Sorts the words behind a command.
    pub(crate) fn sort(row: Row, words: impl IntoIterator<Item = Word>) -> Result<Self> {
        let mut sorted = Self {
            row,
            options: Vec::new(),
            flags: Vec::new(),
            data: Vec::new(),
        };
        for word in words {
            sorted.add(word)?;
        }
        Ok(sorted)
    }

    fn add(&mut self, word: Word) -> Result<()> {
        let mut options = self.row.options.iter();
        let option = options.find_map(|name| Some((*name, word.option(name)?.to_vec())));
        if let Some((name, value)) = option {
            if self.options.iter().any(|(known, _)| *known == name) {
                return Err(Failure::invalid(format!("{name}= is given twice")));
            }
            self.options.push((name, value));
        } else if let Some(flag) = self.row.flags.iter().find(|flag| word.is(flag)) {
            if self.flags.contains(flag) {
                return Err(Failure::invalid(format!("{flag} is given twice")));
            }
            self.flags.push(flag);
        } else {
            self.data.push(word);
        }
        Ok(())
    }

    /// Whether a flag was given.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flags.contains(&name)
    }

    /// The value of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&[u8]> {
        let options = self.options.iter();
        options
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value.as_slice())
            .next()
    }

    /// The value of an option that is a timestamp.
    pub(crate) fn timestamp(&self, name: &str) -> Result<Option<Timestamp>> {
        Ok(self.number(name)?.map(Timestamp::new))
    }

    /// The value of `limit=`.
    pub(crate) fn limit(&self) -> Result<Option<usize>> {
        let limit = self.number("limit")?;
        Ok(limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// The value of an option that is a number of seconds.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>> {
        Ok(self.number(name)?.map(Duration::from_secs))
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        self.option(name)
            .map(|value| number(value, &format!("{name}=")))
            .transpose()
    }

    /// The words that are neither options nor flags: at least `MIN` and at most `MAX`.
    pub(crate) fn data<const MIN: usize, const MAX: usize>(self) -> Result<[Option<Vec<u8>>; MAX]> {
        let usage = self.row.usage;
        if self.data.len() < MIN || self.data.len() > MAX {
            let which = if self.data.len() < MIN { "few" } else { "many" };
            return Err(Failure::invalid(format!("too {which} words: {usage}")));
        }
        let mut data = [const { None }; MAX];
        for (slot, word) in data.iter_mut().zip(self.data) {
            *slot = Some(word.into_data()?);
        }
        Ok(data)
    }

    /// Exactly `COUNT` words.
    pub(crate) fn exactly<const COUNT: usize>(self) -> Result<[Vec<u8>; COUNT]> {
        let data: [Option<Vec<u8>>; COUNT] = self.data::<COUNT, COUNT>()?;
        Ok(data.map(Option::unwrap_or_default))
    }

    /// The words of a scan: `[FROM [TO]] [prefix=P] [reverse] [limit=N]`.
    pub(crate) fn scan(self) -> Result<Scan> {
        let prefix = self.option("prefix").map(<[u8]>::to_vec);
        let (reverse, limit) = (self.flag("reverse"), self.limit()?);
        let [from, to] = self.data::<0, 2>()?;
        Ok(Scan {
            range: key_range(from, to, prefix.as_deref()),
            reverse,
            limit,
        })
    }

    /// The words that are neither options nor flags, as they were written.
    pub(crate) fn into_words(self) -> Vec<Word> {
        self.data
    }
}
