//! Licences of dependencies: from what cargo itself knows of them.

use std::process::Command;

use super::{assert_none, root};

/// Licences that a dependency may have; where it offers several, one of them.
const LICENCES: &str = "MIT Apache-2.0 BSD-2-Clause BSD-3-Clause Zlib MPL-2.0 ISC BSL-1.0 \
    Unicode-3.0 CC0-1.0 0BSD Unlicense";

#[test]
fn dependencies_have_licences_that_may_be_used() {
    // Only what this platform builds: the rest need not be here.
    let version = Command::new("rustc").arg("-vV").output().expect("rustc");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version=1"])
        .args(["--filter-platform", host.expect("a host")])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{output:?}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let mut violations = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or_default();
        if !may_be_used(licence) {
            violations.push(format!("{}: {licence:?}", package["name"]));
        }
    }
    assert_none("licences", &violations);
}

/// Whether a licence expression can be met: one of its alternatives, with all that it joins.
/// Alternatives in brackets bind first; an exception, or "or later", takes no rights.
fn may_be_used(expression: &str) -> bool {
    if let Some((before, rest)) = expression.split_once('(') {
        let (inner, after) = rest.split_once(')').unwrap_or_default();
        let met = if may_be_used(inner) { "MIT" } else { "none" };
        return may_be_used(&format!("{before}{met}{after}"));
    }
    let is_allowed = |name: &str| {
        let name = name.split(" WITH ").next().unwrap_or_default();
        let mut allowed = LICENCES.split_whitespace();
        allowed.any(|allowed| allowed == name.trim_end_matches('+'))
    };
    let expression = expression.replace('/', " OR ");
    expression
        .split(" OR ")
        .any(|all| all.split(" AND ").all(|name| is_allowed(name.trim())))
}

#[test]
fn licence_expressions_are_read_rightly() {
    for good in ["MIT OR GPL-3.0", "GPL-2.0/MIT", "(MIT OR GPL-3.0) AND ISC"] {
        assert!(may_be_used(good), "{good}");
    }
    for bad in ["", "MIT AND GPL-3.0", "(MIT OR ISC) AND AGPL-3.0"] {
        assert!(!may_be_used(bad), "{bad}");
    }
}
