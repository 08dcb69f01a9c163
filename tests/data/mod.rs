//! Where the data of other people's making lies: `$SAPWOOD_DATA`, else `../shared/data`.

use std::{env, path::PathBuf};

/// The path of a file or folder of the data, or `None` where there is no data.
///
/// # Panics
/// Where it is missing and `SAPWOOD_REQUIRE_DATA` is 1.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = env::var_os("SAPWOOD_DATA").map_or_else(beside, PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        env::var("SAPWOOD_REQUIRE_DATA").as_deref() != Ok("1"),
        "{} is missing, and SAPWOOD_REQUIRE_DATA=1",
        path.display()
    );
    println!(
        "SKIPPED 1: {} is missing; set SAPWOOD_DATA to the data's folder",
        path.display()
    );
    None
}

/// The data beside the project, which a crate of it may lie deeper in.
fn beside() -> PathBuf {
    let crate_of_test = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let is_member = crate_of_test
        .parent()
        .is_some_and(|above| above.ends_with("crates"));
    crate_of_test.join(if is_member {
        "../../../shared/data"
    } else {
        "../shared/data"
    })
}
