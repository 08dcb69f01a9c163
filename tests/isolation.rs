//! What transactions that overlap see of each other, at both levels, on both storages.
//!
//! Each file of `tests/isolation/scripts` holds interleaved transactions and, behind `---`, what they
//! are answered. A script is run at both levels side by side: an answer that is the same at both
//! stands once, and where they part, each has its level's name. `hermitage` has the cases of that
//! collection, one a file; `rules` has what follows from our own rules.
//!
//! After a wanted change `UPDATE_GOLDENFILES=1 cargo test --test isolation` writes the answers anew;
//! read the difference before you commit it.

mod data;

#[path = "isolation/cases.rs"]
mod cases;
#[path = "isolation/level.rs"]
mod level;
#[path = "isolation/script.rs"]
mod script;
#[path = "isolation/two_ids.rs"]
mod two_ids;

use std::path::Path;

use sapwood::{Engine, MemoryStorage};

use script::Script;

test_each_file::test_each_path! { in "./tests/isolation/scripts" as on_memory => |path: &Path| {
    run(path, || Engine::new(&MemoryStorage::new()));
} }

#[cfg(feature = "rocksdb-storage")]
test_each_file::test_each_path! { in "./tests/isolation/scripts" as on_rocksdb => |path: &Path| {
    let directory = tempfile::tempdir().unwrap();
    let mut names = 0..;
    run(path, || Engine::open(directory.path().join(names.next().unwrap().to_string())).unwrap());
} }

fn run(path: &Path, engine: impl FnMut() -> Engine) {
    goldenscript::run(&mut Script::new(engine), path).unwrap();
}
