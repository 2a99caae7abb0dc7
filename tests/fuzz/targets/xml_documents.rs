//! Every document that clients send in XML, chosen by the first byte. What is understood and written again is understood the same.

#![no_main]

use std::fmt::Debug;

use cairn_s3::error::S3Error;
use cairn_s3::xml::access_control::parse_access_control;
use cairn_s3::xml::bucket_logging::parse_no_logging;
use cairn_s3::xml::complete_upload::parse_complete;
use cairn_s3::xml::cors::{parse_cors, write_cors};
use cairn_s3::xml::create_bucket::parse_create_bucket;
use cairn_s3::xml::delete_objects::parse_delete;
use cairn_s3::xml::lock::{
    parse_legal_hold, parse_object_lock, parse_retention, write_legal_hold, write_retention,
};
use cairn_s3::xml::ownership_controls::{parse_ownership_controls, write_ownership_controls};
use cairn_s3::xml::public_access_block::{parse_public_access_block, write_public_access_block};
use cairn_s3::xml::switches::{
    parse_accelerate, parse_request_payment, write_accelerate, write_request_payment,
};
use cairn_s3::xml::tagging::{parse_tagging, write_tagging};
use cairn_s3::xml::versioning::parse_versioning;
use cairn_types::tag::Tags;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, document)) = input.split_first() else {
        return;
    };
    match kind % 14 {
        0 => drop(parse_access_control(document)),
        1 => drop(parse_no_logging(document)),
        2 => drop(parse_complete(document)),
        3 => round(document, parse_cors, write_cors),
        4 => drop(parse_create_bucket(document)),
        5 => drop(parse_delete(document)),
        6 => drop(parse_object_lock(document)),
        7 => {
            let read = |document: &[u8]| parse_retention(document)?.ok_or_else(unsaid);
            round(document, read, |retention| write_retention(*retention));
        }
        8 => round(document, parse_legal_hold, |hold| write_legal_hold(*hold)),
        9 => round(document, parse_ownership_controls, |ownership| {
            write_ownership_controls(*ownership)
        }),
        10 => round(document, parse_public_access_block, |block| {
            write_public_access_block(*block)
        }),
        11 => {
            round(document, parse_request_payment, |payer| {
                write_request_payment(*payer)
            });
            round(document, parse_accelerate, |acceleration| {
                write_accelerate(Some(*acceleration))
            });
        }
        12 => {
            let read =
                |document: &[u8]| Tags::of_object(parse_tagging(document)?).map_err(|_| unsaid());
            round(document, read, write_tagging);
        }
        _ => drop(parse_versioning(document)),
    }
});

/// Reads a document, and if that is one, writes and reads it again.
fn round<Said: Debug + PartialEq>(
    document: &[u8],
    read: impl Fn(&[u8]) -> Result<Said, S3Error>,
    write: impl Fn(&Said) -> String,
) {
    if let Ok(said) = read(document) {
        let written = write(&said);
        let again = read(written.as_bytes());
        let again = again.unwrap_or_else(|error| panic!("{written}: {error:?}"));
        assert_eq!(said, again, "{written}");
    }
}

/// Stands for a document that says nothing which could be written.
fn unsaid() -> S3Error {
    S3Error::new(cairn_s3::code::Code::MalformedXML)
}
