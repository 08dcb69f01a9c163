//! The samples: a line each of a CSV file.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::counts::Count;

/// In which state of the store a sample was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// At work.
    #[default]
    Open,
    /// Between closing and opening again: nothing of it should be left in the process.
    Closed,
    /// The same, after everything was pruned and compacted.
    Compacted,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Compacted => "compacted",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Compacted]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

macro_rules! sample {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// What was measured at one moment.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Sample {
            pub(crate) run: u64,
            pub(crate) kind: Kind,
            /// Hours that were run by then, all runs together.
            pub(crate) hours: f64,
            $($(#[$doc])* pub(crate) $field: u64,)*
            /// By [`Count::ALL`].
            pub(crate) counts: Vec<u64>,
        }

        const FIELDS: &[&str] = &[$(stringify!($field)),*];

        impl Sample {
            fn numbers(&self) -> Vec<u64> {
                let mut numbers = vec![$(self.$field),*];
                numbers.extend(&self.counts);
                numbers
            }

            fn from_numbers(numbers: &mut impl Iterator<Item = u64>) -> Option<Self> {
                Some(Self {
                    $($field: numbers.next()?,)*
                    counts: numbers.collect(),
                    ..Self::default()
                })
            }
        }
    };
}

sample! {
    resident_bytes,
    handles,
    threads,
    /// Of the whole directory: the store, its backups, copies that are being looked at.
    directory_bytes,
    /// Of the store alone.
    store_bytes,
    /// What the store should hold, by the model: keys and values only.
    live_rows,
    live_bytes,
    history_rows,
    history_bytes,
    pins,
    visible,
    floor,
    epoch,
}

impl Sample {
    pub(crate) fn count(&self, count: Count) -> u64 {
        self.counts.get(count as usize).copied().unwrap_or(0)
    }

    fn header() -> String {
        let counts = Count::ALL.iter().map(|count| count.name());
        let fields = FIELDS.iter().copied().chain(counts);
        let names: Vec<_> = ["run", "kind", "hours"].into_iter().chain(fields).collect();
        names.join(",")
    }

    fn to_line(&self) -> String {
        let numbers = self.numbers().into_iter().map(|number| number.to_string());
        let first = [
            self.run.to_string(),
            self.kind.name().to_owned(),
            format!("{:.5}", self.hours),
        ];
        let values: Vec<_> = first.into_iter().chain(numbers).collect();
        values.join(",")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut values = line.split(',');
        let run = values.next()?.parse().ok()?;
        let kind = Kind::parse(values.next()?)?;
        let hours = values.next()?.parse().ok()?;
        let numbers: Vec<u64> = values.map(str::parse).collect::<Result<_, _>>().ok()?;
        if numbers.len() != FIELDS.len() + Count::ALL.len() {
            return None;
        }
        let sample = Self::from_numbers(&mut numbers.into_iter())?;
        Some(Self {
            run,
            kind,
            hours,
            ..sample
        })
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("samples.csv")
}

/// All samples of a directory. A last line that was cut off counts as not written.
pub(crate) fn read(directory: &Path) -> Result<Vec<Sample>> {
    let path = path(directory);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut lines = whole.lines();
    ensure!(
        lines.next() == Some(Sample::header().as_str()),
        "{} has other columns",
        path.display()
    );
    let parse =
        |line: &str| Sample::parse(line).with_context(|| format!("{}: {line}", path.display()));
    lines.map(parse).collect()
}

/// Appends to the file of a directory.
#[derive(Debug)]
pub(crate) struct Samples {
    file: fs::File,
    /// Those of this run.
    pub(crate) taken: Vec<Sample>,
}

impl Samples {
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let path = path(directory);
        let is_new = !path.exists();
        if !is_new {
            cut_last(&path)?;
            read(directory)?;
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)?;
        if is_new {
            writeln!(file, "{}", Sample::header())?;
        }
        let taken = Vec::new();
        Ok(Self { file, taken })
    }

    pub(crate) fn take(&mut self, sample: Sample) -> Result<()> {
        writeln!(self.file, "{}", sample.to_line())?;
        self.taken.push(sample);
        Ok(())
    }
}

/// Takes away a line that was cut off by the end of the process.
fn cut_last(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path)?;
    if !text.ends_with('\n') {
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let file = fs::OpenOptions::new().write(true).open(path)?;
        file.set_len(whole as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(visible: u64) -> Sample {
        Sample {
            run: 3,
            kind: Kind::Closed,
            hours: 1.25,
            visible,
            counts: (0..Count::ALL.len() as u64).collect(),
            ..Sample::default()
        }
    }

    #[test]
    fn samples_come_back_and_a_cut_line_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let mut samples = Samples::open(directory.path()).unwrap();
        samples.take(sample(1)).unwrap();
        drop(samples);
        let file = path(directory.path());
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}3,open,1.3")).unwrap();
        assert_eq!(read(directory.path()).unwrap(), [sample(1)]);
        let mut samples = Samples::open(directory.path()).unwrap();
        samples.take(sample(2)).unwrap();
        assert_eq!(read(directory.path()).unwrap(), [sample(1), sample(2)]);
        fs::write(&file, "other,columns\n").unwrap();
        assert!(Samples::open(directory.path()).is_err());
    }
}
