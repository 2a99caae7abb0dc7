//! What requests say of ACLs, tags, locks and attributes.

use super::*;
use crate::xml::access_control::{AclDocument, NamedGrant, NamedGrantee};
use crate::xml::lock::{DefaultRetentionLine, PeriodUnit};
use cairn_iam::acl::{CannedAcl, Grantee, Group, Permission};
use cairn_iam::ownership::Ownership;
use cairn_types::lock::{LegalHold, Retention, RetentionMode, RetentionPeriod};
use cairn_types::tag::Tags;

fn put(headers: &[(&str, &str)]) -> Result<ObjectSettingsInput, Code> {
    let mut all = vec![("content-length", "0")];
    all.extend_from_slice(headers);
    parse("PUT", "/bucket/key", &all, PutObjectInput::parse).map(|input| input.settings)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

fn listed(tags: &Tags) -> Vec<(&str, &str)> {
    tags.iter().collect()
}

fn grant(grantee: NamedGrantee, permission: Permission) -> NamedGrant {
    NamedGrant {
        grantee,
        permission,
    }
}

#[test]
fn an_acl_is_said_by_a_name_or_by_grants() {
    assert_eq!(put(&[]).unwrap(), ObjectSettingsInput::default());
    for canned in CannedAcl::ALL {
        let settings = put(&[("x-amz-acl", canned.as_str())]).unwrap();
        assert_eq!(settings.acl, AclInput::Canned(canned));
        assert_eq!(settings.acl.canned(), Some(canned));
    }
    let settings = put(&[
        (
            "x-amz-grant-full-control",
            "id=\"a,b\", emailAddress=\"a@b\"",
        ),
        ("x-amz-grant-read", "uri=http://g,ID=c"),
    ]);
    let expected = vec![
        grant(NamedGrantee::Uri("http://g".to_owned()), Permission::Read),
        grant(NamedGrantee::Id("c".to_owned()), Permission::Read),
        grant(NamedGrantee::Id("a,b".to_owned()), Permission::FullControl),
        grant(
            NamedGrantee::Email("a@b".to_owned()),
            Permission::FullControl,
        ),
    ];
    assert_eq!(settings.unwrap().acl, AclInput::Grants(expected));
}

#[test]
fn headers_that_say_no_acl_are_refused() {
    let many = "id=a,".repeat(101);
    for (headers, code) in [
        (
            &[("x-amz-acl", "public-readish")][..],
            Code::InvalidArgument,
        ),
        (&[("x-amz-grant-read", "a")], Code::InvalidArgument),
        (&[("x-amz-grant-read", "id=")], Code::InvalidArgument),
        (&[("x-amz-grant-read", "id=\"a")], Code::InvalidArgument),
        (&[("x-amz-grant-read", "name=a")], Code::InvalidArgument),
        (&[("x-amz-grant-read", &many)], Code::InvalidRequest),
        (
            &[("x-amz-acl", "private"), ("x-amz-grant-read", "id=a")],
            Code::InvalidRequest,
        ),
    ] {
        assert_eq!(put(headers), Err(code), "{headers:?}");
    }
}

#[test]
fn an_acl_is_put_by_headers_or_by_a_document() {
    let document = || AclDocument {
        owner: "o".to_owned(),
        grants: Vec::new(),
    };
    let put = |headers: &[(&str, &str)], document: Option<AclDocument>| {
        parse("PUT", "/bucket?acl", headers, |request| {
            PutBucketAclInput::parse(request, document.clone())
        })
    };
    let canned = [("x-amz-acl", "public-read")];
    let by_header = put(&canned, None).unwrap();
    assert_eq!(by_header.acl, AclInput::Canned(CannedAcl::PublicRead));
    let by_document = put(&[], Some(document())).unwrap();
    assert_eq!(by_document.acl, AclInput::Document(document()));
    assert_eq!(put(&[], None), Err(Code::MissingSecurityHeader));
    assert_eq!(put(&canned, Some(document())), Err(Code::UnexpectedContent));
    let object = parse(
        "PUT",
        "/bucket/key?acl&versionId=null",
        &canned,
        |request| PutObjectAclInput::parse(request, None),
    );
    assert!(object.unwrap().version.is_some());
}

#[test]
fn grants_are_to_accounts_and_groups_that_there_are() {
    let id = |text: &str| CanonicalId::parse(text).unwrap();
    let resolve = |grantees: Vec<NamedGrantee>| {
        let grants: Vec<_> = grantees
            .into_iter()
            .map(|grantee| grant(grantee, Permission::Read))
            .collect();
        let of_email = |email: &str| (email == "a@b").then(|| id("mail"));
        resolve_grants(&grants, |known| known.as_str() == "a", of_email)
            .map_err(|error| error.code())
    };
    let acl = resolve(vec![
        NamedGrantee::Email("a@b".to_owned()),
        NamedGrantee::Id("a".to_owned()),
        Group::AllUsers.into(),
    ]);
    let acl = acl.unwrap();
    let grantees: Vec<_> = acl
        .grants()
        .iter()
        .map(|grant| grant.grantee.clone())
        .collect();
    let expected = [
        Grantee::Account(id("mail")),
        Grantee::Account(id("a")),
        Grantee::Group(Group::AllUsers),
    ];
    assert_eq!(grantees, expected);
    for (bad, code) in [
        (NamedGrantee::Id("b".to_owned()), Code::InvalidArgument),
        (NamedGrantee::Id("a b".to_owned()), Code::InvalidArgument),
        (
            NamedGrantee::Uri("http://x".to_owned()),
            Code::InvalidArgument,
        ),
        (
            NamedGrantee::Email("x@y".to_owned()),
            Code::UnresolvableGrantByEmailAddress,
        ),
    ] {
        assert_eq!(resolve(vec![bad.clone()]), Err(code), "{bad:?}");
    }
}

#[test]
fn tags_in_a_header_are_written_like_a_query() {
    let tags = put(&[("x-amz-tagging", "b=1&a=%C3%A9+x&c")]).unwrap().tags;
    assert_eq!(listed(&tags), [("a", "é x"), ("b", "1"), ("c", "")]);
    assert!(put(&[("x-amz-tagging", "")]).unwrap().tags.is_empty());
    let eleven = (0..11)
        .map(|n| format!("k{n}="))
        .collect::<Vec<_>>()
        .join("&");
    for (header, code) in [
        ("a=%zz", Code::InvalidArgument),
        ("a=1&a=2", Code::InvalidArgument),
        ("=1", Code::InvalidTag),
        ("aws:a=1", Code::InvalidTag),
        ("a=%22", Code::InvalidTag),
        (&eleven, Code::BadRequest),
    ] {
        assert_eq!(put(&[("x-amz-tagging", header)]), Err(code), "{header}");
    }
}

#[test]
fn tags_in_a_document_are_checked_as_each_dialect_does() {
    let put = |tags: Vec<(String, String)>| {
        parse("PUT", "/bucket/key?tagging", &[], |request| {
            PutObjectTaggingInput::parse(request, tags.clone())
        })
    };
    let input = put(pairs(&[("b", "1"), ("a", "")])).unwrap();
    assert_eq!(listed(&input.tags), [("a", ""), ("b", "1")]);
    let long = |len: usize| "k".repeat(len);
    for bad in [
        pairs(&[("a", "1"), ("a", "2")]),
        pairs(&[(&long(129), "")]),
        pairs(&[("a", &long(257))]),
        pairs(&[("a!", "")]),
    ] {
        assert_eq!(put(bad), Err(Code::InvalidTag));
    }
    let numbered = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
    assert_eq!(put(numbered(11)), Err(Code::BadRequest));
    let ceph = parse_ceph("PUT", "/bucket/key?tagging", &[], |request| {
        PutObjectTaggingInput::parse(request, numbered(11))
    });
    assert_eq!(ceph, Err(Code::InvalidTag));
    let bucket = |count| {
        parse("PUT", "/bucket?tagging", &[], |request| {
            PutBucketTaggingInput::parse(request, numbered(count))
        })
    };
    assert_eq!(bucket(50).unwrap().tags.len(), 50);
    assert_eq!(bucket(51), Err(Code::BadRequest));
}

#[test]
fn a_copy_takes_its_tags_from_its_source_unless_told_otherwise() {
    let copy = |headers: &[(&str, &str)]| {
        let mut all = vec![("x-amz-copy-source", "bucket/other")];
        all.extend_from_slice(headers);
        parse("PUT", "/bucket/key", &all, CopyObjectInput::parse).map(|input| input.tagging)
    };
    let tags = ("x-amz-tagging", "a=1");
    assert_eq!(copy(&[tags]), Ok(TaggingDirective::Copy));
    let replaced = copy(&[tags, ("x-amz-tagging-directive", "REPLACE")]);
    let expected = Tags::of_object(pairs(&[("a", "1")])).unwrap();
    assert_eq!(replaced, Ok(TaggingDirective::Replace(expected)));
    let unknown = copy(&[("x-amz-tagging-directive", "replace")]);
    assert_eq!(unknown, Err(Code::InvalidArgument));
}

#[test]
fn a_lock_has_a_mode_with_a_date_and_a_hold_of_its_own() {
    let mode = ("x-amz-object-lock-mode", "GOVERNANCE");
    let until = (
        "x-amz-object-lock-retain-until-date",
        "2030-01-01T00:00:00Z",
    );
    let lock = put(&[mode, until, ("x-amz-object-lock-legal-hold", "ON")])
        .unwrap()
        .lock;
    let retention = Retention {
        mode: RetentionMode::Governance,
        until: Timestamp::from_millis(1_893_456_000_000),
    };
    assert_eq!(lock.retention, Some(retention));
    assert_eq!(lock.legal_hold, Some(LegalHold::On));
    for bad in [
        &[mode][..],
        &[until],
        &[("x-amz-object-lock-mode", "governance"), until],
        &[mode, ("x-amz-object-lock-retain-until-date", "2030")],
        &[("x-amz-object-lock-legal-hold", "on")],
    ] {
        assert_eq!(put(bad), Err(Code::InvalidArgument), "{bad:?}");
    }
    let at = |millis| check_retention_is_ahead(retention, Timestamp::from_millis(millis)).is_ok();
    assert!(at(1_893_455_999_999) && !at(1_893_456_000_000));
}

#[test]
fn a_default_retention_is_a_day_to_a_hundred_years() {
    let line = |unit, count| DefaultRetentionLine {
        mode: RetentionMode::Compliance,
        unit,
        count,
    };
    let put = |line| {
        parse("PUT", "/bucket?object-lock", &[], |request| {
            PutObjectLockInput::parse(request, Some(line))
        })
    };
    for (unit, most) in [(PeriodUnit::Days, 36_500), (PeriodUnit::Years, 100)] {
        assert!(put(line(unit, 1)).is_ok());
        assert!(put(line(unit, most)).is_ok());
        for bad in [i64::MIN, -1, 0, most + 1, i64::MAX] {
            assert_eq!(put(line(unit, bad)), Err(Code::InvalidArgument), "{bad}");
        }
        let ceph = parse_ceph("PUT", "/bucket?object-lock", &[], |request| {
            PutObjectLockInput::parse(request, Some(line(unit, 0)))
        });
        assert_eq!(ceph, Err(Code::InvalidRetentionPeriod));
    }
    let default = put(line(PeriodUnit::Years, 2))
        .unwrap()
        .lock
        .default
        .unwrap();
    assert!(matches!(default.period, RetentionPeriod::Years(years) if years.get() == 2));
}

#[test]
fn governance_is_passed_by_a_header_that_says_true() {
    for (value, expected) in [
        ("true", true),
        ("True", true),
        ("false", false),
        ("", false),
    ] {
        let headers = [("x-amz-bypass-governance-retention", value)];
        let put = parse("PUT", "/bucket/key?retention", &headers, |request| {
            PutRetentionInput::parse(request, None)
        });
        assert_eq!(put.unwrap().bypass_governance, expected, "{value}");
        let delete = parse("DELETE", "/bucket/key", &headers, DeleteObjectInput::parse);
        assert_eq!(delete.unwrap().bypass_governance, expected, "{value}");
    }
}

#[test]
fn a_bucket_is_made_with_an_acl_an_ownership_and_a_lock() {
    let make = |headers: &[(&str, &str)]| {
        parse("PUT", "/bucket", headers, |request| {
            CreateBucketInput::parse(request, None)
        })
    };
    let plain = make(&[]).unwrap();
    assert_eq!(
        (plain.acl, plain.ownership, plain.is_lock_enabled),
        (AclInput::Unsaid, None, false)
    );
    let public = make(&[
        ("x-amz-acl", "public-read"),
        ("x-amz-object-ownership", "ObjectWriter"),
        ("x-amz-bucket-object-lock-enabled", "True"),
    ])
    .unwrap();
    assert_eq!(public.acl, AclInput::Canned(CannedAcl::PublicRead));
    assert_eq!(public.ownership, Some(Ownership::ObjectWriter));
    assert!(public.is_lock_enabled);
    for bad in [
        ("x-amz-object-ownership", "objectwriter"),
        ("x-amz-bucket-object-lock-enabled", "yes"),
    ] {
        assert_eq!(make(&[bad]), Err(Code::InvalidArgument), "{bad:?}");
    }
}

#[test]
fn attributes_are_asked_for_by_name() {
    let get = |headers: &[(&str, &str)]| {
        let target = "/bucket/key?attributes&versionId=null";
        parse("GET", target, headers, ObjectAttributesInput::parse)
    };
    let name = "x-amz-object-attributes";
    let input = get(&[
        (name, "ETag, ObjectParts"),
        (name, "ObjectSize"),
        ("x-amz-max-parts", "5000"),
        ("x-amz-part-number-marker", "3"),
    ])
    .unwrap();
    let expected = [
        ObjectAttribute::ETag,
        ObjectAttribute::ObjectParts,
        ObjectAttribute::ObjectSize,
    ];
    assert_eq!(input.attributes, expected);
    assert_eq!((input.after, input.limit), (3, 1000));
    assert!(input.version.is_some() && !input.wants(ObjectAttribute::Checksum));
    assert_eq!(get(&[]), Err(Code::InvalidRequest));
    assert_eq!(get(&[(name, "Etag")]), Err(Code::InvalidArgument));
    let negative = get(&[(name, "ETag"), ("x-amz-max-parts", "-1")]);
    assert_eq!(negative, Err(Code::InvalidArgument));
}

#[test]
fn who_puts_a_policy_can_confirm_to_be_locked_out() {
    let put = |headers: &[(&str, &str)]| {
        let input = parse(
            "PUT",
            "/bucket?policy",
            headers,
            PutBucketPolicyInput::parse,
        );
        input.unwrap().confirms_lock_out
    };
    assert!(put(&[("x-amz-confirm-remove-self-bucket-access", "true")]));
    assert!(!put(&[]));
}

#[test]
fn a_copy_onto_itself_may_change_where_it_sends_readers() {
    let copy = |headers: &[(&str, &str)]| {
        let mut all = vec![("x-amz-copy-source", "bucket/key")];
        all.extend_from_slice(headers);
        parse("PUT", "/bucket/key", &all, CopyObjectInput::parse)
    };
    assert_eq!(copy(&[]).unwrap_err(), Code::InvalidRequest);
    let moved = copy(&[("x-amz-website-redirect-location", "/x")]).unwrap();
    assert_eq!(moved.website_redirect.as_deref(), Some("/x"));
    assert_eq!(moved.metadata, MetadataDirective::Copy);
}
