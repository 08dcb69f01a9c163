//! Whether a store that was reopened holds what was promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::Path,
};

use anyhow::{Context, Result, bail, ensure};
use sapwood::{Engine, ErrorKind, ReadView, Snapshot, Timestamp, VerifyReport};

use crate::{
    child::{config, store_path},
    life::{Life, Promise, Survives},
    model::Model,
    plan::{self, mix},
};

/// At how many timestamps all rows are compared, beside the floor, the newest and the pins.
const STATES: usize = 8;
/// Of how many keys all versions are compared.
const HISTORIES: usize = 12;

/// What is said where the store cannot be opened.
pub(crate) const OPENING: &str = "opening";

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) visible: u64,
    pub(crate) floor: u64,
    pub(crate) epoch: u64,
    pub(crate) pins: BTreeMap<String, u64>,
    /// Commits that nobody was told of, with their threads and numbers.
    pub(crate) untold: BTreeMap<u64, (usize, u64)>,
    /// Copies that nobody was told of.
    pub(crate) copies: BTreeMap<String, u64>,
}

/// What is judged, and by what.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    /// Where the store and its copies lie.
    pub(crate) directory: &'a Path,
    pub(crate) life: &'a Life,
    /// So many events were told before the crash.
    pub(crate) certain: usize,
    pub(crate) survives: Survives,
    /// Whether the copies are there as well.
    pub(crate) with_copies: bool,
    /// For what is chosen here.
    pub(crate) seed: u64,
}

/// Opens the store after a crash, and compares all that can be asked of it with what was promised.
pub(crate) fn judge(case: &Case<'_>) -> Result<Found> {
    let path = store_path(case.directory);
    let engine = Engine::open_with(config(&path, mix(&[case.seed, 3]))?).context(OPENING)?;
    inv_62_a_second_opener_is_refused(&path)?;
    let epoch = engine.epoch();
    let epochs = case.life.epochs(case.certain);
    ensure!(
        epochs.0 <= epoch && epoch <= epochs.1,
        "the epoch is {epoch}, and should be from {} to {}",
        epochs.0,
        epochs.1
    );
    let promise = case.life.promise(case.certain, epoch, case.survives);
    let found = Judge {
        case,
        promise: &promise,
        engine: &engine,
        random: fastrand::Rng::with_seed(mix(&[case.seed, 4])),
    }
    .judge(epoch)?;
    let copies = if case.with_copies {
        copies(case, &promise, &found)?
    } else {
        BTreeMap::new()
    };
    Ok(Found { copies, ..found })
}

fn inv_62_a_second_opener_is_refused(path: &Path) -> Result<()> {
    match Engine::open_with(config(path, 0)?) {
        Err(error) if *error.kind() == ErrorKind::Locked => Ok(()),
        other => bail!("a second opener should have been refused: {other:?}"),
    }
}

/// Whether verifying has found nothing.
pub(crate) fn check_clean(report: &VerifyReport) -> Result<()> {
    let found = &report.violations;
    let first: Vec<_> = found.iter().take(3).collect();
    ensure!(
        report.is_clean(),
        "verify found {} violations: {first:?}",
        found.len()
    );
    Ok(())
}

/// A range for the library.
fn span(range: RangeInclusive<u64>) -> RangeInclusive<Timestamp> {
    Timestamp::new(*range.start())..=Timestamp::new(*range.end())
}

struct Judge<'a> {
    case: &'a Case<'a>,
    promise: &'a Promise,
    engine: &'a Engine,
    random: fastrand::Rng,
}

impl Judge<'_> {
    fn judge(mut self, epoch: u64) -> Result<Found> {
        let report = self.engine.verify().context("verifying")?;
        check_clean(&report)?;
        let (visible, floor) = self.marks()?;
        let pins = self.pins()?;
        let (commits, untold) = self.commits(visible, floor)?;
        let model = Model::of(self.case.life.seed, &commits);
        let is_known =
            commits.contains_key(&visible) || visible == floor || visible == self.promise.newest;
        ensure!(is_known, "the last commit is {visible}, which nobody made");

        let mut states: BTreeSet<_> = pins.values().copied().chain([floor, visible]).collect();
        states.extend((0..STATES).map(|_| self.random.u64(floor..=visible)));
        for at in states {
            let snapshot = self
                .engine
                .at(Timestamp::new(at))
                .with_context(|| format!("at {at}"))?;
            compare(&snapshot, &model, at)?;
        }
        self.histories(&model, floor, visible)?;
        self.differences(&model, floor, visible)?;
        Ok(Found {
            visible,
            floor,
            epoch,
            pins,
            untold,
            copies: BTreeMap::new(),
        })
    }

    /// Visible timestamp and floor, which never go back.
    fn marks(&self) -> Result<(u64, u64)> {
        let (visible, floor) = (self.engine.visible().get(), self.engine.floor().get());
        ensure!(
            visible >= self.promise.newest,
            "commits are lost: the last is {visible}, and {} was acknowledged",
            self.promise.newest
        );
        let (lowest, highest) = self.promise.floor;
        ensure!(
            lowest <= floor && floor <= highest,
            "the floor is {floor}, and should be from {lowest} to {highest}"
        );
        Ok((visible, floor))
    }

    fn pins(&self) -> Result<BTreeMap<String, u64>> {
        let pins = self.engine.pins()?.into_iter();
        let found: BTreeMap<_, _> = pins.map(|pin| (pin.name, pin.timestamp.get())).collect();
        for (name, at) in &self.promise.pins {
            ensure!(
                found.get(name) == Some(at),
                "the pin {name} at {at} is lost: {found:?}"
            );
        }
        for (name, at) in &found {
            let is_known = self.promise.pins.contains_key(name)
                || self.promise.maybe_pins.contains(&(name.clone(), *at));
            ensure!(is_known, "nobody has set the pin {name} at {at}");
        }
        Ok(found)
    }

    /// The commits up to the visible timestamp: those that are known, and those that nobody was told of.
    #[expect(clippy::type_complexity, reason = "two maps of one kind")]
    fn commits(
        &self,
        visible: u64,
        floor: u64,
    ) -> Result<(BTreeMap<u64, (usize, u64)>, BTreeMap<u64, (usize, u64)>)> {
        let mut commits = self.promise.commits.clone();
        commits.split_off(&(visible + 1));
        let mut untold = BTreeMap::new();
        for thread in 0..self.case.life.threads {
            let last = self.promise.last.get(thread).copied().flatten();
            let since = Timestamp::new(floor)..;
            for version in self.engine.history(plan::marker(thread), since)? {
                let version = version?;
                let number = plan::read_marker(&version.value).context("a marker is damaged")?;
                let at = version.start.get();
                let known = commits.get(&at).copied();
                if known == Some((thread, number)) {
                    continue;
                }
                ensure!(
                    known.is_none() && last.is_none_or(|last| number > last),
                    "{at} is operation {number} of thread {thread}, and was told as {known:?}; the \
                     last known of that thread is {last:?}"
                );
                untold.insert(at, (thread, number));
            }
        }
        commits.append(&mut untold.clone());
        self.markers(&commits, floor)?;
        Ok((commits, untold))
    }

    /// Every commit above the floor has left its marker.
    fn markers(&self, commits: &BTreeMap<u64, (usize, u64)>, floor: u64) -> Result<()> {
        for thread in 0..self.case.life.threads {
            let since = Timestamp::new(floor)..;
            let versions = self.engine.history(plan::marker(thread), since)?;
            let starts: BTreeSet<_> = versions
                .map(|version| version.map(|version| version.start.get()))
                .collect::<sapwood::Result<_>>()?;
            let expected = commits
                .range(floor + 1..)
                .filter(|(_, (of, _))| *of == thread);
            for (at, (_, number)) in expected {
                ensure!(
                    starts.contains(at),
                    "the commit {at}, operation {number} of thread {thread}, is lost"
                );
            }
        }
        Ok(())
    }

    fn histories(&mut self, model: &Model, floor: u64, visible: u64) -> Result<()> {
        let keys: Vec<_> = model.keys().collect();
        for _ in 0..HISTORIES {
            let Some(key) = self.random.choice(&keys) else {
                break;
            };
            let expected = model.history(key, floor, visible);
            let versions = self.engine.history(key, span(floor..=visible))?;
            let versions = versions.collect::<sapwood::Result<Vec<_>>>()?;
            let found: Vec<_> = versions
                .iter()
                .map(|version| {
                    let end = version.end.map(Timestamp::get);
                    (version.start.get(), end, version.value.as_ref())
                })
                .collect();
            let short = |versions: &[(u64, Option<u64>, &[u8])]| -> Vec<_> {
                versions
                    .iter()
                    .map(|(start, end, value)| (*start, *end, value.len()))
                    .collect()
            };
            ensure!(
                found == expected,
                "the versions of {} are {:?}, and should be {:?} (start, end, length; floor {floor})",
                key.escape_ascii(),
                short(&found),
                short(&expected)
            );
        }
        Ok(())
    }

    fn differences(&mut self, model: &Model, floor: u64, visible: u64) -> Result<()> {
        let (one, other) = (
            self.random.u64(floor..=visible),
            self.random.u64(floor..=visible),
        );
        let (old, new) = (one.min(other), one.max(other));
        let mut found = BTreeSet::new();
        for change in self.engine.diff(Timestamp::new(old), Timestamp::new(new))? {
            let change = change?;
            let (before, after) = (model.get(&change.key, old), model.get(&change.key, new));
            ensure!(
                change.old.as_deref() == before && change.new.as_deref() == after,
                "the difference of {} from {old} to {new} is wrong",
                change.key.escape_ascii()
            );
            found.insert(change.key.to_vec());
        }
        let expected = model
            .keys()
            .filter(|key| model.get(key, old) != model.get(key, new));
        let expected = expected.count();
        ensure!(
            found.len() == expected,
            "from {old} to {new} differ {} keys, and should {expected}",
            found.len()
        );
        Ok(())
    }
}

/// Compares all rows at a timestamp.
fn compare(snapshot: &Snapshot, model: &Model, at: u64) -> Result<()> {
    let mut rows = snapshot.range(..);
    for (key, value) in model.state(at) {
        let row = rows
            .next()
            .transpose()
            .with_context(|| format!("reading at {at}"))?;
        let is_right = row
            .as_ref()
            .is_some_and(|(found, stored)| found.as_ref() == key && stored.as_ref() == value);
        ensure!(
            is_right,
            "at {at} there should be {} with {} bytes, and is {:?}",
            key.escape_ascii(),
            value.len(),
            row.map(|(key, value)| (key.escape_ascii().to_string(), value.len()))
        );
    }
    if let Some(row) = rows.next() {
        bail!(
            "at {at} there is {}, which should not be",
            row?.0.escape_ascii()
        );
    }
    Ok(())
}

/// Opens the copies that there are: each is whole, and the state at its timestamp. Returns those nobody was told of.
fn copies(case: &Case<'_>, promise: &Promise, found: &Found) -> Result<BTreeMap<String, u64>> {
    let mut untold = BTreeMap::new();
    let maybe = promise.maybe_copies.iter().map(|name| (name, None));
    let told = promise.copies.iter().map(|(name, at)| (name, Some(*at)));
    for (name, at) in told.chain(maybe) {
        let path = case.directory.join(name);
        if !path.exists() && at.is_none() {
            continue;
        }
        let copy = if name.starts_with("checkpoint") {
            Engine::open_read_only(&path)
        } else {
            Engine::open_with(config(&path, mix(&[case.seed, 5]))?)
        };
        let copy = copy.with_context(|| format!("opening {name}"))?;
        let visible = copy.visible().get();
        ensure!(
            at.is_none_or(|at| at == visible),
            "{name} holds {visible} instead of {at:?}"
        );
        let mut commits = promise.commits.clone();
        commits.append(&mut found.untold.clone());
        let is_known = commits.contains_key(&visible) || visible <= found.visible;
        ensure!(is_known, "{name} is at {visible}, which nobody committed");
        let report = copy.verify().with_context(|| format!("verifying {name}"))?;
        check_clean(&report).with_context(|| name.clone())?;
        let model = Model::of(case.life.seed, &commits);
        let floor = copy.floor().get();
        for at in [floor, visible] {
            compare(&copy.at(Timestamp::new(at))?, &model, at).with_context(|| name.clone())?;
        }
        if at.is_none() {
            untold.insert(name.clone(), visible);
        }
    }
    Ok(untold)
}
