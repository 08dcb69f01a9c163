//! A space of mounts of its own: what is mounted there is gone with its processes, however they end.

use std::process::Command;

use anyhow::{Result, bail};

/// Why nothing can be mounted here. The tools are named with Debian's packages that have them.
pub(crate) fn why_not(tools: &[(&str, &str)]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may mount".to_owned());
    }
    let always = [("mount", "mount"), ("unshare", "util-linux")];
    for (tool, package) in tools.iter().chain(&always) {
        let is_there = Command::new("sh")
            .args(["-c", &format!("command -v {tool} >/dev/null")])
            .status();
        if !is_there.is_ok_and(|status| status.success()) {
            return Some(format!("there is no {tool}; install Debian's {package}"));
        }
    }
    let allowed = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "true"])
        .output();
    match allowed {
        Ok(output) if output.status.success() => None,
        _ => Some("a space of mounts of its own is not allowed here".to_owned()),
    }
}

/// Runs this command anew, in a space of mounts of its own.
pub(crate) fn enter() -> Result<()> {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg("--inside");
    let status = command.status()?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    Ok(())
}
