//! libFuzzer's inputs for `codec` of `sapwood-fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sapwood_fuzz::run("codec", input));
