//! When a statement holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::context::{Context, Value, folded, parse_flag};
use crate::decimal::Decimal;
use crate::moment::Moment;

use super::error::PolicyError;
use super::json::Json;
use super::network::Network;
use super::operator::{Operator, Quantifier, Test};
use super::pattern::{Case, Pattern, Reading};

/// One key of a condition block under one operator, with the values that a policy gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    /// As `folded` makes it.
    key: String,
    operands: Vec<Operand>,
}

/// A value of the policy, read as its operator reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Text(Pattern),
    /// The parts of an ARN; one part that is no ARN matches what is letter by letter the same, `*` everything.
    Arn(Vec<Pattern>),
    Number(Decimal),
    Moment(Moment),
    Flag(bool),
    Bytes(Vec<u8>),
    Network(Network),
}

/// The parts of an ARN, of which the last may have colons in it.
const ARN_PARTS: usize = 6;

impl Condition {
    /// Reads a `Condition`: an object of operators, each an object of keys, each with a value or a list of values.
    pub(super) fn parse_all(block: &Json, has_variables: bool) -> Result<Vec<Self>, PolicyError> {
        let Json::Object(operators) = block else {
            return Err(PolicyError::Syntax);
        };
        let mut conditions = Vec::new();
        for (name, keys) in operators {
            let operator = Operator::parse(name)
                .ok_or_else(|| PolicyError::ConditionType(name.chars().take(64).collect()))?;
            let Json::Object(keys) = keys else {
                return Err(PolicyError::Syntax);
            };
            for (key, values) in keys {
                let values = match values {
                    Json::List(values) => values.as_slice(),
                    value => std::slice::from_ref(value),
                };
                let read = |value: &Json| match value {
                    Json::Text(text) | Json::Bare(text) => {
                        Operand::parse(text, operator, has_variables)
                    }
                    Json::Null | Json::List(_) | Json::Object(_) => Err(PolicyError::Syntax),
                };
                conditions.push(Self {
                    operator,
                    key: folded(key),
                    operands: values.iter().map(read).collect::<Result<_, _>>()?,
                });
            }
        }
        Ok(conditions)
    }

    /// Its key, in the one spelling that `folded` makes.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether the request's context meets it.
    ///
    /// A key with several values under an operator without a quantifier: one that matches is enough, and for a negated
    /// operator none may match, so that the two stay opposites.
    /// Source: AWS, "IAM JSON policy elements: Condition operators"; "Set operators for multivalued context keys".
    pub(super) fn is_met(&self, context: &Context) -> bool {
        let values = context.get_folded(&self.key);
        let operator = self.operator;
        if operator.test == Test::Null {
            return self.operands.contains(&Operand::Flag(values.is_empty()));
        }
        if values.is_empty() {
            return match operator.quantifier {
                Quantifier::All => true,
                Quantifier::Any => operator.if_exists,
                Quantifier::Single => operator.if_exists || operator.is_negated,
            };
        }
        let passes = |value: &Value| {
            let mut operands = self.operands.iter();
            operands.any(|operand| operand.holds(value, operator.test, context))
                != operator.is_negated
        };
        match operator.quantifier {
            Quantifier::All => values.iter().all(passes),
            Quantifier::Single if operator.is_negated => values.iter().all(passes),
            Quantifier::Any | Quantifier::Single => values.iter().any(passes),
        }
    }

    /// Whether it lets only requests pass whose key has one of these values, and each of the values stands for somebody
    /// in particular: what makes a policy for everybody one that is not public.
    pub(super) fn is_fixed_to(&self, is_fixed: impl Fn(&str) -> bool) -> bool {
        let passes_without = self.operator.if_exists || self.operator.quantifier == Quantifier::All;
        if self.operator.is_negated || passes_without {
            return false;
        }
        let is_one = |operand: &Operand| match operand {
            Operand::Text(pattern) => {
                let is_literal = pattern.is_fixed() && !pattern.source().contains(['*', '?']);
                is_literal && is_fixed(pattern.source())
            }
            Operand::Arn(parts) => {
                let source = parts
                    .iter()
                    .map(Pattern::source)
                    .collect::<Vec<_>>()
                    .join(":");
                parts.iter().all(Pattern::is_fixed) && is_fixed(&source)
            }
            Operand::Network(network) => !network.is_wide(),
            Operand::Number(_) | Operand::Moment(_) | Operand::Flag(_) | Operand::Bytes(_) => false,
        };
        self.operands.iter().all(is_one)
    }

    /// The same for a key whose values are ARNs of which the account alone must be fixed.
    pub(super) fn has_fixed_account(&self) -> bool {
        let is_negated = self.operator.is_negated || self.operator.if_exists;
        if is_negated || self.operator.quantifier == Quantifier::All {
            return false;
        }
        let is_fixed_account = |text: &str| !text.is_empty() && !text.contains(['*', '?', '$']);
        self.operands.iter().all(|operand| match operand {
            Operand::Text(pattern) => pattern
                .source()
                .split(':')
                .nth(4)
                .is_some_and(is_fixed_account),
            Operand::Arn(parts) => parts
                .get(4)
                .is_some_and(|part| is_fixed_account(part.source())),
            _ => false,
        })
    }
}

impl Operand {
    fn parse(text: &str, operator: Operator, has_variables: bool) -> Result<Self, PolicyError> {
        let reading = |has_wildcards| Reading {
            has_wildcards,
            has_variables,
        };
        let invalid = PolicyError::ConditionValue(operator.name);
        match operator.test {
            Test::StringEquals | Test::StringEqualsIgnoreCase => {
                Ok(Self::Text(Pattern::parse(text, reading(false))))
            }
            Test::StringLike => Ok(Self::Text(Pattern::parse(text, reading(true)))),
            Test::Arn => {
                let parts = text.splitn(ARN_PARTS, ':');
                Ok(Self::Arn(
                    parts
                        .map(|part| Pattern::parse(part, reading(true)))
                        .collect(),
                ))
            }
            Test::Numeric(_) => Decimal::parse(text).map(Self::Number).ok_or(invalid),
            Test::Date(_) => Moment::parse(text).map(Self::Moment).ok_or(invalid),
            Test::Bool | Test::Null => parse_flag(text).map(Self::Flag).ok_or(invalid),
            Test::Binary => STANDARD.decode(text).map(Self::Bytes).map_err(|_| invalid),
            Test::IpAddress => Network::parse(text)
                .map(Self::Network)
                .ok_or(PolicyError::IpAddress),
        }
    }

    /// Whether a value of the request is what this says. A value of another type than the operator's is not.
    fn holds(&self, value: &Value, test: Test, context: &Context) -> bool {
        match (self, test) {
            (Self::Text(pattern), _) => {
                let case = match test {
                    Test::StringEqualsIgnoreCase => Case::Ignored,
                    _ => Case::Matters,
                };
                let fits = |text: &str| pattern.matches(text, context, case) == Some(true);
                value.text().is_some_and(|text| fits(&text))
            }
            (Self::Arn(parts), _) => value
                .text()
                .is_some_and(|text| is_arn(parts, &text, context)),
            (Self::Number(wanted), Test::Numeric(relation)) => value
                .number()
                .is_some_and(|number| relation.holds(number.cmp(wanted))),
            (Self::Moment(wanted), Test::Date(relation)) => value
                .moment()
                .is_some_and(|moment| relation.holds(moment.cmp(wanted))),
            (Self::Flag(wanted), _) => value.flag() == Some(*wanted),
            (Self::Bytes(wanted), _) => value.bytes() == Some(wanted.as_slice()),
            (Self::Network(network), _) => value
                .address()
                .is_some_and(|address| network.contains(address)),
            (Self::Number(_) | Self::Moment(_), _) => false,
        }
    }
}

/// Whether each part of an ARN fits its pattern.
fn is_arn(parts: &[Pattern], text: &str, context: &Context) -> bool {
    let fits =
        |pattern: &Pattern, text: &str| pattern.matches(text, context, Case::Matters) == Some(true);
    if let [everything] = parts {
        return fits(everything, text);
    }
    let texts: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
    texts.len() == parts.len() && parts.iter().zip(texts).all(|(part, text)| fits(part, text))
}

#[cfg(test)]
mod tests;
