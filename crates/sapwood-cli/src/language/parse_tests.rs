//! One test for each rule of the language.

use super::*;

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
    refused("ts=3 get a");
}

#[test]
fn options_are_data_where_the_row_does_not_list_them() {
    assert_eq!(parsed("get limit=3"), get("limit=3", None));
    assert_eq!(parsed("get reverse"), get("reverse", None));
    assert_eq!(parsed("get ;"), get(";", None));
    let Command::Scan(scan) = parsed("scan from=1 to=2") else {
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
        "checkpoint",
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
    let Command::Scan(scan) = parsed(r#"scan a reverse c prefix="" limit=0 ts=2"#) else {
        panic!("not a scan");
    };
    assert_eq!(
        scan.range,
        key_range(Some(b"a".to_vec()), Some(b"c".to_vec()), None)
    );
    assert_eq!(
        (scan.limit, scan.reverse, scan.at),
        (Some(0), true, Some(Timestamp::new(2)))
    );
    let Command::Scan(scan) = parsed(r#"scan "reverse""#) else {
        panic!("not a scan");
    };
    assert!(!scan.reverse && scan.range.contains(b"reverse") && !scan.range.contains(b"r"));
    assert!(key_range(Some(b"b".to_vec()), None, Some(b"a")).is_empty());
}

#[test]
fn what_is_not_there_yet_is_invalid() {
    for line in [
        "begin t",
        "verify",
        "rollback-to 3",
        "t get a",
        "t commit",
        "nonsense",
        "SET a b",
    ] {
        refused(line);
    }
}
