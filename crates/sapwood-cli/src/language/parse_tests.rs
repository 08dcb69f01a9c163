//! One test for each rule of the language.

use super::*;
use crate::language::command::{Step, key_range};

fn parsed(line: &str) -> Command {
    parse(line.as_bytes()).unwrap().unwrap()
}

fn refused(line: &str) {
    let failure = parse(line.as_bytes()).expect_err(line);
    assert_eq!(failure.kind, "invalid", "{line}");
}

fn get(key: &str, at: Option<u64>) -> Command {
    Command::Get {
        key: key.into(),
        at: at.map(Timestamp::new),
    }
}

fn within(transaction: &str, step: Step) -> Command {
    Command::Within {
        transaction: transaction.into(),
        step,
    }
}

fn get_step(key: &str) -> Step {
    Step::Get { key: key.into() }
}

fn begin(name: &str) -> Begin {
    Begin {
        name: name.into(),
        isolation: Isolation::Serializable,
        read_only: false,
        at: None,
    }
}

#[test]
fn blank_lines_and_comments_mean_nothing() {
    for line in ["", "   ", "# get a", "  #"] {
        assert!(parse(line.as_bytes()).unwrap().is_none());
    }
}

#[test]
fn options_stand_anywhere_behind_the_command() {
    assert_eq!(parsed("get a ts=3"), get("a", Some(3)));
    assert_eq!(parsed("get ts=3 a"), get("a", Some(3)));
    assert_eq!(parsed(r#"get a ts="3""#), get("a", Some(3)));
    // Before the command it is data, and so the name of a transaction.
    assert_eq!(parsed("ts=3 get a"), within("ts=3", get_step("a")));
}

#[test]
fn options_are_data_where_the_row_does_not_list_them() {
    assert_eq!(parsed("get limit=3"), get("limit=3", None));
    assert_eq!(parsed("get reverse"), get("reverse", None));
    assert_eq!(parsed("get ;"), get(";", None));
    let Command::Scan { scan, .. } = parsed("scan from=1 to=2") else {
        panic!("not a scan");
    };
    assert_eq!(
        scan.range,
        key_range(Some(b"from=1".to_vec()), Some(b"to=2".to_vec()), None)
    );
    refused("diff 1 2 ts=3");
    refused("prune 5 limit=1");
}

#[test]
fn a_quoted_word_is_always_data() {
    assert_eq!(parsed(r#"get "ts=3""#), get("ts=3", None));
    assert_eq!(parsed(r#"get "ts=3" ts=4"#), get("ts=3", Some(4)));
    assert_eq!(parsed(r"get ts\x3d3"), get("ts=3", None));
    refused(r#""get" a"#);
    refused(r#"get limit="3""#);
    refused(r#"get a"b""#);
}

#[test]
fn repeated_and_malformed_options_are_invalid() {
    for line in [
        "get a ts=1 ts=1",
        "scan reverse reverse",
        "scan prefix=a prefix=b",
        "get a ts=",
        r#"get a ts="""#,
        "get a ts=-1",
        "get a ts=+1",
        "get a ts=1.0",
        "get a ts=0x1",
        "get a ts=18446744073709551616",
        "scan limit=x",
        "pin a 1 ttl=soon",
        "pin a -1",
        "diff a b",
    ] {
        refused(line);
    }
    assert_eq!(
        parsed("get a ts=18446744073709551615"),
        get("a", Some(u64::MAX))
    );
}

#[test]
fn too_many_and_too_few_words_are_invalid() {
    for line in [
        "set a",
        "set a b c",
        "delete",
        "delete a b",
        "get",
        "get a b",
        "scan a b c",
        "history",
        "history a b",
        "diff 1",
        "diff 1 2 3",
        "pin a",
        "pin a 1 2",
        "unpin",
        "unpin a b",
        "pins a",
        "prune",
        "prune 1 2",
        "rollback-to",
        "rollback-to 1 2",
        "checkpoint",
        "verify a",
        "flush a",
        "compact a",
        "status a",
    ] {
        refused(line);
    }
}

#[test]
fn a_batch_is_parsed_wholly() {
    let mut writes = Batch::new();
    writes.set(b"a", b"1").delete(b"b").set(b";", b";");
    let command = Command::Commit {
        writes,
        at: Some(Timestamp::new(7)),
    };
    assert_eq!(
        parsed(r#"batch set a 1 ; delete b ts=7 ; set ";" \x3b"#),
        command
    );
    for line in [
        "batch",
        "batch ts=1",
        "batch ;",
        "batch set a 1 ;",
        "batch ; set a 1",
        "batch set a 1 ; ; delete b",
        "batch set a 1; delete b",
        "batch set a",
        "batch get a",
        "batch set a 1 ; begin",
        r#"batch "set" a 1"#,
        "batch set a 1 ts=1 ; delete b ts=1",
    ] {
        refused(line);
    }
}

#[test]
fn a_scan_intersects_its_bounds() {
    let Command::Scan { scan, at } = parsed(r#"scan a reverse c prefix="" limit=0 ts=2"#) else {
        panic!("not a scan");
    };
    assert_eq!(
        scan.range,
        key_range(Some(b"a".to_vec()), Some(b"c".to_vec()), None)
    );
    assert_eq!(
        (scan.limit, scan.reverse, at),
        (Some(0), true, Some(Timestamp::new(2)))
    );
    let Command::Scan { scan, .. } = parsed(r#"scan "reverse""#) else {
        panic!("not a scan");
    };
    assert!(!scan.reverse && scan.range.contains(b"reverse") && !scan.range.contains(b"r"));
    assert!(key_range(Some(b"b".to_vec()), None, Some(b"a")).is_empty());
}

#[test]
fn a_transaction_is_begun_as_its_flags_say() {
    let snapshot = Isolation::Snapshot;
    let past = Some(Timestamp::new(3));
    for (line, meant) in [
        ("begin t", begin("t")),
        ("begin t serializable", begin("t")),
        ("begin t read-only", {
            Begin {
                read_only: true,
                ..begin("t")
            }
        }),
        ("begin ts=3 snapshot t", {
            Begin {
                isolation: snapshot,
                at: past,
                ..begin("t")
            }
        }),
        (r#"begin "snapshot""#, begin("snapshot")),
        (r#"begin "ts=3""#, begin("ts=3")),
        ("begin limit=3", begin("limit=3")),
        ("begin commit", begin("commit")),
    ] {
        assert_eq!(parsed(line), Command::Begin(meant), "{line}");
    }
    for line in [
        "begin",
        "begin snapshot",
        "begin t u",
        "begin t snapshot serializable",
        "begin t snapshot snapshot",
        "begin t ts=1 ts=1",
        "begin t ts=",
        "begin limit=\"3\"",
    ] {
        refused(line);
    }
}

#[test]
fn a_commands_name_is_no_transactions() {
    for name in NAMES {
        refused(&format!("begin {name}"));
        refused(&format!("begin \"{name}\""));
        refused(&format!(
            "begin \\x{:02x}{}",
            name.as_bytes()[0],
            &name[1..]
        ));
    }
    refused(r#"begin """#);
}

#[test]
fn a_line_of_a_transaction_is_known_by_its_second_word() {
    let (key, value) = (b"k".to_vec(), b"v".to_vec());
    for (line, step) in [
        ("t get k", get_step("k")),
        ("t get ts=3", get_step("ts=3")),
        ("t set k v", {
            Step::Set {
                key: key.clone(),
                value,
            }
        }),
        ("t delete k", Step::Delete { key: key.clone() }),
        ("t savepoint k", Step::Savepoint { name: key.clone() }),
        ("t rollback-to k", Step::RollbackTo { savepoint: key }),
        ("t commit", Step::Commit),
        ("t rollback", Step::Rollback),
    ] {
        assert_eq!(parsed(line), within("t", step.clone()), "{line}");
        let quoted = line.replacen('t', r#""t""#, 1);
        assert_eq!(parsed(&quoted), within("t", step), "{quoted}");
    }
    assert_eq!(parsed(r#""get" get a"#), within("get", get_step("a")));
    assert_eq!(parsed("get commit"), get("commit", None));
    for line in [
        "t",
        "t nonsense",
        r#"t "get" a"#,
        r"t g\x65t a",
        "t history a",
        "t begin",
        "t get",
        "t get a ts=3",
        "t set a",
        "t delete a b",
        "t scan a b c",
        r#"t scan ts="3""#,
        "t scan reverse reverse",
        "t savepoint",
        r#"t savepoint """#,
        "t rollback-to",
        "t commit a",
        "t rollback a",
    ] {
        refused(line);
    }
}

#[test]
fn a_transactions_scan_has_all_options_but_ts() {
    let Command::Scan { scan, at: None } = parsed("scan a c prefix=b reverse limit=3") else {
        panic!("not a scan");
    };
    let line = "t scan limit=3 a reverse c prefix=b";
    assert_eq!(parsed(line), within("t", Step::Scan(scan)));
    let Command::Scan { scan, .. } = parsed(r#"scan "ts=3""#) else {
        panic!("not a scan");
    };
    assert_eq!(parsed("t scan ts=3"), within("t", Step::Scan(scan)));
}

#[test]
fn what_is_not_there_is_invalid() {
    for line in ["rollback-to commit", "verify get a", "nonsense", "SET a b"] {
        refused(line);
    }
}
