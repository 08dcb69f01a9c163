//! A child process, from its start to its end, and what it tells meanwhile.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    event::{Action, Event},
    life::Life,
};

const SIGKILL: i32 = 9;
/// So many events wait to be taken in. Behind them, and behind what a pipe holds, the child waits.
const WAITING: usize = 32;

/// What a child is told when it is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    pub(crate) cycle: u64,
    /// More arguments.
    pub(crate) more: Vec<String>,
}

/// A child that works on a store. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    events: Receiver<Result<Event>>,
    reader: Option<JoinHandle<()>>,
}

/// When a child is killed: so long after it has told something, or, where it tells that never, when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// After so many commits.
    Commits(u64),
    /// After it began to open the store.
    Opening,
    /// After it began something beside commits that is not over in a moment, the so many-th; or after
    /// [`MANY`] commits, lest a long prune beside writers fills the disk.
    Action(u64),
}

/// As many commits as a child makes at most.
const MANY: u64 = 5000;

impl Moment {
    /// The commits after which it has come in any case.
    fn commits(self) -> u64 {
        match self {
            Self::Commits(count) => count,
            Self::Opening | Self::Action(_) => MANY,
        }
    }
}

impl Worker {
    /// Starts a child on the store of a life.
    pub(crate) fn start(directory: &Path, life: &Life, orders: &Orders) -> Result<Self> {
        let first: Vec<_> = life.next_numbers().iter().map(u64::to_string).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("child").arg("--directory").arg(directory);
        command.args([
            "--seed",
            &life.seed.to_string(),
            "--cycle",
            &orders.cycle.to_string(),
        ]);
        command.args(["--first", &first.join(",")]);
        command.args(&orders.more);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = child.stdout.take().context("the child has no output")?;
        // Smaller than usual, so that a child is not far ahead.
        #[cfg(target_os = "linux")]
        rustix::pipe::fcntl_setpipe_size(&lines, 4096)?;
        let (sender, events) = mpsc::sync_channel(WAITING);
        let reader = std::thread::spawn(move || read(lines, &sender));
        Ok(Self {
            child,
            events,
            reader: Some(reader),
        })
    }

    /// Takes in what the child tells, until the moment, and a while longer.
    pub(crate) fn run_to(
        &mut self,
        life: &mut Life,
        moment: Moment,
        longer: Duration,
    ) -> Result<()> {
        let (mut commits, mut actions) = (0, 0);
        while let Ok(event) = self.events.recv() {
            let event = event?;
            let has_come = match (&event, moment) {
                (Event::Opening, Moment::Opening) => true,
                (Event::Done { .. }, _) => {
                    commits += 1;
                    commits >= moment.commits()
                }
                (Event::Begin(action), Moment::Action(count)) => {
                    actions += u64::from(!matches!(action, Action::Remove { .. }));
                    actions >= count
                }
                _ => false,
            };
            life.take(event)?;
            if has_come {
                return self.run_for(life, longer);
            }
        }
        Ok(())
    }

    /// Takes in what the child tells for a while.
    pub(crate) fn run_for(&mut self, life: &mut Life, while_: Duration) -> Result<()> {
        let end = std::time::Instant::now() + while_;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => life.take(event?)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Kills the child, and takes in what it told before.
    pub(crate) fn kill(mut self, life: &mut Life) -> Result<()> {
        self.child.kill()?;
        let status = self.wait(life)?;
        // Otherwise it was not that: it panicked, say.
        ensure!(
            status.signal() == Some(SIGKILL),
            "the child ended by itself: {status}"
        );
        Ok(())
    }

    /// Kills the child, where it has not come to its end, and takes in what it told before.
    #[cfg(target_os = "linux")]
    pub(crate) fn stop(mut self, life: &mut Life) -> Result<()> {
        // Fails where it has ended.
        let _ = self.child.kill();
        let status = self.wait(life)?;
        ensure!(
            status.success() || status.signal() == Some(SIGKILL),
            "the child ended by itself: {status}"
        );
        Ok(())
    }

    /// Waits for the child's end, and takes in what it tells until then.
    pub(crate) fn wait(mut self, life: &mut Life) -> Result<ExitStatus> {
        while let Ok(event) = self.events.recv() {
            life.take(event?)?;
        }
        Ok(self.child.wait()?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The reader may be waiting for somebody to take in what it has read.
        while self.events.recv().is_ok() {}
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(lines: ChildStdout, events: &mpsc::SyncSender<Result<Event>>) {
    let mut lines = BufReader::new(lines);
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            // A line that was cut off was not told.
            Ok(_) if !line.ends_with(b"\n") => return,
            Ok(_) => {}
            Err(_) => return,
        }
        let text = String::from_utf8_lossy(&line);
        if events.send(Event::parse(text.trim_end())).is_err() {
            return;
        }
    }
}

impl Life {
    /// Takes in what was told.
    pub(crate) fn take(&mut self, event: Event) -> Result<()> {
        if let Event::Failed(why) = &event {
            bail!("the child failed: {why}");
        }
        self.events.push(event);
        Ok(())
    }
}
