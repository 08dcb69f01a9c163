//! The language of the shell: lines of text to commands.
//!
//! Pure functions, no engine: [`words`] splits a line, [`parse`](mod@parse) makes a [`Command`] of
//! it, `print` a line of that again; [`text`] is how bytes are written. The command line's own arguments use [`text`] too and
//! make the same [`Command`]s.

pub(crate) mod arguments;
mod batch;
pub(crate) mod command;
pub(crate) mod parse;
mod print;
pub(crate) mod text;
pub(crate) mod transaction;
pub(crate) mod words;

pub(crate) use command::Command;
pub(crate) use parse::parse;
