use std::net::IpAddr;

use cairn_types::time::Timestamp;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::*;

/// The conditions of a block that is written with single quotes.
fn parse(block: &str) -> Result<Vec<Condition>, PolicyError> {
    let block = block.replace('\'', "\"");
    Condition::parse_all(&Json::parse(block.as_bytes()).unwrap(), true)
}

fn is_met(block: &str, context: &Context) -> bool {
    let conditions = parse(block).unwrap_or_else(|error| panic!("{block}: {error}"));
    conditions.iter().all(|condition| condition.is_met(context))
}

fn with(values: &[(&str, Value)]) -> Context {
    let mut context = Context::new();
    for (key, value) in values {
        context.add(key, value.clone());
    }
    context
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn each_operator_compares_as_it_is_called() {
    let address = |text: &str| Value::Address(text.parse().unwrap());
    let noon = Value::Time(Timestamp::from_millis(1_795_348_800_000));
    // Operator, value in the policy, value in the request, whether the positive form holds; the negated form's name.
    for (operator, wanted, value, holds, negated) in [
        ("StringEquals", "'a'", text("a"), true, "StringNotEquals"),
        ("StringEquals", "'a'", text("A"), false, "StringNotEquals"),
        ("StringEquals", "'a*'", text("ab"), false, "StringNotEquals"),
        (
            "StringEquals",
            "5",
            Value::Number(5),
            true,
            "StringNotEquals",
        ),
        (
            "StringEquals",
            "true",
            Value::Flag(true),
            true,
            "StringNotEquals",
        ),
        (
            "StringEqualsIgnoreCase",
            "'aB'",
            text("Ab"),
            true,
            "StringNotEqualsIgnoreCase",
        ),
        (
            "StringEqualsIgnoreCase",
            "'a'",
            text("b"),
            false,
            "StringNotEqualsIgnoreCase",
        ),
        (
            "StringLike",
            "'public/*'",
            text("public/x/y"),
            true,
            "StringNotLike",
        ),
        (
            "StringLike",
            "'public/?'",
            text("public/"),
            false,
            "StringNotLike",
        ),
        ("StringLike", "'A*'", text("abc"), false, "StringNotLike"),
        (
            "NumericEquals",
            "10",
            Value::Number(10),
            true,
            "NumericNotEquals",
        ),
        (
            "NumericEquals",
            "'10.0'",
            text("10"),
            true,
            "NumericNotEquals",
        ),
        (
            "NumericEquals",
            "10",
            text("ten"),
            false,
            "NumericNotEquals",
        ),
        (
            "DateEquals",
            "'2026-11-22T12:00:00Z'",
            noon.clone(),
            true,
            "DateNotEquals",
        ),
        (
            "DateEquals",
            "1795348800",
            noon.clone(),
            true,
            "DateNotEquals",
        ),
        (
            "DateEquals",
            "'2026-11-22'",
            noon.clone(),
            false,
            "DateNotEquals",
        ),
        (
            "IpAddress",
            "'203.0.113.0/24'",
            address("203.0.113.9"),
            true,
            "NotIpAddress",
        ),
        (
            "IpAddress",
            "'203.0.113.0/24'",
            address("::ffff:203.0.113.9"),
            true,
            "NotIpAddress",
        ),
        (
            "IpAddress",
            "'203.0.113.0/24'",
            address("203.0.114.9"),
            false,
            "NotIpAddress",
        ),
        (
            "IpAddress",
            "'2001:db8::/32'",
            address("2001:db8::7"),
            true,
            "NotIpAddress",
        ),
        (
            "ArnLike",
            "'arn:aws:s3:::b*'",
            text("arn:aws:s3:::bucket"),
            true,
            "ArnNotLike",
        ),
        (
            "ArnEquals",
            "'arn:aws:s3:::b*'",
            text("arn:aws:s3:::bucket"),
            true,
            "ArnNotEquals",
        ),
        (
            "ArnLike",
            "'arn:aws:*:bucket'",
            text("arn:aws:s3:::bucket"),
            false,
            "ArnNotLike",
        ),
        (
            "ArnLike",
            "'arn:aws:sns:*:*:t'",
            text("arn:aws:sns:eu:1:t"),
            true,
            "ArnNotLike",
        ),
        (
            "ArnLike",
            "'*'",
            text("arn:aws:s3:::bucket"),
            true,
            "ArnNotLike",
        ),
    ] {
        let context = with(&[("aws:x", value)]);
        let block = |name: &str| format!("{{'{name}': {{'aws:x': {wanted}}}}}");
        assert_eq!(
            is_met(&block(operator), &context),
            holds,
            "{operator} {wanted}"
        );
        assert_eq!(
            is_met(&block(negated), &context),
            !holds,
            "{negated} {wanted}"
        );
    }
}

#[test]
fn orders_are_of_the_request_to_the_policy() {
    for (value, expected) in [
        (9, [true, true, false, false]),
        (10, [false, true, false, true]),
        (11, [false, false, true, true]),
    ] {
        let number = with(&[("s3:max-keys", Value::Number(value))]);
        let time = with(&[(
            "aws:CurrentTime",
            Value::Time(Timestamp::from_millis(u64::try_from(value).unwrap() * 1000)),
        )]);
        for (name, expected) in [
            "LessThan",
            "LessThanEquals",
            "GreaterThan",
            "GreaterThanEquals",
        ]
        .iter()
        .zip(expected)
        {
            assert_eq!(
                is_met(
                    &format!("{{'Numeric{name}': {{'s3:max-keys': '10'}}}}"),
                    &number
                ),
                expected,
                "{name} {value}"
            );
            let block = format!("{{'Date{name}': {{'aws:CurrentTime': '1970-01-01T00:00:10Z'}}}}");
            assert_eq!(is_met(&block, &time), expected, "{name} {value}");
        }
    }
}

#[test]
fn truths_and_bytes_are_compared_as_such() {
    let secure = with(&[("aws:SecureTransport", Value::Flag(true))]);
    assert!(is_met("{'Bool': {'aws:SecureTransport': 'true'}}", &secure));
    assert!(is_met("{'Bool': {'aws:SecureTransport': true}}", &secure));
    assert!(is_met("{'Bool': {'aws:SecureTransport': 'TRUE'}}", &secure));
    assert!(!is_met(
        "{'Bool': {'aws:SecureTransport': 'false'}}",
        &secure
    ));
    assert!(is_met(
        "{'Bool': {'aws:SecureTransport': ['false', 'true']}}",
        &secure
    ));
    let bytes = with(&[("aws:x", Value::Bytes(vec![0, 255]))]);
    assert!(is_met("{'BinaryEquals': {'aws:x': 'AP8='}}", &bytes));
    assert!(!is_met("{'BinaryEquals': {'aws:x': 'AP4='}}", &bytes));
}

#[test]
fn a_key_that_is_not_there_fails_what_asks_for_it_and_passes_what_excludes() {
    let nothing = Context::new();
    for (operator, value, is_negated) in [
        ("StringEquals", "'a'", false),
        ("StringNotEquals", "'a'", true),
        ("StringLike", "'*'", false),
        ("StringNotLike", "'*'", true),
        ("NumericLessThan", "1", false),
        ("NumericNotEquals", "1", true),
        ("DateGreaterThan", "1", false),
        ("Bool", "true", false),
        ("BinaryEquals", "'AA=='", false),
        ("IpAddress", "'::/0'", false),
        ("NotIpAddress", "'::/0'", true),
        ("ArnLike", "'*'", false),
        ("ArnNotLike", "'*'", true),
    ] {
        let block = |name: &str| format!("{{'{name}': {{'aws:x': {value}}}}}");
        assert_eq!(is_met(&block(operator), &nothing), is_negated, "{operator}");
        assert!(
            is_met(&block(&format!("{operator}IfExists")), &nothing),
            "{operator}"
        );
        assert!(
            is_met(&block(&format!("ForAllValues:{operator}")), &nothing),
            "{operator}"
        );
        assert!(
            !is_met(&block(&format!("ForAnyValue:{operator}")), &nothing),
            "{operator}"
        );
    }
}

#[test]
fn null_asks_whether_a_key_is_there() {
    let there = with(&[("aws:x", text(""))]);
    let not_there = Context::new();
    assert!(is_met("{'Null': {'aws:x': 'true'}}", &not_there));
    assert!(!is_met("{'Null': {'aws:x': 'true'}}", &there));
    assert!(is_met("{'Null': {'aws:x': false}}", &there));
    assert!(!is_met("{'Null': {'aws:x': 'false'}}", &not_there));
}

#[test]
fn values_are_or_keys_are_and_operators_are_and() {
    let context = with(&[("aws:a", text("1")), ("aws:b", text("2"))]);
    assert!(is_met("{'StringEquals': {'aws:a': ['0', '1']}}", &context));
    assert!(!is_met(
        "{'StringNotEquals': {'aws:a': ['0', '1']}}",
        &context
    ));
    assert!(is_met(
        "{'StringNotEquals': {'aws:a': ['0', '2']}}",
        &context
    ));
    assert!(is_met(
        "{'StringEquals': {'aws:a': '1', 'aws:b': '2'}}",
        &context
    ));
    assert!(!is_met(
        "{'StringEquals': {'aws:a': '1', 'aws:b': '3'}}",
        &context
    ));
    assert!(!is_met(
        "{'StringEquals': {'aws:a': '1'}, 'StringLike': {'aws:b': '3*'}}",
        &context
    ));
    assert!(!is_met("{'StringEquals': {'aws:a': []}}", &context));
    assert!(is_met("{}", &context));
}

#[test]
fn sets_are_asked_for_all_or_for_any_of_their_values() {
    let tags = |values: &[&str]| {
        with(
            &values
                .iter()
                .map(|value| ("s3:RequestObjectTagKeys", text(value)))
                .collect::<Vec<_>>(),
        )
    };
    for (values, all, any, none_is, some_is_not) in [
        (&["a", "b"][..], true, true, false, false),
        (&["a", "c"][..], false, true, false, true),
        (&["c", "d"][..], false, false, true, true),
        (&[][..], true, false, true, false),
    ] {
        let context = tags(values);
        let check = |operator: &str| {
            is_met(
                &format!("{{'{operator}': {{'s3:RequestObjectTagKeys': ['a', 'b']}}}}"),
                &context,
            )
        };
        assert_eq!(check("ForAllValues:StringEquals"), all, "{values:?}");
        assert_eq!(check("ForAnyValue:StringEquals"), any, "{values:?}");
        assert_eq!(check("ForAllValues:StringNotEquals"), none_is, "{values:?}");
        assert_eq!(
            check("ForAnyValue:StringNotEquals"),
            some_is_not,
            "{values:?}"
        );
    }
}

#[test]
fn values_may_be_variables_of_the_request() {
    let block = "{'StringLike': {'s3:prefix': 'home/${aws:username}/*'}}";
    let prefix = ("s3:prefix", text("home/alice/x"));
    assert!(is_met(
        block,
        &with(&[prefix.clone(), ("aws:username", text("alice"))])
    ));
    assert!(!is_met(
        block,
        &with(&[prefix.clone(), ("aws:username", text("bob"))])
    ));
    assert!(!is_met(
        block,
        &with(&[prefix.clone(), ("aws:username", text("*"))])
    ));
    assert!(!is_met(block, &with(&[prefix])));
}

#[test]
fn what_an_operator_cannot_read_is_refused() {
    let value = PolicyError::ConditionValue;
    for (block, error) in [
        (
            "{'NumericEquals': {'aws:x': 'one'}}",
            value("NumericEquals"),
        ),
        (
            "{'NumericLessThanIfExists': {'aws:x': ''}}",
            value("NumericLessThan"),
        ),
        (
            "{'NumericEquals': {'aws:x': '${aws:y}'}}",
            value("NumericEquals"),
        ),
        ("{'DateEquals': {'aws:x': 'today'}}", value("DateEquals")),
        ("{'Bool': {'aws:x': 'yes'}}", value("Bool")),
        ("{'Null': {'aws:x': '1'}}", value("Null")),
        ("{'BinaryEquals': {'aws:x': '%'}}", value("BinaryEquals")),
        (
            "{'IpAddress': {'aws:x': '10.0.0.0/33'}}",
            PolicyError::IpAddress,
        ),
        (
            "{'NotIpAddress': {'aws:x': ['10.0.0.0/8', 'x']}}",
            PolicyError::IpAddress,
        ),
        (
            "{'StringEqual': {'aws:x': 'a'}}",
            PolicyError::ConditionType("StringEqual".to_owned()),
        ),
        (
            "{'NullIfExists': {'aws:x': 'true'}}",
            PolicyError::ConditionType("NullIfExists".to_owned()),
        ),
        ("{'StringEquals': 'a'}", PolicyError::Syntax),
        ("{'StringEquals': []}", PolicyError::Syntax),
        ("{'StringEquals': {'aws:x': null}}", PolicyError::Syntax),
        ("{'StringEquals': {'aws:x': {}}}", PolicyError::Syntax),
        ("{'StringEquals': {'aws:x': [['a']]}}", PolicyError::Syntax),
    ] {
        assert_eq!(parse(block), Err(error), "{block}");
    }
}

proptest! {
    #[test]
    fn a_negated_operator_is_the_opposite_whatever_the_request(
        pattern in "[ab*?]{0,4}",
        values in proptest::collection::vec("[ab]{0,4}", 0..4),
    ) {
        let mut context = Context::new();
        for value in &values {
            context.add_text("aws:x", value);
        }
        for (positive, negated) in [
            ("StringEquals", "StringNotEquals"),
            ("StringLike", "StringNotLike"),
            ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
            ("ArnLike", "ArnNotLike"),
            // All of them fail exactly when some of them pass the opposite.
            ("ForAllValues:StringLike", "ForAnyValue:StringNotLike"),
            ("ForAnyValue:StringLike", "ForAllValues:StringNotLike"),
        ] {
            let check = |name: &str| is_met(&format!("{{'{name}': {{'aws:x': '{pattern}'}}}}"), &context);
            prop_assert_eq!(check(positive), !check(negated), "{} {}", positive, &pattern);
        }
    }

    #[test]
    fn numbers_compare_as_numbers(left in any::<i64>(), right in any::<i64>()) {
        let context = with(&[("aws:x", Value::Number(left))]);
        let check = |name: &str| is_met(&format!("{{'Numeric{name}': {{'aws:x': {right}}}}}"), &context);
        prop_assert_eq!(check("Equals"), left == right);
        prop_assert_eq!(check("LessThan"), left < right);
        prop_assert_eq!(check("LessThanEquals"), left <= right);
        prop_assert_eq!(check("GreaterThan"), left > right);
        prop_assert_eq!(check("GreaterThanEquals"), left >= right);
    }

    #[test]
    fn an_address_is_in_a_range_or_in_the_opposite(bits in any::<u32>(), prefix in 0_u8..=32) {
        let context = with(&[("aws:SourceIp", Value::Address(IpAddr::from(bits.to_be_bytes())))]);
        let check = |name: &str| is_met(&format!("{{'{name}': {{'aws:SourceIp': '10.0.0.0/{prefix}'}}}}"), &context);
        prop_assert_eq!(check("IpAddress"), !check("NotIpAddress"));
    }
}
