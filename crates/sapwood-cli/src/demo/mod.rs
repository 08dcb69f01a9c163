//! demo
use crate::{
    args::DemoArgs,
    failure::{Failure, Result},
};
use std::path::PathBuf;
pub(crate) fn run(_: DemoArgs, _: Option<PathBuf>) -> Result<()> {
    Err(Failure::invalid("later"))
}
