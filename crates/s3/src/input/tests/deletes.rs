//! What must hold of what is deleted.

use super::*;
use cairn_types::namespace::data::{DeleteCondition, ETagCondition};

const MD5: &str = "\"0123456789abcdef0123456789abcdef\"";
const TIME: &str = "x-amz-if-match-last-modified-time";
const SIZE: &str = "x-amz-if-match-size";
const DATE: &str = "Mon, 12 Oct 2009 17:50:30 GMT";

fn condition(headers: &[(&str, &str)], dialect: Dialect) -> Result<DeleteCondition, Code> {
    let input = match dialect {
        Dialect::Aws => parse("DELETE", "/bucket/key", headers, DeleteObjectInput::parse),
        Dialect::Ceph => parse_ceph("DELETE", "/bucket/key", headers, DeleteObjectInput::parse),
    };
    input.map(|input| input.condition)
}

#[test]
fn a_delete_can_depend_on_an_etag() {
    let etag = ETag::parse("0123456789abcdef0123456789abcdef").unwrap();
    for dialect in [Dialect::Aws, Dialect::Ceph] {
        let of = |text: &str| condition(&[("if-match", text)], dialect).map(|read| read.etag);
        assert_eq!(of("*"), Ok(Some(ETagCondition::Any)));
        assert_eq!(of(MD5), Ok(Some(ETagCondition::Is(etag.clone()))));
        assert_eq!(of("badetag"), Ok(Some(ETagCondition::Is(NO_OBJECTS_ETAG))));
        assert_eq!(of("\"a\", \"b\""), Err(Code::NotImplemented));
        assert_eq!(condition(&[], dialect), Ok(DeleteCondition::default()));
        for unbuilt in ["if-none-match", "if-modified-since", "if-unmodified-since"] {
            let refused = condition(&[(unbuilt, "*")], dialect);
            assert_eq!(refused, Err(Code::NotImplemented), "{unbuilt}");
        }
    }
}

#[test]
fn a_delete_can_depend_on_time_and_length_in_one_dialect() {
    let read = condition(&[(TIME, DATE), (SIZE, "5")], Dialect::Ceph).unwrap();
    let time = Timestamp::from_millis(1_255_369_830_000);
    assert_eq!((read.last_modified, read.len), (Some(time), Some(5)));
    for header in [(TIME, DATE), (SIZE, "5")] {
        assert_eq!(
            condition(&[header], Dialect::Aws),
            Err(Code::NotImplemented)
        );
    }
    for bad in [(TIME, "yesterday"), (SIZE, "-1"), (SIZE, "")] {
        assert_eq!(
            condition(&[bad], Dialect::Ceph),
            Err(Code::InvalidArgument),
            "{bad:?}"
        );
    }
}

#[test]
fn each_line_of_a_list_has_a_condition_of_its_own() {
    let list = |more: &str| {
        let text = format!(
            "<Delete><Object><Key>a</Key>{more}</Object><Object><Key>b</Key><ETag>*</ETag></Object></Delete>"
        );
        move |request: &Request<'_>| {
            DeleteObjectsInput::parse(request, parse_delete(text.as_bytes())?)
        }
    };
    let conditions = |input: DeleteObjectsInput| -> Vec<DeleteCondition> {
        let entries = input.entries.into_iter().map(|entry| match entry {
            DeleteEntry::Target(target) => target.condition,
            DeleteEntry::Refused(line, error) => panic!("{line:?}: {error}"),
        });
        entries.collect()
    };
    let any = DeleteCondition {
        etag: Some(ETagCondition::Any),
        ..DeleteCondition::default()
    };
    let sized = DeleteCondition {
        len: Some(5),
        ..DeleteCondition::default()
    };
    let target = "/bucket?delete";
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    let aws = parse("POST", target, &bypass, list("")).unwrap();
    assert!(aws.bypass_governance);
    assert_eq!(conditions(aws), [DeleteCondition::default(), any.clone()]);
    let size = "<Size>5</Size>";
    let refused = parse("POST", target, &[], list(size));
    assert_eq!(refused.unwrap_err(), Code::NotImplemented);
    let ceph = parse_ceph("POST", target, &[], list(size)).unwrap();
    assert!(!ceph.bypass_governance);
    assert_eq!(conditions(ceph), [sized, any]);
}
