//! Forms as browsers post them: however they are cut, fields and file are the same; and whatever the fields say is understood or
//! refused.

#![no_main]

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use cairn_fuzz::{Cut, NOW, Pieces, look_up, ready};
use cairn_s3::auth::Authenticator;
use cairn_s3::body::BodyDeclaration;
use cairn_s3::dialect::Dialect;
use cairn_s3::form::{Fields, PostPolicy, PostUpload, boundary, read_form};
use cairn_s3::route::Addressing;
use http_body::Body;
use libfuzzer_sys::fuzz_target;

/// The boundary of most inputs. Some say their own, in a line in front of the form.
const USUAL: &str = "B";

fuzz_target!(|input: &[u8]| {
    let Some((flags, rest)) = input.split_first() else {
        return;
    };
    let Some(mut cut) = Cut::parse(rest) else {
        return;
    };
    let mut delimiter = USUAL.to_owned();
    if flags & 1 != 0 {
        let line = cut.bytes.iter().position(|byte| *byte == b'\n');
        let line: Bytes = line.map(|end| cut.bytes.split_to(end)).unwrap_or_default();
        match boundary(&String::from_utf8_lossy(&line)) {
            Ok(own) => delimiter = own,
            Err(_) => return,
        }
    }
    let one = read(cut.whole(), &delimiter);
    assert_eq!(one, read(cut.pieces(), &delimiter));
    if let Ok((fields, _)) = one {
        understand(&fields);
    }
});

/// Fields and file of a form, or what is wrong with it.
fn read(pieces: Pieces, boundary: &str) -> Result<(Fields, Vec<u8>), String> {
    let read = ready(read_form(pieces, boundary));
    let (fields, mut file) = read.map_err(|error| format!("{error:?}"))?;
    let mut content = Vec::new();
    while let Some(frame) = ready(poll_fn(|context| Pin::new(&mut file).poll_frame(context))) {
        let frame = frame.map_err(|error| format!("{error:?}"))?;
        content.extend(frame.into_data().unwrap_or_default());
    }
    Ok((fields, content))
}

fn understand(fields: &Fields) {
    let authenticator = Authenticator::new("us-east-1", true);
    let authenticator = authenticator.taking_version_two(Addressing::new(["h".to_owned()]));
    let verified = authenticator.verify_form(fields, look_up);
    if let Some(policy) = fields.get("policy")
        && let Ok(policy) = PostPolicy::parse(policy)
    {
        drop(policy.check(fields, "bucket", NOW));
    }
    if let (Ok(upload), Ok(verified)) = (PostUpload::parse(fields), verified) {
        drop(BodyDeclaration::of_form(
            &upload.headers,
            &verified,
            Dialect::Aws,
        ));
    }
}
