//! The `sapwood` command: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sapwood_cli::main()
}
