//! The front end that is committed is the one that its sources build, and small; what it is built from may be used.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers may fail"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What the build depends on, as `web/vite.config.ts` has it.
const SOURCES: [&str; 7] = [
    "index.html",
    "package-lock.json",
    "package.json",
    "public",
    "src",
    "tsconfig.json",
    "vite.config.ts",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files below a path, in the order of their names, each folder's where the folder stands.
fn files(root: &Path, path: &str, found: &mut Vec<String>) {
    if !root.join(path).is_dir() {
        found.push(path.to_owned());
        return;
    }
    let entries = fs::read_dir(root.join(path)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    for name in names {
        files(root, &format!("{path}/{name}"), found);
    }
}

#[test]
fn what_is_committed_was_built_from_the_sources() {
    let web = folder("web");
    let mut found = Vec::new();
    for source in SOURCES {
        files(&web, source, &mut found);
    }
    let mut hash = Sha256::new();
    for path in &found {
        hash.update(format!("{path}\0"));
        hash.update(fs::read(web.join(path)).unwrap());
        hash.update("\0");
    }
    let hash = hash.finalize();
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let noted = fs::read_to_string(folder("dist/sources.sha256")).unwrap();
    assert_eq!(
        noted.trim(),
        hash,
        "dist is older than web: run make web, and commit dist"
    );
}

#[test]
fn it_is_small_and_asks_nobody_else() {
    let mut bytes = 0;
    for entry in fs::read_dir(folder("dist")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        bytes += text.len();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.ends_with(".map"), "{name}");
        if name == "licences.txt" {
            continue;
        }
        for (at, _) in text.match_indices("://") {
            let rest = text[at + 3..]
                .split(['"', '\'', '`', '/', ' '])
                .next()
                .unwrap();
            // Names of the kinds of elements; nobody goes there.
            assert_eq!(rest, "www.w3.org", "{name}");
        }
    }
    assert!(bytes < 200 << 10, "{bytes} bytes");
}

#[test]
fn packages_may_be_used_and_name_no_registry() {
    const LICENCES: [&str; 8] = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "0BSD",
        "MPL-2.0",
        "Zlib",
    ];
    for lock in ["web/package-lock.json", "e2e/package-lock.json"] {
        let text = fs::read_to_string(folder(lock)).unwrap();
        assert!(!text.contains("\"resolved\""), "{lock}");
        assert!(!text.contains("registry"), "{lock}");
        let lock_file: Value = serde_json::from_str(&text).unwrap();
        for (name, package) in lock_file["packages"].as_object().unwrap() {
            let licence = package["license"].as_str().unwrap_or_default();
            let is_ours = name.is_empty();
            assert!(
                is_ours || LICENCES.contains(&licence),
                "{lock}: {name} has {licence:?}"
            );
        }
    }
}
