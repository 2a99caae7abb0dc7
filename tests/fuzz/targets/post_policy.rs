//! Policies of forms, compared with the fields of one. A line feed ends each field, `=` its name; behind an empty line is the
//! policy, in plain JSON.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_fuzz::NOW;
use cairn_s3::form::{Fields, PostPolicy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    // What is no base64 is not of much interest, but must be refused all the same.
    drop(PostPolicy::parse(input));
    let (lines, document) = input.split_once("\n\n").unwrap_or(("", input));
    let mut fields = Fields::default();
    for (name, value) in lines.lines().filter_map(|line| line.split_once('=')) {
        fields.push(name, value.to_owned());
    }
    let Ok(policy) = PostPolicy::parse(&STANDARD.encode(document)) else {
        return;
    };
    if policy.check(&fields, "bucket", NOW).is_ok() {
        // Nothing that a policy lets pass may be without a condition, so a field that nobody can have foreseen never passes.
        fields.push("unforeseen\u{0}field", String::new());
        let foreseen = document.contains("nforeseen");
        assert!(policy.check(&fields, "bucket", NOW).is_err() || foreseen);
    }
});
