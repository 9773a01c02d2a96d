#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barque::image::fuzz::dockerfile(bytes));
