//! libFuzzer's inputs for `directory` of `sapwood-fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sapwood_fuzz::run("directory", input));
