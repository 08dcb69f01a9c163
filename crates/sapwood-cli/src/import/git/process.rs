//! [`Git`]: the `git` program, asked about one repository.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread::JoinHandle,
};

use crate::failure::{Failure, Result};

/// Variables that would point git at another repository than the one named.
const ELSEWHERE: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_LITERAL_PATHSPECS",
];

/// The `git` program in one repository.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    directory: PathBuf,
}

impl Git {
    /// The repository at a path.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        if !directory.is_dir() {
            let what = if directory.exists() {
                "is a file"
            } else {
                "does not exist"
            };
            return Err(Failure::new(
                "not_found",
                format!(
                    "{} {what}; name the directory of a git repository",
                    directory.display()
                ),
            ));
        }
        let git = Self::at(directory);
        git.text(&["rev-parse", "--git-dir"]).map_err(|failure| {
            failure.explain(|message| {
                format!(
                    "{} is not a git repository that can be read: {message}",
                    directory.display()
                )
            })
        })?;
        Ok(git)
    }

    /// The program in a directory, whatever is there.
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The id of the commit that `revision` names.
    pub(crate) fn commit(&self, revision: &str) -> Result<String> {
        let name = format!("{revision}^{{commit}}");
        self.text(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &name,
        ])
        .map_err(|_| {
            Failure::new(
                "not_found",
                format!(
                    "{} has no commit {revision}; make one, or name another with --rev",
                    self.directory.display()
                ),
            )
        })
    }

    /// How many first-parent commits lead to `tip`.
    pub(crate) fn count(&self, tip: &str) -> Result<u64> {
        let count = self.text(&["rev-list", "--first-parent", "--count", tip])?;
        count
            .parse()
            .map_err(|_| Failure::new("io", format!("git counts {count:?} commits")))
    }

    /// What a command writes, as a line of text.
    pub(crate) fn text(&self, arguments: &[&str]) -> Result<String> {
        let output = self.bytes(arguments)?;
        Ok(String::from_utf8_lossy(&output).trim_end().to_owned())
    }

    /// What a command writes.
    pub(crate) fn bytes(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut running = self.spawn(arguments)?;
        let mut output = Vec::new();
        running
            .output()?
            .read_to_end(&mut output)
            .map_err(|error| Failure::io("git cannot be read", &error))?;
        running.finish()?;
        Ok(output)
    }

    /// Starts a command whose output is read while it runs.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Result<Running> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::io("git cannot be started; install it", &error))?;
        // Read apart, so that a talkative git cannot fill its pipe and wait for us.
        let complaints = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What was read until it broke is all there is to say.
                let _ = stderr.read_to_end(&mut text);
                text
            })
        });
        Ok(Running {
            name: arguments.first().copied().unwrap_or_default().to_owned(),
            child,
            complaints,
        })
    }

    /// A command, to be started by the caller.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.directory).args(arguments);
        command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
        for variable in ELSEWHERE {
            command.env_remove(variable);
        }
        command
    }
}

/// A running command of git. Dropped before its end, it is stopped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    complaints: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Its output, once.
    pub(crate) fn output(&mut self) -> Result<ChildStdout> {
        let output = self.child.stdout.take();
        output.ok_or_else(|| Failure::new("io", "git has no output"))
    }

    /// Waits for its end; an exit code other than 0 is a failure with what git said.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self
            .child
            .wait()
            .map_err(|error| Failure::io("git cannot be waited for", &error))?;
        let complaints = self.complaints.take().and_then(|thread| thread.join().ok());
        if status.success() {
            return Ok(());
        }
        let complaints = complaints.unwrap_or_default();
        let complaints = String::from_utf8_lossy(&complaints);
        Err(Failure::new(
            "io",
            format!("git {} failed ({status}): {}", self.name, complaints.trim()),
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
