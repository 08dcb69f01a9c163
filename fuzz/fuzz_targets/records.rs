//! libFuzzer's inputs for `records` of `sapwood-fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sapwood_fuzz::run("records", input));
