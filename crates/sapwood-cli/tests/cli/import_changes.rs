//! `import changes`: real histories against git's own counts, and files that are damaged.

use std::{io::Write, path::Path};

use sha2::{Digest, Sha256};

use crate::support::{Outcome, data, rows, run, shell};

fn import(file: &Path, db: &Path) -> Outcome {
    run([
        "import".as_ref(),
        "changes".as_ref(),
        file.as_os_str(),
        "--db".as_ref(),
        db.as_os_str(),
    ])
}

/// Each `SNAP` line of an oracle: an ordinal, the number of paths and their hash.
fn snapshots(oracle: &Path) -> Vec<(u64, usize, String)> {
    let text = std::fs::read_to_string(oracle).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("SNAP "));
    lines
        .map(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            (
                fields[0].parse().unwrap(),
                fields[1].parse().unwrap(),
                fields[2].to_owned(),
            )
        })
        .collect()
}

/// Each `HIST` line of an oracle: a path, and its versions oldest first.
fn histories(oracle: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(oracle).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("HIST "));
    let split = |line: &str| {
        let (path, versions) = line.split_once(" : ").unwrap();
        (path.to_owned(), versions.to_owned())
    };
    lines.map(split).collect()
}

fn check(name: &str) {
    let Some(file) = data(&format!("git-histories/{name}.changes.xz")) else {
        return;
    };
    let oracle = file.with_file_name(format!("{name}.oracle.txt"));
    let scratch = tempfile::tempdir().unwrap();
    let db = scratch.path().join("db");
    import(&file, &db).ok();

    let snapshots = snapshots(&oracle);
    assert!(snapshots.len() >= 10);
    let script: String = snapshots
        .iter()
        .map(|(at, ..)| format!("scan ts={at}\n"))
        .collect();
    for ((at, paths, hash), answer) in snapshots.iter().zip(shell(&db, &script)) {
        let rows = rows(&answer);
        let lines: Vec<_> = rows
            .iter()
            .map(|(path, id)| [&path[..], id].join(&b'\t'))
            .collect();
        let found = Sha256::digest(lines.join(&b'\n'));
        assert_eq!(
            (
                rows.len(),
                found
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            ),
            (*paths, hash.clone()),
            "{name} at {at}"
        );
    }

    let histories = histories(&oracle);
    let script: String = histories
        .iter()
        .map(|(path, _)| format!("history \"{path}\" reverse\n"))
        .collect();
    for ((path, wanted), answer) in histories.iter().zip(shell(&db, &script)) {
        assert_eq!(&versions(&answer), wanted, "{name}: {path}");
    }
}

/// The versions of an answer as an oracle writes them.
fn versions(answer: &serde_json::Value) -> String {
    let versions = answer["versions"].as_array().unwrap();
    let mut events = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        events.push(format!(
            "{}:{}",
            version["start"],
            version["value"].as_str().unwrap()
        ));
        let next = versions.get(index + 1).map(|next| &next["start"]);
        if !version["end"].is_null() && Some(&version["end"]) != next {
            events.push(format!("{}:{}", version["end"], "0".repeat(40)));
        }
    }
    events.join(" ")
}

#[test]
fn badger_is_as_git_tells() {
    check("badger");
}

#[test]
fn leveldb_is_as_git_tells() {
    check("leveldb");
}

#[test]
fn tokio_is_as_git_tells() {
    check("tokio");
}

const THREE: &str = "C 1 aa 10\nP\ta\tid1\nP\tb c\tid2\nC 2 bb 20\nC 3 cc 30\nD\ta\nP\tb c\tid3\n";

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn packed_and_plain_files_are_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let many = format!("{THREE}C 4 dd 40\nP\twith\ttab\tid4\n");
    for (name, content) in [
        ("plain.txt", many.clone().into_bytes()),
        ("packed.xz", packed(&many)),
        ("packed.txt", packed(&many)),
    ] {
        let file = scratch.path().join(name);
        std::fs::write(&file, content).unwrap();
        let db = scratch.path().join(format!("{name}.db"));
        import(&file, &db).ok();
        let answers = shell(&db, "scan ts=1\nscan ts=2\nscan ts=3\nscan\n");
        let counts: Vec<_> = answers.iter().map(|answer| rows(answer).len()).collect();
        assert_eq!(counts, [2, 2, 1, 2], "{name}");
        assert_eq!(
            rows(&answers[3])[1],
            (b"with\ttab".to_vec(), b"id4".to_vec())
        );
    }
}

#[test]
fn a_cut_file_leaves_whole_commits_and_can_be_mended() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, db) = (scratch.path().join("changes.xz"), scratch.path().join("db"));
    let commits: String = (1..=500u64)
        .map(|ordinal| {
            format!(
                "C {ordinal} {:040x} 1\nP\tall\t{ordinal}\nP\tkey{ordinal}\t{:x}\n",
                ordinal * 7919,
                ordinal * ordinal * 104_729
            )
        })
        .collect();
    let whole = packed(&commits);
    for part in [0, 1, 10, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..part]).unwrap();
        let _ = std::fs::remove_dir_all(&db);
        let failed = import(&file, &db).failed(1, "the same import goes on");
        let answers = shell(&db, "status\nscan prefix=key\nget all\n");
        let held = answers[0]["visible"].as_u64().unwrap();
        assert!(held < 500, "{failed:?}");
        assert!(
            failed.stderr.contains(&format!("up to {held};")),
            "{failed:?}"
        );
        // Whole commits only: both keys of each.
        assert_eq!(rows(&answers[1]).len() as u64, held);
        if held > 0 {
            assert_eq!(answers[2]["value"], held.to_string());
        }
        std::fs::write(&file, &whole).unwrap();
        import(&file, &db).ok();
        assert_eq!(shell(&db, "status")[0]["visible"], 500);
    }
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0xFF;
    std::fs::write(&file, damaged).unwrap();
    std::fs::remove_dir_all(&db).unwrap();
    import(&file, &db).failed(1, "damaged");
}

#[test]
fn a_malformed_line_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    for (index, line) in [
        "X",
        "C 4",
        "C x dd 40",
        "C 4 dd",
        "C 4 dd 40 50",
        "P\ta",
        "P\ta\t",
        "D a",
        "",
        "C -4 dd 40",
    ]
    .into_iter()
    .enumerate()
    {
        let file = scratch.path().join(format!("{index}.txt"));
        let db = scratch.path().join(format!("{index}.db"));
        std::fs::write(&file, format!("{THREE}{line}\nC 5 ee 50\n")).unwrap();
        import(&file, &db).failed(1, "line 8 ");
        assert_eq!(shell(&db, "status")[0]["visible"], 2, "{line:?}");
    }
    let file = scratch.path().join("first.txt");
    std::fs::write(&file, "P\ta\tid\n").unwrap();
    import(&file, &scratch.path().join("first.db")).failed(1, "line 1 ");
    std::fs::write(&file, THREE.trim_end()).unwrap();
    import(&file, &scratch.path().join("end.db")).failed(1, "line 7 has no end");
}

#[test]
fn ordinals_must_grow() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, db) = (scratch.path().join("f.txt"), scratch.path().join("db"));
    std::fs::write(&file, format!("{THREE}C 3 dd 40\n")).unwrap();
    import(&file, &db).failed(1, "commit 3 comes behind 3");
    assert_eq!(shell(&db, "status")[0]["visible"], 3);
    std::fs::write(&file, "C 0 dd 40\n").unwrap();
    import(&file, &scratch.path().join("zero.db")).failed(1, "ordinals begin at 1");
}
