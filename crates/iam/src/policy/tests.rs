use cairn_types::name::ObjectKey;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::*;
use crate::identity::CanonicalId;
use crate::requester::{Principal, Standing};

const BUCKET: &str = "photos";

fn parse_as(document: &str, attachment: Attachment<'_>) -> Result<Policy, PolicyError> {
    Policy::parse(document.replace('\'', "\"").as_bytes(), attachment)
}

/// A bucket's policy that is written with single quotes.
fn parse(document: &str) -> Result<Policy, PolicyError> {
    let name = BucketName::parse(BUCKET).unwrap();
    parse_as(
        document,
        Attachment::Bucket {
            name: &name,
            is_lax: false,
        },
    )
}

fn of_statement(statement: &str) -> Result<Policy, PolicyError> {
    parse(&format!(
        "{{'Version': '2012-10-17', 'Statement': [{statement}]}}"
    ))
}

/// What the policy says when an account (`None`: nobody who signed) does something to an object or, without a key, the bucket.
fn evaluate(
    policy: &Policy,
    account: Option<&str>,
    action: &'static str,
    key: Option<&str>,
    context: &Context,
) -> Evaluation {
    let id = CanonicalId::parse(&"a".repeat(64)).unwrap();
    let arns = account.map(|account| [format!("arn:aws:iam::{account}:root")]);
    let requester = match (account, &arns) {
        (Some(account), Some(arns)) => Requester::Principal(Principal {
            owner: &id,
            account,
            arns,
            standing: Standing::Account,
        }),
        _ => Requester::Anonymous,
    };
    let bucket = BucketName::parse(BUCKET).unwrap();
    let key = key.map(|key| ObjectKey::parse(key).unwrap());
    let resource = match &key {
        Some(key) => Resource::Object(&bucket, key),
        None => Resource::Bucket(&bucket),
    };
    policy.evaluate(&PolicyRequest {
        requester: &requester,
        action: Action::new(action),
        resource,
        tenant: "",
        context,
    })
}

fn allows(policy: &Policy, account: Option<&str>, action: &'static str, key: Option<&str>) -> bool {
    matches!(
        evaluate(policy, account, action, key, &Context::new()),
        Evaluation::Allow(_)
    )
}

const READ: &str = "{'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/*'}";

#[test]
fn a_document_is_a_statement_or_a_list_of_them() {
    for document in [
        format!("{{'Version': '2012-10-17', 'Id': 'mine', 'Statement': [{READ}]}}"),
        format!("{{'Version': '2008-10-17', 'Statement': {READ}}}"),
        format!("{{'Statement': [{READ}, {READ}]}}\n"),
    ] {
        let policy = parse(&document).unwrap_or_else(|error| panic!("{document}: {error}"));
        assert!(allows(&policy, None, "s3:GetObject", Some("a")));
        assert_eq!(policy.principals().next(), Some(&NamedPrincipal::Everyone));
    }
    let named = parse(&format!("{{'Id': 'mine', 'Statement': {READ}}}")).unwrap();
    assert_eq!(named.id(), Some("mine"));
}

#[test]
fn a_document_of_another_form_is_refused_with_the_words_of_aws() {
    for (document, message) in [
        (
            String::new(),
            "Policies must be valid JSON and the first byte must be '{'",
        ),
        (
            format!("\n{{'Statement': {READ}}}"),
            "Policies must be valid JSON and the first byte must be '{'",
        ),
        (
            "[]".to_owned(),
            "Policies must be valid JSON and the first byte must be '{'",
        ),
        ("{".to_owned(), "This policy contains invalid Json"),
        (
            format!("{{'Statement': {READ}, 'Statement': {READ}}}"),
            "This policy contains invalid Json",
        ),
        ("{}".to_owned(), "Missing required field Statement"),
        (
            "{'Statement': []}".to_owned(),
            "Could not parse the policy: Statement is empty!",
        ),
        ("{'Statement': 'a'}".to_owned(), "Invalid policy syntax."),
        ("{'Statement': [1]}".to_owned(), "Invalid policy syntax."),
        ("{'Statement': null}".to_owned(), "Invalid policy syntax."),
        (
            format!("{{'Id': 1, 'Statement': {READ}}}"),
            "Invalid policy syntax.",
        ),
        (
            format!("{{'Version': '2012-10-18', 'Statement': {READ}}}"),
            "The policy must contain a valid version string",
        ),
        (
            format!("{{'Version': 2012, 'Statement': {READ}}}"),
            "The policy must contain a valid version string",
        ),
        (
            format!("{{'version': '2012-10-17', 'Statement': {READ}}}"),
            "Unknown field version",
        ),
        (
            format!("{{'Id': '{}', 'Statement': {READ}}}", "x".repeat(20_480)),
            "Policy exceeds the maximum allowed document size.",
        ),
    ] {
        assert_eq!(
            parse(&document).unwrap_err().to_string(),
            message,
            "{document:.80}"
        );
    }
}

/// A statement of five good elements, of which one is replaced; an empty one is left out.
fn statement_with(element: &str, text: &str) -> String {
    let elements = [
        ("Sid", "'Sid': 'one'"),
        ("Effect", "'Effect': 'Allow'"),
        ("Principal", "'Principal': '*'"),
        ("Action", "'Action': 's3:GetObject'"),
        ("Resource", "'Resource': 'arn:aws:s3:::photos/*'"),
        ("Condition", "'Condition': {}"),
    ];
    let chosen = elements.map(|(name, good)| if name == element { text } else { good });
    let kept: Vec<&str> = chosen.into_iter().filter(|text| !text.is_empty()).collect();
    format!("{{{}}}", kept.join(", "))
}

#[test]
fn a_statement_of_another_form_is_refused_with_the_words_of_aws() {
    assert!(of_statement(&statement_with("", "")).is_ok());
    for (element, text, message) in [
        ("Sid", "'Sid': 1", "Invalid policy syntax."),
        ("Sid", "'sid': 'one'", "Unknown field sid"),
        ("Sid", "'Sid': 'a', 'Extra': 1", "Unknown field Extra"),
        ("Effect", "", "Missing required field Effect"),
        ("Effect", "'Effect': 'allow'", "Invalid effect: allow"),
        ("Effect", "'Effect': true", "Invalid policy syntax."),
        ("Principal", "", "Missing required field Principal"),
        (
            "Principal",
            "'Principal': {}",
            "Missing required field Principal cannot be empty!",
        ),
        (
            "Principal",
            "'Principal': 'alice'",
            "Invalid principal in policy",
        ),
        (
            "Principal",
            "'Principal': {'AWS': 'arn:aws:iam::123456789012:user/*'}",
            "Invalid principal in policy",
        ),
        (
            "Principal",
            "'NotPrincipal': {'AWS': '123456789012'}",
            "Allow with NotPrincipal is not allowed.",
        ),
        (
            "Principal",
            "'Principal': '*', 'NotPrincipal': '*'",
            "Invalid policy syntax.",
        ),
        ("Action", "", "Missing required field Action"),
        (
            "Action",
            "'Action': []",
            "Missing required field Action cannot be empty!",
        ),
        ("Action", "'Action': 1", "Invalid policy syntax."),
        (
            "Action",
            "'Action': 's3:GetObjects'",
            "Policy has invalid action",
        ),
        (
            "Action",
            "'Action': 's3:Frobnicate*'",
            "Policy has invalid action",
        ),
        (
            "Action",
            "'Action': 'GetObject'",
            "Policy has invalid action",
        ),
        (
            "Action",
            "'Action': 'ec2:RunInstances'",
            "Policy has invalid action",
        ),
        (
            "Action",
            "'Action': 's*:GetObject'",
            "Policy has invalid action",
        ),
        ("Action", "'Action': ''", "Policy has invalid action"),
        (
            "Action",
            "'Action': ['s3:GetObject', 's3:']",
            "Policy has invalid action",
        ),
        (
            "Action",
            "'Action': 's3:GetObject', 'NotAction': 's3:GetObject'",
            "Invalid policy syntax.",
        ),
        (
            "Action",
            "'Action': 's3:ListBucket'",
            "Action does not apply to any resource(s) in statement",
        ),
        (
            "Action",
            "'Action': ['s3:GetObject', 's3:ListBucket']",
            "Action does not apply to any resource(s) in statement",
        ),
        ("Resource", "", "Missing required field Resource"),
        (
            "Resource",
            "'Resource': []",
            "Missing required field Resource cannot be empty!",
        ),
        ("Resource", "'Resource': [1]", "Invalid policy syntax."),
        ("Resource", "'Resource': '*'", "Policy has invalid resource"),
        (
            "Resource",
            "'Resource': 'arn:aws:s3:::*'",
            "Policy has invalid resource",
        ),
        (
            "Resource",
            "'Resource': 'arn:aws:s3:::other/*'",
            "Policy has invalid resource",
        ),
        (
            "Resource",
            "'Resource': 'photos/*'",
            "Policy has invalid resource",
        ),
        (
            "Resource",
            "'Resource': 'arn:aws:s3:::photos'",
            "Action does not apply to any resource(s) in statement",
        ),
        ("Condition", "'Condition': []", "Invalid policy syntax."),
        (
            "Condition",
            "'Condition': {'Is': {'aws:x': 1}}",
            "Invalid Condition type : Is",
        ),
        (
            "Condition",
            "'Condition': {'StringEquals': {'s3:nothing': 'x'}}",
            "Policy has an invalid condition key",
        ),
        (
            "Condition",
            "'Condition': {'StringEquals': {'ec2:Vpc': 'x'}}",
            "Policy has an invalid condition key",
        ),
        (
            "Condition",
            "'Condition': {'StringEquals': {'s3:prefix': 'x'}}",
            "Conditions do not apply to combination of actions and resources in statement",
        ),
        (
            "Condition",
            "'Condition': {'IpAddress': {'aws:SourceIp': 'here'}}",
            "Invalid IP address in Conditions",
        ),
    ] {
        let statement = statement_with(element, text);
        let error = of_statement(&statement).expect_err(&statement);
        assert_eq!(error.to_string(), message, "{statement}");
    }
}

#[test]
fn what_aws_takes_is_taken() {
    for (element, text) in [
        ("Sid", "'Sid': ''"),
        ("Effect", "'Effect': 'Deny'"),
        ("Principal", "'Principal': {'AWS': ['*', '123456789012']}"),
        ("Action", "'Action': '*'"),
        ("Action", "'Action': 's3:*'"),
        ("Action", "'Action': ['s3:getobject', 'S3:Put*']"),
        ("Action", "'Action': 's3:*Object*'"),
        ("Action", "'NotAction': 's3:ListBucket'"),
        (
            "Resource",
            "'Resource': ['arn:aws:s3:::photos', 'arn:aws:s3:::photos/a/*']",
        ),
        ("Resource", "'NotResource': 'arn:aws:s3:::photos/secret/*'"),
        ("Condition", ""),
        (
            "Condition",
            "'Condition': {'StringEquals': {'s3:ExistingObjectTag/security': 'public'}}",
        ),
        (
            "Condition",
            "'Condition': {'Bool': {'aws:SecureTransport': false}, 'Null': {'aws:x': true}}",
        ),
        (
            "Condition",
            "'Condition': {'NumericLessThan': {'s3:TlsVersion': 1.2}}",
        ),
    ] {
        let statement = statement_with(element, text);
        assert!(of_statement(&statement).is_ok(), "{statement}");
    }
    let listing =
        "{'Effect': 'Allow', 'Principal': '*', 'Action': 's3:*', 'Resource': 'arn:aws:s3:::photos',
        'Condition': {'StringLike': {'s3:prefix': 'public/*'}}}";
    assert!(of_statement(listing).is_ok());
    let deny = "{'Effect': 'Deny', 'NotPrincipal': {'AWS': '123456789012'}, 'Action': '*',
        'Resource': ['arn:aws:s3:::photos', 'arn:aws:s3:::photos/*']}";
    assert!(of_statement(deny).is_ok());
}

#[test]
fn ceph_lets_a_policy_name_other_buckets() {
    let name = BucketName::parse(BUCKET).unwrap();
    let open = Attachment::Bucket {
        name: &name,
        is_lax: true,
    };
    let document = |resource: &str| {
        format!(
            "{{'Statement': {{'Effect': 'Allow', 'Principal': '*', 'Action': 's3:ListBucket', 'Resource': '{resource}'}}}}"
        )
    };
    for resource in [
        "arn:aws:s3:::*",
        "arn:aws:s3::*:photos",
        "*",
        "arn:aws:s3:::other",
    ] {
        assert!(parse_as(&document(resource), open).is_ok(), "{resource}");
        assert_eq!(
            parse(&document(resource)),
            Err(PolicyError::Resource),
            "{resource}"
        );
    }
    let policy = parse_as(&document("arn:aws:s3:::*"), open).unwrap();
    assert!(allows(&policy, Some("1"), "s3:ListBucket", None));
}

#[test]
fn the_policy_of_an_identity_names_no_principal_and_anything_else() {
    let parse = |statements: &str| {
        parse_as(
            &format!("{{'Version': '2012-10-17', 'Statement': [{statements}]}}"),
            Attachment::Identity,
        )
    };
    let good = "{'Sid': 'a', 'Effect': 'Allow', 'Action': 'ec2:*', 'Resource': '*'}";
    assert!(parse(good).is_ok());
    assert!(parse("{'Effect': 'Allow', 'Action': ['s3:Foo', 'iam:*'], 'Resource': 'arn:aws:iam::1:user/x'}").is_ok());
    assert_eq!(parse(READ), Err(PolicyError::PrincipalInIdentityPolicy));
    assert_eq!(parse(&format!("{good}, {good}")), Err(PolicyError::SameSid));
    let policy = parse("{'Effect': 'Allow', 'Action': 's3:Get*', 'Resource': '*'}").unwrap();
    assert!(allows(&policy, Some("1"), "s3:GetObject", Some("a")));
    assert!(!policy.is_public());
}

#[test]
fn a_denial_goes_before_what_is_allowed_wherever_it_stands() {
    let deny = "{'Sid': 'no', 'Effect': 'Deny', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/secret/*'}";
    for statements in [format!("{READ}, {deny}"), format!("{deny}, {READ}")] {
        let policy = of_statement(&statements).unwrap();
        assert!(allows(&policy, None, "s3:GetObject", Some("open")));
        let denied = evaluate(
            &policy,
            None,
            "s3:GetObject",
            Some("secret/x"),
            &Context::new(),
        );
        let Evaluation::ExplicitDeny(name) = denied else {
            panic!("{denied:?}");
        };
        assert_eq!(name.sid.as_deref(), Some("no"));
        assert_eq!(
            evaluate(&policy, None, "s3:PutObject", Some("open"), &Context::new()),
            Evaluation::Implicit
        );
    }
}

#[test]
fn everything_but_a_list_is_everything_else() {
    let policy = of_statement("{'Effect': 'Allow', 'Principal': '*', 'NotAction': 's3:Delete*', 'NotResource': 'arn:aws:s3:::photos/secret/*'}").unwrap();
    assert!(allows(&policy, None, "s3:GetObject", Some("a")));
    assert!(!allows(&policy, None, "s3:DeleteObject", Some("a")));
    assert!(!allows(&policy, None, "s3:GetObject", Some("secret/a")));
    let deny = of_statement("{'Effect': 'Deny', 'NotPrincipal': {'AWS': '123456789012'}, 'Action': '*', 'Resource': 'arn:aws:s3:::photos/*'}").unwrap();
    let denies = |account| {
        matches!(
            evaluate(&deny, account, "s3:GetObject", Some("a"), &Context::new()),
            Evaluation::ExplicitDeny(_)
        )
    };
    assert!(!denies(Some("123456789012")));
    assert!(denies(Some("210987654321")));
    assert!(denies(None));
}

#[test]
fn an_exception_that_cannot_be_known_is_decided_for_the_safe_side() {
    let policy = |effect| {
        of_statement(&format!("{{'Effect': '{effect}', 'Principal': '*', 'Action': '*', 'NotResource': 'arn:aws:s3:::photos/${{aws:username}}/*'}}")).unwrap()
    };
    let nobody = Context::new();
    let mut alice = Context::new();
    alice.add_text("aws:username", "alice");
    let says = |effect, key, context: &Context| {
        evaluate(
            &policy(effect),
            Some("1"),
            "s3:GetObject",
            Some(key),
            context,
        )
    };
    assert_eq!(says("Allow", "x", &nobody), Evaluation::Implicit);
    assert!(matches!(
        says("Deny", "x", &nobody),
        Evaluation::ExplicitDeny(_)
    ));
    assert!(matches!(
        says("Allow", "bob/x", &alice),
        Evaluation::Allow(_)
    ));
    assert_eq!(says("Deny", "alice/x", &alice), Evaluation::Implicit);
}

#[test]
fn variables_are_known_since_the_newer_version_only() {
    let document = |version: &str| {
        format!(
            "{{{version} 'Statement': {{'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/${{aws:username}}/*'}}}}"
        )
    };
    let mut context = Context::new();
    context.add_text("aws:username", "alice");
    let reads = |version, key| {
        let policy = parse(&document(version)).unwrap();
        matches!(
            evaluate(&policy, Some("1"), "s3:GetObject", Some(key), &context),
            Evaluation::Allow(_)
        )
    };
    assert!(reads("'Version': '2012-10-17',", "alice/x"));
    assert!(!reads("'Version': '2012-10-17',", "bob/x"));
    for old in ["", "'Version': '2008-10-17',"] {
        assert!(!reads(old, "alice/x"), "{old}");
        assert!(reads(old, "${aws:username}/x"), "{old}");
    }
}

#[test]
fn a_policy_is_public_unless_it_is_bound_to_somebody() {
    let is_public = |principal: &str, condition: &str| {
        let statement = format!(
            "{{'Effect': 'Allow', 'Principal': {principal}, 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/*', 'Condition': {{{condition}}}}}"
        );
        of_statement(&statement)
            .unwrap_or_else(|error| panic!("{statement}: {error}"))
            .is_public()
    };
    for condition in [
        "",
        "'StringEquals': {'aws:Referer': 'x'}",
        "'StringEquals': {'s3:ExistingObjectTag/a': 'b'}",
        "'StringLike': {'aws:SourceVpc': 'vpc-*'}",
        "'StringEquals': {'aws:SourceVpc': ['vpc-1', 'vpc-*']}",
        "'StringEquals': {'aws:SourceVpc': '${aws:x}'}",
        "'StringNotEquals': {'aws:SourceVpc': 'vpc-1'}",
        "'StringEqualsIfExists': {'aws:SourceVpc': 'vpc-1'}",
        "'ForAllValues:StringEquals': {'aws:SourceVpc': 'vpc-1'}",
        "'IpAddress': {'aws:SourceIp': '0.0.0.0/0'}",
        "'IpAddress': {'aws:SourceIp': ['10.0.0.0/8', '0.0.0.0/1']}",
        "'IpAddress': {'aws:SourceIp': '::/16'}",
        "'NotIpAddress': {'aws:SourceIp': '10.0.0.0/8'}",
        "'ArnLike': {'aws:SourceArn': 'arn:aws:s3:::*'}",
        "'StringLike': {'aws:userid': 'AROLEID:*'}",
        "'StringEquals': {'aws:userid': 'AROLEID:session'}",
        "'ArnLike': {'s3:DataAccessPointArn': 'arn:aws:s3:*:*:accesspoint/*'}",
        "'StringEquals': {'aws:PrincipalOrgID': '*'}",
        "'Null': {'aws:SourceVpc': 'false'}",
    ] {
        assert!(is_public("'*'", condition), "{condition}");
        assert!(
            is_public("{'AWS': ['123456789012', '*']}", condition),
            "{condition}"
        );
        assert!(
            !is_public("{'AWS': '123456789012'}", condition),
            "{condition}"
        );
        assert!(
            !is_public("{'AWS': 'arn:aws:iam::s3tenant1:root'}", condition),
            "{condition}"
        );
    }
    for condition in [
        "'IpAddress': {'aws:SourceIp': '10.0.0.0/32'}",
        "'IpAddress': {'aws:SourceIp': ['10.0.0.0/8', '2001:db8::/32']}",
        "'StringEquals': {'aws:SourceVpc': 'vpc-1'}",
        "'StringLike': {'aws:SourceVpc': 'vpc-1'}",
        "'StringEquals': {'aws:SourceVpce': ['vpce-1', 'vpce-2']}",
        "'ArnEquals': {'aws:SourceArn': 'arn:aws:s3:::bucket'}",
        "'StringEquals': {'aws:SourceAccount': '123456789012'}",
        "'StringEquals': {'aws:PrincipalOrgID': 'o-1'}",
        "'StringEquals': {'aws:userid': 'AIDA1'}",
        "'ArnLike': {'s3:DataAccessPointArn': 'arn:aws:s3:eu:123456789012:accesspoint/*'}",
        "'StringLike': {'s3:DataAccessPointArn': 'arn:aws:s3:*:123456789012:accesspoint/*'}",
        "'StringEquals': {'s3:DataAccessPointAccount': '123456789012'}",
        "'StringLike': {'aws:Referer': '*'}, 'StringEquals': {'aws:SourceVpc': 'vpc-1'}",
    ] {
        assert!(!is_public("'*'", condition), "{condition}");
    }
}

#[test]
fn one_public_statement_makes_a_policy_public_and_no_denial_takes_it_back() {
    let bound = "{'Effect': 'Allow', 'Principal': {'AWS': '123456789012'}, 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/*'}";
    let deny = "{'Effect': 'Deny', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/*'}";
    assert!(!of_statement(bound).unwrap().is_public());
    assert!(!of_statement(deny).unwrap().is_public());
    assert!(
        of_statement(&format!("{bound}, {READ}"))
            .unwrap()
            .is_public()
    );
    assert!(
        of_statement(&format!("{READ}, {deny}"))
            .unwrap()
            .is_public()
    );
}

#[test]
fn a_statement_is_named_by_its_place_and_its_sid() {
    let name = |sid: Option<&str>| {
        StatementName {
            index: 2,
            sid: sid.map(str::to_owned),
        }
        .to_string()
    };
    assert_eq!(name(None), "statement 2");
    assert_eq!(name(Some("mine")), "statement 2 (mine)");
}

#[test]
fn the_largest_policy_is_evaluated_against_the_longest_key() {
    let statement = |count: usize| {
        format!(
            "{{'Effect':'Deny','Principal':'*','Action':'s3:*','Resource':'arn:aws:s3:::photos/{}b'}}",
            "*a".repeat(count)
        )
    };
    let policy = of_statement(&statement(10_000)).unwrap();
    let key = "a".repeat(1024);
    assert_eq!(
        evaluate(&policy, None, "s3:GetObject", Some(&key), &Context::new()),
        Evaluation::Implicit
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let name = BucketName::parse(BUCKET).unwrap();
        let _ = Policy::parse(&bytes, Attachment::Bucket { name: &name, is_lax: false });
        let _ = Policy::parse(&bytes, Attachment::Identity);
    }

    #[test]
    fn no_damage_to_a_good_document_makes_it_panic(at in 0_usize..200, byte in any::<u8>()) {
        let mut document = format!("{{'Statement': [{READ}]}}").replace('\'', "\"").into_bytes();
        let at = at % document.len();
        document[at] = byte;
        let name = BucketName::parse(BUCKET).unwrap();
        let _ = Policy::parse(&document, Attachment::Bucket { name: &name, is_lax: false });
    }

    #[test]
    fn the_order_of_statements_decides_nothing(order in proptest::sample::subsequence(vec![0_usize, 1, 2, 3], 0..=4), key in "(a|b|secret)/[a-c]") {
        let statements = [
            READ,
            "{'Effect': 'Deny', 'Principal': '*', 'Action': 's3:*', 'Resource': 'arn:aws:s3:::photos/secret/*'}",
            "{'Effect': 'Allow', 'Principal': {'AWS': '123456789012'}, 'Action': 's3:*', 'Resource': 'arn:aws:s3:::photos/a/*'}",
            "{'Effect': 'Deny', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::photos/*/b'}",
        ];
        let kind = |order: &[usize]| {
            let chosen: Vec<&str> = order.iter().map(|index| statements[*index]).collect();
            if chosen.is_empty() {
                return 0;
            }
            let policy = of_statement(&chosen.join(", ")).unwrap();
            match evaluate(&policy, None, "s3:GetObject", Some(&key), &Context::new()) {
                Evaluation::Implicit => 0,
                Evaluation::AllowAccount(_) => 1,
                Evaluation::Allow(_) => 2,
                Evaluation::ExplicitDeny(_) => 3,
            }
        };
        let mut reversed = order.clone();
        reversed.reverse();
        prop_assert_eq!(kind(&order), kind(&reversed));
    }
}
