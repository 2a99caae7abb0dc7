//! The operators of conditions.

use std::cmp::Ordering;

/// What a value of the request is compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Relation),
    Date(Relation),
    Bool,
    Binary,
    IpAddress,
    /// `ArnEquals` and `ArnLike`, which are the same.
    Arn,
    Null,
}

/// How the value of the request stands to the value of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equals,
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
}

/// What becomes of a key with several values, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// One value is expected.
    Single,
    /// `ForAllValues:`: each value passes; so do no values.
    All,
    /// `ForAnyValue:`: at least one value passes.
    Any,
}

/// An operator with what stands before and behind its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) name: &'static str,
    pub(super) test: Test,
    /// What the test fails, passes.
    pub(super) is_negated: bool,
    /// `…IfExists`: a key that is not there passes.
    pub(super) if_exists: bool,
    pub(super) quantifier: Quantifier,
}

/// Source: AWS, "IAM JSON policy elements: Condition operators".
const OPERATORS: &[(&str, Test, bool)] = &[
    ("StringEquals", Test::StringEquals, false),
    ("StringNotEquals", Test::StringEquals, true),
    (
        "StringEqualsIgnoreCase",
        Test::StringEqualsIgnoreCase,
        false,
    ),
    (
        "StringNotEqualsIgnoreCase",
        Test::StringEqualsIgnoreCase,
        true,
    ),
    ("StringLike", Test::StringLike, false),
    ("StringNotLike", Test::StringLike, true),
    ("NumericEquals", Test::Numeric(Relation::Equals), false),
    ("NumericNotEquals", Test::Numeric(Relation::Equals), true),
    ("NumericLessThan", Test::Numeric(Relation::Less), false),
    (
        "NumericLessThanEquals",
        Test::Numeric(Relation::LessEquals),
        false,
    ),
    (
        "NumericGreaterThan",
        Test::Numeric(Relation::Greater),
        false,
    ),
    (
        "NumericGreaterThanEquals",
        Test::Numeric(Relation::GreaterEquals),
        false,
    ),
    ("DateEquals", Test::Date(Relation::Equals), false),
    ("DateNotEquals", Test::Date(Relation::Equals), true),
    ("DateLessThan", Test::Date(Relation::Less), false),
    (
        "DateLessThanEquals",
        Test::Date(Relation::LessEquals),
        false,
    ),
    ("DateGreaterThan", Test::Date(Relation::Greater), false),
    (
        "DateGreaterThanEquals",
        Test::Date(Relation::GreaterEquals),
        false,
    ),
    ("Bool", Test::Bool, false),
    ("BinaryEquals", Test::Binary, false),
    ("IpAddress", Test::IpAddress, false),
    ("NotIpAddress", Test::IpAddress, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnLike", Test::Arn, false),
    ("ArnNotLike", Test::Arn, true),
    ("Null", Test::Null, false),
];

impl Operator {
    /// Reads an operator: `StringEquals`, `ForAnyValue:StringLikeIfExists`. `Null` has no `IfExists` and no quantifier.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let (quantifier, suffixed) = match written.split_once(':') {
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(_) => return None,
            None => (Quantifier::Single, written),
        };
        let (base, if_exists) = match suffixed.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (suffixed, false),
        };
        let (name, test, is_negated) = *OPERATORS.iter().find(|(name, ..)| *name == base)?;
        if test == Test::Null && (if_exists || quantifier != Quantifier::Single) {
            return None;
        }
        Some(Self {
            name,
            test,
            is_negated,
            if_exists,
            quantifier,
        })
    }
}

impl Relation {
    /// Whether a value that compares so to the policy's stands in this relation to it.
    pub(super) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equals => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessEquals => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEquals => ordering.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_its_prefixes_and_its_suffix() {
        for (name, test, is_negated) in OPERATORS {
            let plain = Operator::parse(name).unwrap();
            assert_eq!(
                (plain.test, plain.is_negated),
                (*test, *is_negated),
                "{name}"
            );
            assert_eq!(
                (plain.if_exists, plain.quantifier),
                (false, Quantifier::Single)
            );
            let full = Operator::parse(&format!("ForAllValues:{name}IfExists"));
            assert_eq!(full.is_none(), *test == Test::Null, "{name}");
            if let Some(full) = full {
                assert_eq!((full.if_exists, full.quantifier), (true, Quantifier::All));
            }
        }
        let any = Operator::parse("ForAnyValue:StringLike").unwrap();
        assert_eq!(any.quantifier, Quantifier::Any);
    }

    #[test]
    fn what_is_no_operator_is_none() {
        for bad in [
            "",
            "stringEquals",
            "StringMatches",
            "IfExists",
            "NullIfExists",
            "ForAnyValue:",
            "ForAnyValue:Null",
            "ForSomeValues:StringEquals",
            "StringEqualsIfExistsIfExists",
            "ForAnyValue:ForAnyValue:Bool",
            "NotBool",
        ] {
            assert_eq!(Operator::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn relations_are_what_they_are_called() {
        let of = |relation: Relation| {
            [Ordering::Less, Ordering::Equal, Ordering::Greater]
                .map(|ordering| relation.holds(ordering))
        };
        assert_eq!(of(Relation::Equals), [false, true, false]);
        assert_eq!(of(Relation::Less), [true, false, false]);
        assert_eq!(of(Relation::LessEquals), [true, true, false]);
        assert_eq!(of(Relation::Greater), [false, false, true]);
        assert_eq!(of(Relation::GreaterEquals), [false, true, true]);
    }
}
