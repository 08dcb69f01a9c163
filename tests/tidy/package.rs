//! What is published: the sources, the documents that are in them, the licences, and nothing else.

use std::process::Command;

use super::{assert_none, root};

/// The files that `cargo package` takes.
fn packaged() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--offline", "--allow-dirty", "--list"])
        .args(["--package", "sapwood"])
        .current_dir(root())
        .output()
        .expect("cargo package");
    assert!(output.status.success(), "{output:?}");
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    list.lines().map(|line| line.replace('\\', "/")).collect()
}

#[test]
fn the_package_holds_what_it_should() {
    let files = packaged();
    let folders = ["src/", "benches/", "examples/", "docs/"];
    let at_the_root = "Cargo.toml Cargo.toml.orig Cargo.lock .cargo_vcs_info.json README.md DESIGN.md \
                       CHANGELOG.md LICENSE-MIT LICENSE-APACHE";
    let belongs = |path: &str| {
        let is_below = folders.iter().any(|folder| path.starts_with(folder));
        is_below || at_the_root.split_whitespace().any(|known| known == path)
    };
    let odd: Vec<_> = files
        .iter()
        .filter(|path| !belongs(path))
        .cloned()
        .collect();
    assert_none("packaged, and belonging elsewhere", &odd);
    // What the sources include must come along, or the package's own doctests do not compile.
    let includes = super::sources::included();
    assert!(includes.len() > 4, "{includes:?}");
    let needed = includes
        .into_iter()
        .chain(["LICENSE-MIT".to_owned(), "LICENSE-APACHE".to_owned()]);
    let missing: Vec<_> = needed.filter(|path| !files.contains(path)).collect();
    assert_none("not packaged", &missing);
}
