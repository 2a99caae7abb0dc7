//! Conditions of writes and deletions.

use super::*;
use cairn_types::namespace::data::{DeleteCondition, ETagCondition};

const MD5: &str = "0123456789abcdef0123456789abcdef";

fn own() -> ETag {
    ETag::parse(MD5).unwrap()
}

fn write(dialect: Dialect, headers: &[(&str, &str)]) -> Result<WriteCondition, Code> {
    let mut all = vec![("content-length", "0")];
    all.extend(headers);
    let condition =
        |request: &Request<'_>| PutObjectInput::parse(request).map(|input| input.condition);
    match dialect {
        Dialect::Aws => parse("PUT", "/bucket/key", &all, condition),
        Dialect::Ceph => parse_ceph("PUT", "/bucket/key", &all, condition),
    }
}

fn delete(dialect: Dialect, headers: &[(&str, &str)]) -> Result<DeleteCondition, Code> {
    let condition =
        |request: &Request<'_>| DeleteObjectInput::parse(request).map(|input| input.condition);
    match dialect {
        Dialect::Aws => parse("DELETE", "/bucket/key", headers, condition),
        Dialect::Ceph => parse_ceph("DELETE", "/bucket/key", headers, condition),
    }
}

#[test]
fn writes_take_the_two_conditions_of_s3() {
    let quoted = format!("\"{MD5}\"");
    for dialect in [Dialect::Aws, Dialect::Ceph] {
        assert_eq!(write(dialect, &[]), Ok(WriteCondition::Always));
        let absent = write(dialect, &[("if-none-match", "*")]);
        assert_eq!(absent, Ok(WriteCondition::IfAbsent));
        for etag in [MD5, &quoted] {
            let same = write(dialect, &[("if-match", etag)]);
            assert_eq!(same, Ok(WriteCondition::IfMatch(own())));
        }
        let strange = write(dialect, &[("if-match", "\"ABCORZ\"")]);
        assert_eq!(strange, Ok(WriteCondition::IfMatch(NO_OBJECTS_ETAG)));
        for unbuilt in [
            &[("if-match", "\"a\", \"b\"")][..],
            &[("if-match", "W/\"a\"")],
            &[("if-match", MD5), ("if-none-match", "*")],
            &[("if-unmodified-since", "x")],
        ] {
            let refused = write(dialect, unbuilt);
            assert_eq!(refused, Err(Code::NotImplemented), "{unbuilt:?}");
        }
    }
}

#[test]
fn the_other_conditions_of_writes_are_cephs() {
    let any = [("if-match", "*")];
    let other = [("if-none-match", MD5)];
    assert_eq!(write(Dialect::Aws, &any), Err(Code::NotImplemented));
    assert_eq!(write(Dialect::Aws, &other), Err(Code::NotImplemented));
    assert_eq!(write(Dialect::Ceph, &any), Ok(WriteCondition::IfPresent));
    let differs = WriteCondition::IfNoneMatch(own());
    assert_eq!(write(Dialect::Ceph, &other), Ok(differs));
}

#[test]
fn deletions_depend_on_an_etag_and_in_the_ceph_dialect_on_time_and_length() {
    let none = DeleteCondition::default();
    let etag = |etag| DeleteCondition {
        etag: Some(etag),
        ..DeleteCondition::default()
    };
    for dialect in [Dialect::Aws, Dialect::Ceph] {
        assert_eq!(delete(dialect, &[]), Ok(none.clone()));
        let any = delete(dialect, &[("if-match", "*")]);
        assert_eq!(any, Ok(etag(ETagCondition::Any)));
        let same = delete(dialect, &[("if-match", MD5)]);
        assert_eq!(same, Ok(etag(ETagCondition::Is(own()))));
        let other = delete(dialect, &[("if-none-match", "*")]);
        assert_eq!(other, Err(Code::NotImplemented));
    }
    let time = (
        "x-amz-if-match-last-modified-time",
        "Tue, 01 Jan 2030 00:00:00 GMT",
    );
    let len = ("x-amz-if-match-size", "7");
    for header in [time, len] {
        assert_eq!(delete(Dialect::Aws, &[header]), Err(Code::NotImplemented));
    }
    let both = DeleteCondition {
        etag: None,
        last_modified: Some(Timestamp::from_millis(1_893_456_000_000)),
        len: Some(7),
    };
    assert_eq!(delete(Dialect::Ceph, &[time, len]), Ok(both));
    for (name, _) in [time, len] {
        let strange = delete(Dialect::Ceph, &[(name, "x")]);
        assert_eq!(strange, Err(Code::InvalidArgument), "{name}");
    }
}
