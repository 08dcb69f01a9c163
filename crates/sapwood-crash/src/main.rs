//! Sapwood killed, cut off from power and aborted between any two steps, and then checked.
//!
//! A child process works on a store and tells each acknowledgement; it is ended in one way or another; the parent
//! opens the store again and compares everything with what was promised.
//!
//! | module | owns |
//! |---|---|
//! | `plan` | what each operation writes, from a seed |
//! | `event` | what a child tells |
//! | `child` | the work |
//! | `process` | a child, from its start to its end |
//! | `life` | what is promised, from all that was told |
//! | `model` | what the store should hold |
//! | `judge` | whether it does |
//! | `kill`, `damage` | children killed at random moments; logs damaged as a power cut does |
//! | `cut`, `disks`, `mounts` | the power cut at random moments |
//! | `faults`, `shim` | a disk that loses, tears and reorders what was not waited for, and whose calls fail |
//! | `trouble` | a child whose calls fail |
//! | `points` | children that end at every failpoint |

mod child;
#[cfg(target_os = "linux")]
mod cut;
mod damage;
#[cfg(target_os = "linux")]
mod disks;
mod event;
#[cfg(target_os = "linux")]
mod faults;
mod judge;
mod kill;
mod life;
mod model;
#[cfg(target_os = "linux")]
mod mounts;
mod place;
mod plan;
#[cfg(feature = "failpoints")]
mod points;
mod process;
mod progress;
#[cfg(target_os = "linux")]
mod shim;
mod trouble;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{event::Event, kill::eprint};

#[derive(Debug, Parser)]
#[command(about = "Ends processes that work on a store in every way, and checks what is left")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills children at random moments (SIGKILL), and damages logs as a power cut does
    Kill(kill::Kills),
    /// Cuts the power at random moments (needs root and Debian's xfsprogs; says so where it cannot)
    #[cfg(target_os = "linux")]
    Cut(cut::Cuts),
    /// Lets the disk lose, tear and reorder what was not waited for, and calls fail (needs root; says so where it cannot)
    #[cfg(target_os = "linux")]
    Faults(faults::Faults),
    /// Ends children at every failpoint, at every time that they reach it
    #[cfg(feature = "failpoints")]
    Points(points::Aborts),
    /// Works on a store, until it is killed
    #[command(hide = true)]
    Child(child::Task),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Kill(kills) => kill::run(&kills),
        #[cfg(target_os = "linux")]
        Command::Cut(cuts) => cut::run(&cuts),
        #[cfg(target_os = "linux")]
        Command::Faults(faults) => faults::run(&faults),
        #[cfg(feature = "failpoints")]
        Command::Points(aborts) => points::run(&aborts),
        Command::Child(task) => {
            let done = child::run(&task);
            if let Err(error) = &done {
                child::tell(&Event::Failed(format!("{error:#}")));
            }
            done
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
