//! Lines from a pipe or a file: any bytes, answered in order.

use std::io::BufRead;

use super::{Next, Shell};
use crate::{
    failure::{Failure, Result},
    session::Session,
};

pub(super) fn run(shell: Shell, session: &mut Session) -> Result<Next> {
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::io("standard input cannot be read", &error))?;
        if read == 0 {
            return Ok(Next::Line);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if shell.line(session, line)? == Next::Stop {
            return Ok(Next::Stop);
        }
    }
}
