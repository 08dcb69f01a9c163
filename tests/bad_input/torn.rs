//! RocksDB's MANIFEST after a power cut: its last record half written, with zeros for the rest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sapwood::{Engine, ReadView};
use tempfile::TempDir;

use crate::support::{directory, kind, open};

/// A database, and its MANIFEST.
fn database() -> (TempDir, PathBuf, PathBuf) {
    let directory = directory();
    let path = directory.path().join("db");
    let engine = open(&path).expect("open");
    for round in 0..50 {
        engine.set("key", round.to_string()).expect("a commit");
    }
    engine.flush().expect("flush");
    engine.close().expect("close");
    drop(engine);
    let name = fs::read_to_string(path.join("CURRENT")).expect("CURRENT");
    let manifest = path.join(name.trim_end());
    (directory, path, manifest)
}

/// Appends a record of which the disk has the first sector, as a file system leaves it.
fn tear(manifest: &Path) {
    let mut bytes = fs::read(manifest).expect("the MANIFEST");
    bytes.extend([1, 2, 3, 4]); // the checksum
    bytes.extend(2000_u16.to_le_bytes());
    bytes.push(1); // a whole record
    let end = bytes.len() + 2000;
    let sector = (bytes.len() + 1).next_multiple_of(512);
    bytes.resize(sector, 7);
    bytes.resize(end, 0);
    fs::write(manifest, bytes).expect("write");
}

fn newest(engine: &Engine) -> Vec<u8> {
    engine
        .get("key")
        .expect("readable")
        .expect("a value")
        .to_vec()
}

#[test]
fn inv_58_a_half_written_last_record_is_cut_off_and_kept_beside() {
    let (_directory, path, manifest) = database();
    tear(&manifest);
    let torn = fs::read(&manifest).expect("the MANIFEST");
    for _ in 0..2 {
        let engine = open(&path).expect("open");
        assert_eq!(newest(&engine), b"49");
        assert!(engine.verify().expect("verified").is_clean());
        engine.close().expect("close");
    }
    let kept = manifest.with_extension("torn");
    assert_eq!(fs::read(kept).expect("what was there"), torn);
}

#[test]
fn a_manifest_that_is_damaged_otherwise_is_refused_and_left_alone() {
    // Within.
    let (_directory, path, manifest) = database();
    let mut bytes = fs::read(&manifest).expect("the MANIFEST");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&manifest, &bytes).expect("write");
    assert_eq!(kind(open(&path)), "corrupt");
    assert_eq!(fs::read(&manifest).expect("the MANIFEST"), bytes);
    // Torn, but by nothing that says that it is ours.
    let (_directory, path, manifest) = database();
    tear(&manifest);
    fs::remove_file(path.join("SYNCED")).expect("removed");
    let torn = fs::read(&manifest).expect("the MANIFEST");
    assert_eq!(kind(open(&path)), "corrupt");
    assert_eq!(fs::read(&manifest).expect("the MANIFEST"), torn);
}
