//! [`Process`]: a program that ends with this one.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A program that runs. Dropping it ends it.
pub(crate) struct Process {
    name: String,
    child: Child,
    directory: PathBuf,
}

const LOG: &str = "log";

impl Process {
    /// Starts a program. What it says is left in the file `log` of a directory, where its temporary files lie as
    /// well.
    pub(crate) fn start(program: &Path, arguments: &[String], directory: &Path) -> Result<Self> {
        let log = directory.join(LOG);
        let log =
            File::create(&log).with_context(|| format!("{} cannot be made", log.display()))?;
        let name = program.display().to_string();
        let child = Command::new(program)
            .args(arguments)
            .env("TMPDIR", directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let directory = directory.to_owned();
        Ok(Self {
            name,
            child,
            directory,
        })
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join(LOG)).unwrap_or_default()
    }

    /// Fails where it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} has ended: {status}\n{}", self.name, self.log()),
            None => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
