//! The host's functions, and what they say to pointers that point nowhere.

use sapwood::Mode;
use sapwood_wasm::{ContractAddress, Failure, Receipt, WasmTxn};

use crate::support::*;

fn setup(functions: &str) -> (Chain, ContractAddress) {
    let chain = memory_chain(Mode::Verify);
    let contract = deploy(&chain, "eve", &with_host(functions), b"");
    (chain, contract)
}

fn main(body: &str) -> Receipt {
    let (chain, contract) = setup(&format!("(func (export \"main\") {body})"));
    one(&chain, WasmTxn::call("eve", contract, "main", "input"))
}

fn output(body: &str) -> Vec<u8> {
    let receipt = main(body);
    assert_eq!(receipt.failure, None);
    receipt.output
}

fn refused(body: &str) -> String {
    match failure(main(body)) {
        Failure::BadHostCall(reason) => reason,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn a_contract_is_told_height_caller_and_input() {
    let told = output(
        "(i64.store (i32.const 0) (call $height))
        (call $caller (i32.const 8) (i32.const 0) (call $caller_len))
        (call $input (i32.const 11) (i32.const 2) (i32.const 3))
        (call $output (i32.const 0) (i32.const 14))",
    );
    assert_eq!(told, [&2u64.to_le_bytes()[..], b"eve", b"put"].concat());
}

#[test]
fn the_last_output_counts() {
    let last = output(
        "(i32.store8 (i32.const 0) (i32.const 65))
        (call $output (i32.const 0) (i32.const 8))
        (call $output (i32.const 0) (i32.const 1))",
    );
    assert_eq!(last, b"A");
}

#[test]
fn a_value_is_cut_to_the_room_and_its_length_told() {
    let cut = output(
        "(i64.store (i32.const 0) (i64.const 0x0807060504030201))
        (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8))
        (i64.store (i32.const 64)
            (call $get (i32.const 0) (i32.const 1) (i32.const 80) (i32.const 3)))
        (i64.store (i32.const 72)
            (call $get (i32.const 1) (i32.const 1) (i32.const 80) (i32.const 3)))
        (call $output (i32.const 64) (i32.const 20))",
    );
    let expected = [
        &8i64.to_le_bytes()[..],
        &(-1i64).to_le_bytes(),
        &[1, 2, 3, 0],
    ]
    .concat();
    assert_eq!(cut, expected);
}

#[test]
fn the_empty_key_and_the_empty_value_are_like_others() {
    let found = output(
        "(call $set (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (i64.store (i32.const 0)
            (call $get (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $output (i32.const 0) (i32.const 8))",
    );
    assert_eq!(found, 0i64.to_le_bytes());
}

/// Writes the keys `a`, `b`, `ba`, `bb`, `c` with values of one byte, then scans.
fn scan(prefix: &str, from: &str, limit: u32, room: u32) -> (i64, Vec<u8>) {
    let set = |at: u32, len: u32| {
        format!("(call $set (i32.const {at}) (i32.const {len}) (i32.const {at}) (i32.const 1))")
    };
    let scanned = format!(
        "(i64.store (i32.const 1000) (call $scan (i32.const 300) (i32.const {}) (i32.const 400)
            (i32.const {}) (i32.const {limit}) (i32.const 1008) (i32.const {room})))
        (call $output (i32.const 1000) (i32.const 100))",
        prefix.len(),
        from.len(),
    );
    let writes = [(0, 1), (1, 1), (1, 2), (3, 2), (5, 1)].map(|(at, len)| set(at, len));
    let (chain, contract) = setup(&format!(
        "(data (i32.const 0) \"abab\")
        (data (i32.const 0) \"abbbbc\") (data (i32.const 1) \"ba\") (data (i32.const 3) \"bb\")
        (data (i32.const 300) \"{prefix}\") (data (i32.const 400) \"{from}\")
        (func (export \"main\") {} {scanned})",
        writes.join(" ")
    ));
    // Others' keys beside, which must not be seen.
    let other = with_host(
        "(func (export \"init\")
            (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))",
    );
    for name in ["x", "y", "z"] {
        deploy(&chain, name, &other, b"");
    }
    let receipt = one(&chain, WasmTxn::call("eve", contract, "main", ""));
    assert_eq!(receipt.failure, None);
    let (count, rows) = receipt.output.split_at(8);
    (i64::from_le_bytes(count.try_into().unwrap()), rows.to_vec())
}

fn keys(found: &(i64, Vec<u8>)) -> Vec<String> {
    let mut rest = &found.1[..];
    let mut keys = Vec::new();
    for _ in 0..found.0 {
        let key_len = usize::from(rest[0]);
        assert_eq!(&rest[1..8], [0, 0, 0, 1, 0, 0, 0]);
        keys.push(String::from_utf8(rest[8..8 + key_len].to_vec()).unwrap());
        assert_eq!(rest[8 + key_len], rest[8]);
        rest = &rest[9 + key_len..];
    }
    keys
}

#[test]
fn a_scan_gives_the_rows_of_a_prefix_in_order() {
    assert_eq!(keys(&scan("", "", 99, 99)), ["a", "b", "ba", "bb", "c"]);
    assert_eq!(keys(&scan("b", "", 99, 99)), ["b", "ba", "bb"]);
    assert_eq!(keys(&scan("bb", "", 99, 99)), ["bb"]);
    assert_eq!(keys(&scan("d", "", 99, 99)), [""; 0]);
}

#[test]
fn a_scan_goes_on_where_it_was_left() {
    assert_eq!(keys(&scan("b", "", 2, 99)), ["b", "ba"]);
    // The first key behind "ba".
    assert_eq!(keys(&scan("b", "ba\\00", 2, 99)), ["bb"]);
    assert_eq!(keys(&scan("b", "a", 99, 99)), ["b", "ba", "bb"]);
    assert_eq!(keys(&scan("b", "c", 99, 99)), [""; 0]);
    assert_eq!(keys(&scan("", "", 0, 99)), [""; 0]);
}

#[test]
fn a_scan_ends_with_its_room_and_says_what_the_first_row_needs() {
    assert_eq!(keys(&scan("", "", 99, 20)), ["a", "b"]);
    assert_eq!(keys(&scan("", "", 99, 19)), ["a"]);
    assert_eq!(scan("", "", 99, 9).0, -10);
}

#[test]
fn pointers_out_of_its_memory_are_refused() {
    for body in [
        "(call $set (i32.const -1) (i32.const 1) (i32.const 0) (i32.const 1))",
        "(call $set (i32.const 65535) (i32.const 2) (i32.const 0) (i32.const 1))",
        "(call $set (i32.const 0) (i32.const 1) (i32.const 65536) (i32.const 1))",
        "(call $set (i32.const 0) (i32.const 1) (i32.const 65000) (i32.const 1000))",
        "(call $delete (i32.const 0x7FFFFFFF) (i32.const 1))",
        "(drop (call $get (i32.const 65536) (i32.const 1) (i32.const 0) (i32.const 0)))",
        "(call $input (i32.const 65534) (i32.const 0) (i32.const 5))",
        "(call $caller (i32.const -2) (i32.const 0) (i32.const 3))",
        "(call $output (i32.const 65530) (i32.const 7))",
        "(call $revert (i32.const 65530) (i32.const 7))",
        "(call $event (i32.const 65536) (i32.const 1) (i32.const 0) (i32.const 1))",
        "(call $event (i32.const 0) (i32.const 1) (i32.const 65536) (i32.const 1))",
        "(drop (call $scan (i32.const -1) (i32.const 1) (i32.const 0) (i32.const 0)
            (i32.const 1) (i32.const 0) (i32.const 99)))",
        "(drop (call $scan (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 1)
            (i32.const 1) (i32.const 0) (i32.const 99)))",
        "(drop (call $scan (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)
            (i32.const 1) (i32.const 65000) (i32.const 999)))",
    ] {
        assert!(refused(body).contains("outside of its memory"), "{body}");
    }
    // A found value has to have its room.
    let body = "(call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4))
        (drop (call $get (i32.const 0) (i32.const 1) (i32.const 65533) (i32.const 4)))";
    assert!(refused(body).contains("outside of its memory"));
}

#[test]
fn what_was_not_given_cannot_be_read() {
    for body in [
        "(call $input (i32.const 0) (i32.const 0) (i32.const 6))",
        "(call $input (i32.const 0) (i32.const 6) (i32.const 0))",
        "(call $input (i32.const 0) (i32.const -1) (i32.const 1))",
        "(call $caller (i32.const 0) (i32.const 2) (i32.const 2))",
    ] {
        assert!(refused(body).contains("that it was given"), "{body}");
    }
}

#[test]
fn keys_values_outputs_and_events_have_limits() {
    let grown = "(drop (memory.grow (i32.const 2)))";
    for (body, word) in [
        (
            "(call $set (i32.const 0) (i32.const 1025) (i32.const 0) (i32.const 1))",
            "a key",
        ),
        ("(call $delete (i32.const 0) (i32.const 1025))", "a key"),
        (
            "(call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 65537))",
            "a value",
        ),
        (
            "(call $output (i32.const 0) (i32.const 65537))",
            "an output",
        ),
        (
            "(call $revert (i32.const 0) (i32.const 65537))",
            "a message",
        ),
        (
            "(call $event (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 65536))",
            "events",
        ),
        (
            "(loop $again (call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
            (br $again))",
            "events",
        ),
    ] {
        assert!(
            refused(&format!("{grown} {body}")).starts_with(word),
            "{body}"
        );
    }
    let receipt = main(
        "(call $set (i32.const 0) (i32.const 1024) (i32.const 0) (i32.const 65536))
        (call $output (i32.const 0) (i32.const 65536))",
    );
    assert_eq!(receipt.output.len(), 65_536);
}

/// Lengths that nobody could pay for end with the fuel, before anything is looked at.
#[test]
fn lengths_without_measure_cost_more_than_anybody_has() {
    for body in [
        "(call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const -1))",
        "(call $output (i32.const 0) (i32.const -1))",
        "(call $event (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1))",
    ] {
        assert_eq!(failure(main(body)), Failure::OutOfFuel, "{body}");
    }
}

#[test]
fn a_message_comes_back_with_what_was_reverted() {
    let receipt = main(
        "(call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))
        (i32.store (i32.const 0) (i32.const 0x21796877))
        (call $revert (i32.const 0) (i32.const 4))
        (loop $again (br $again))",
    );
    assert_eq!(failure(receipt), Failure::Reverted(b"why!".to_vec()));
}
