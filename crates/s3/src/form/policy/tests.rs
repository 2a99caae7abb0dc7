use super::*;

const NOW: u64 = 1_451_000_000_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

fn policy(conditions: &str) -> Result<PostPolicy, S3Error> {
    let document =
        format!("{{\"expiration\": \"2015-12-30T12:00:00.000Z\", \"conditions\": [{conditions}]}}");
    PostPolicy::parse(&STANDARD.encode(document))
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.push(name, (*value).to_owned());
    }
    fields
}

/// What comes of a form in a bucket `b`.
fn verdict(conditions: &str, pairs: &[(&str, &str)]) -> Result<LengthRange, String> {
    let policy = policy(conditions).unwrap();
    let checked = policy.check(&fields(pairs), "b", now());
    checked.map_err(|error| {
        assert_eq!(error.code(), Code::AccessDenied);
        error.message().to_owned()
    })
}

#[test]
fn conditions_of_each_kind_hold_or_do_not() {
    let all = LengthRange::default();
    for (conditions, pairs, holds) in [
        (r#"{"acl": "private"}"#, &[("ACL", "private")][..], true),
        (r#"{"aCl": "private"}"#, &[("acl", "Private")], false),
        (r#"["EQ", "$acl", "private"]"#, &[("acl", "private")], true),
        (r#"["eq", "$acl", "private"]"#, &[], false),
        (r#"["eq", "$acl", ""]"#, &[], true),
        (
            r#"["eq", "$x-amz-meta-a", ""]"#,
            &[("x-amz-meta-a", "b")],
            false,
        ),
        (
            r#"["StArTs-WiTh", "$KeY", "foo"]"#,
            &[("kEy", "foo.txt")],
            true,
        ),
        (
            r#"["starts-with", "$key", "foo"]"#,
            &[("key", "bar")],
            false,
        ),
        (r#"["starts-with", "$key", ""]"#, &[("key", "bar")], true),
        (
            r#"["starts-with", "$key", "\\$foo"]"#,
            &[("key", r"\$foo.txt")],
            true,
        ),
        (
            r#"["starts-with", "$key", "\$foo"]"#,
            &[("key", "$foo.txt")],
            true,
        ),
        (
            r#"["starts-with", "$Content-Type", "image/"]"#,
            &[("content-type", "image/jpg, image/png")],
            true,
        ),
        (
            r#"["starts-with", "$Content-Type", "image/"]"#,
            &[("content-type", "image/jpg,text/html")],
            false,
        ),
        (r#"{"bucket": "b"}"#, &[], true),
        (r#"{"bucket": "c"}"#, &[("bucket", "c")], false),
        (
            "",
            &[("x-ignore-me", "a"), ("policy", "p"), ("Signature", "s")],
            true,
        ),
        (
            "",
            &[("AWSAccessKeyId", "a"), ("x-amz-checksum-sha256", "s")],
            true,
        ),
    ] {
        let verdict = verdict(conditions, pairs);
        assert_eq!(verdict == Ok(all), holds, "{conditions}: {verdict:?}");
    }
}

#[test]
fn refusals_say_what_does_not_hold() {
    let failed = verdict(r#"["eq", "$bucket", "c"]"#, &[]);
    let text = r#"Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "c"]"#;
    assert_eq!(failed, Err(text.to_owned()));
    let extra = verdict("", &[("key", "k"), ("acl", "private")]);
    let text = "Invalid according to Policy: Extra input fields: key, acl";
    assert_eq!(extra, Err(text.to_owned()));
    let late = Timestamp::from_millis(1_451_476_800_001);
    let expired = policy("").unwrap().check(&Fields::default(), "b", late);
    let text = "Invalid according to Policy: Policy expired.";
    assert_eq!(expired.unwrap_err().message(), text);
}

#[test]
fn lengths_are_the_narrowest_that_were_named() {
    let range = verdict(
        r#"["content-length-range", 1, "1048576"], ["Content-Length-Range", 0, 1000]"#,
        &[],
    );
    assert_eq!(range, Ok(LengthRange { min: 1, max: 1000 }));
}

#[test]
fn what_is_no_policy_is_refused() {
    for conditions in [
        "{}",
        r#"{"a": "b", "c": "d"}"#,
        r#"{"a": 1}"#,
        r#""a""#,
        r#"["eq", "$a"]"#,
        r#"["eq", "a", "b"]"#,
        r#"["like", "$a", "b"]"#,
        r#"["content-length-range", 0]"#,
        r#"["content-length-range", -1, 0]"#,
        r#"["content-length-range", 0, 1.5]"#,
        r#"["eq", "$a", "b"],"#,
    ] {
        let error = policy(conditions).unwrap_err();
        assert_eq!(error.code(), Code::InvalidPolicyDocument, "{conditions}");
    }
    for document in [
        "",
        "[]",
        r#"{"expiration": "2015-12-30T12:00:00.000Z"}"#,
        r#"{"conditions": []}"#,
        r#"{"EXPIRATION": "2015-12-30T12:00:00Z", "conditions": []}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z", "CONDITIONS": []}"#,
        r#"{"expiration": "2015-12-30 12:00:00.000+00:00", "conditions": []}"#,
        r#"{"expiration": 1, "conditions": []}"#,
        r#"{"expiration": "2015-12-30T12:00:00Z", "conditions": {}}"#,
    ] {
        let error = PostPolicy::parse(&STANDARD.encode(document)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidPolicyDocument, "{document}");
    }
    let error = PostPolicy::parse("not base64!").unwrap_err();
    assert_eq!(error.code(), Code::InvalidPolicyDocument);
}
