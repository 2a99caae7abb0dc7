//! One statement of a policy.

use crate::action::Action;
use crate::context::Context;
use crate::decision::Resource;
use crate::requester::Requester;

use super::Attachment;
use super::condition::Condition;
use super::error::PolicyError;
use super::json::Json;
use super::pattern::{Case, Pattern, Reading};
use super::principal::{Match, NamedPrincipal};
use super::resource::{Allowed, ResourcePattern};
use super::vocabulary::{self, Subject};

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principals: Principals,
    actions: Listed<Pattern>,
    resources: Listed<ResourcePattern>,
    pub(super) conditions: Vec<Condition>,
}

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principals {
    /// The identity that the policy hangs on.
    Holder,
    These(Vec<NamedPrincipal>),
    AllBut(Vec<NamedPrincipal>),
}

/// A list, or everything but a list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Listed<T> {
    These(Vec<T>),
    AllBut(Vec<T>),
}

/// What a policy is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) requester: &'a Requester<'a>,
    pub(super) action: Action,
    pub(super) resource: Resource<'a>,
    pub(super) tenant: &'a str,
    pub(super) context: &'a Context,
}

/// The fields of a statement as the document has them.
#[derive(Default)]
struct Fields<'a> {
    sid: Option<&'a Json>,
    effect: Option<&'a Json>,
    principal: Option<&'a Json>,
    not_principal: Option<&'a Json>,
    action: Option<&'a Json>,
    not_action: Option<&'a Json>,
    resource: Option<&'a Json>,
    not_resource: Option<&'a Json>,
    condition: Option<&'a Json>,
}

impl<'a> Fields<'a> {
    fn parse(statement: &'a Json) -> Result<Self, PolicyError> {
        let Json::Object(elements) = statement else {
            return Err(PolicyError::Syntax);
        };
        let mut fields = Self::default();
        for (name, value) in elements {
            let field = match name.as_str() {
                "Sid" => &mut fields.sid,
                "Effect" => &mut fields.effect,
                "Principal" => &mut fields.principal,
                "NotPrincipal" => &mut fields.not_principal,
                "Action" => &mut fields.action,
                "NotAction" => &mut fields.not_action,
                "Resource" => &mut fields.resource,
                "NotResource" => &mut fields.not_resource,
                "Condition" => &mut fields.condition,
                _ => return Err(PolicyError::UnknownField(name.chars().take(64).collect())),
            };
            *field = Some(value);
        }
        Ok(fields)
    }
}

impl Statement {
    /// Reads a statement.
    ///
    /// Source: AWS, "IAM JSON policy elements reference", "Grammar of the IAM JSON policy language".
    pub(super) fn parse(
        statement: &Json,
        has_variables: bool,
        attachment: Attachment<'_>,
    ) -> Result<Self, PolicyError> {
        let fields = Fields::parse(statement)?;
        let sid = match fields.sid {
            None => None,
            Some(Json::Text(text)) => Some(text.clone()),
            Some(_) => return Err(PolicyError::Syntax),
        };
        let effect = parse_effect(fields.effect)?;
        let principals = parse_principals(&fields, effect, attachment)?;
        let parsed = Self {
            sid,
            effect,
            principals,
            actions: parse_actions(&fields, attachment)?,
            resources: parse_resources(&fields, has_variables, attachment)?,
            conditions: match fields.condition {
                Some(block) => Condition::parse_all(block, has_variables)?,
                None => Vec::new(),
            },
        };
        if let Attachment::Bucket { is_lax, .. } = attachment {
            let mut keys = parsed.conditions.iter().map(Condition::key);
            if !keys.all(vocabulary::is_key) {
                return Err(PolicyError::ConditionKey);
            }
            if !is_lax {
                parsed.check_that_it_can_apply()?;
            }
        }
        Ok(parsed)
    }

    /// Refuses what could never apply, as S3 does for policies of buckets: an action on objects beside buckets alone, a
    /// key that no request for the action has. Everything but a list applies to something.
    fn check_that_it_can_apply(&self) -> Result<(), PolicyError> {
        let Listed::These(patterns) = &self.actions else {
            return Ok(());
        };
        let has_resource = |subject: Subject| match &self.resources {
            Listed::These(resources) => resources.iter().any(|resource| resource.can_be(subject)),
            Listed::AllBut(_) => true,
        };
        for pattern in patterns {
            let actions = vocabulary::actions(pattern);
            let applicable: Vec<&str> = actions
                .into_iter()
                .filter_map(|(action, subject)| has_resource(subject).then_some(action))
                .collect();
            if applicable.is_empty() {
                return Err(PolicyError::ActionWithoutResource);
            }
            for condition in &self.conditions {
                let mut actions = applicable.iter();
                if !actions.any(|action| vocabulary::has_key(action, condition.key())) {
                    return Err(PolicyError::ConditionWithoutAction);
                }
            }
        }
        Ok(())
    }

    /// Whether the statement applies, and how its principal is the requester.
    pub(super) fn applies(&self, question: Question<'_>) -> Option<Match> {
        let how = self.principals.matches(question.requester, self.effect)?;
        let applies = self.is_about_action(question.action)
            && self.is_about_resource(question)
            && self
                .conditions
                .iter()
                .all(|condition| condition.is_met(question.context));
        applies.then_some(how)
    }

    fn is_about_action(&self, action: Action) -> bool {
        let context = Context::new();
        let fits = |pattern: &Pattern| {
            pattern.matches(action.as_str(), &context, Case::Ignored) == Some(true)
        };
        match &self.actions {
            Listed::These(patterns) => patterns.iter().any(fits),
            Listed::AllBut(patterns) => !patterns.iter().any(fits),
        }
    }

    fn is_about_resource(&self, question: Question<'_>) -> bool {
        let fits = |pattern: &ResourcePattern| {
            pattern.matches(question.resource, question.tenant, question.context)
        };
        match &self.resources {
            Listed::These(patterns) => patterns.iter().any(|pattern| fits(pattern) == Some(true)),
            // A variable without a value leaves open what is excepted: what denies then denies, what allows does not.
            Listed::AllBut(patterns) => patterns.iter().all(|pattern| match fits(pattern) {
                Some(is_excepted) => !is_excepted,
                None => self.effect == Effect::Deny,
            }),
        }
    }
}

impl Principals {
    /// Everybody who is named.
    pub(super) fn names(&self) -> &[NamedPrincipal] {
        match self {
            Self::Holder => &[],
            Self::These(names) | Self::AllBut(names) => names,
        }
    }

    fn matches(&self, requester: &Requester<'_>, effect: Effect) -> Option<Match> {
        match self {
            Self::Holder => Some(Match::Direct),
            Self::These(names) => names
                .iter()
                .filter_map(|name| name.matches(requester))
                .max(),
            // An account that is excepted is not its users: each of them has to be named.
            Self::AllBut(names) => {
                let is_direct =
                    |name: &NamedPrincipal| name.matches(requester) == Some(Match::Direct);
                let is_excepted = names.iter().any(is_direct);
                (effect == Effect::Deny && !is_excepted).then_some(Match::Direct)
            }
        }
    }
}

fn parse_effect(value: Option<&Json>) -> Result<Effect, PolicyError> {
    match value {
        None => Err(PolicyError::Missing("Effect")),
        Some(Json::Text(text)) => match text.as_str() {
            "Allow" => Ok(Effect::Allow),
            "Deny" => Ok(Effect::Deny),
            _ => Err(PolicyError::Effect(text.chars().take(64).collect())),
        },
        Some(_) => Err(PolicyError::Syntax),
    }
}

fn parse_principals(
    fields: &Fields<'_>,
    effect: Effect,
    attachment: Attachment<'_>,
) -> Result<Principals, PolicyError> {
    if let Attachment::Identity = attachment {
        return match (fields.principal, fields.not_principal) {
            (None, None) => Ok(Principals::Holder),
            _ => Err(PolicyError::PrincipalInIdentityPolicy),
        };
    }
    match (fields.principal, fields.not_principal) {
        (Some(value), None) => NamedPrincipal::parse_all(value).map(Principals::These),
        (None, Some(value)) => match effect {
            Effect::Deny => NamedPrincipal::parse_all(value).map(Principals::AllBut),
            Effect::Allow => Err(PolicyError::AllowNotPrincipal),
        },
        (None, None) => Err(PolicyError::Missing("Principal")),
        (Some(_), Some(_)) => Err(PolicyError::Syntax),
    }
}

/// Reads `Action` or `NotAction`: `*`, or a service's prefix, a colon, and a name with wildcards.
fn parse_actions(
    fields: &Fields<'_>,
    attachment: Attachment<'_>,
) -> Result<Listed<Pattern>, PolicyError> {
    let reading = Reading {
        has_wildcards: true,
        has_variables: false,
    };
    let read = |text: &str| {
        let pattern = Pattern::parse(text, reading);
        let (service, name) = match text {
            "*" => return Ok(pattern),
            _ => text.split_once(':').ok_or(PolicyError::Action)?,
        };
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let is_action = !service.is_empty()
            && service.chars().all(is_plain)
            && !name.is_empty()
            && name
                .chars()
                .all(|letter| is_plain(letter) || matches!(letter, '*' | '?'));
        let is_known = match attachment {
            Attachment::Bucket { .. } => !vocabulary::actions(&pattern).is_empty(),
            Attachment::Identity => true,
        };
        (is_action && is_known)
            .then_some(pattern)
            .ok_or(PolicyError::Action)
    };
    parse_list(("Action", fields.action), fields.not_action, read)
}

fn parse_resources(
    fields: &Fields<'_>,
    has_variables: bool,
    attachment: Attachment<'_>,
) -> Result<Listed<ResourcePattern>, PolicyError> {
    let reading = Reading {
        has_wildcards: true,
        has_variables,
    };
    let allowed = match attachment {
        Attachment::Bucket { is_lax: true, .. } => Allowed::AnyOfS3,
        Attachment::Bucket { name, .. } => Allowed::Bucket(name),
        Attachment::Identity => Allowed::Any,
    };
    let read = |text: &str| ResourcePattern::parse(text, reading, allowed);
    parse_list(("Resource", fields.resource), fields.not_resource, read)
}

/// Reads a text or a list of texts under a name or under the name with `Not` before it, of which one must be there.
fn parse_list<T>(
    (name, these): (&'static str, Option<&Json>),
    all_but: Option<&Json>,
    read: impl Fn(&str) -> Result<T, PolicyError>,
) -> Result<Listed<T>, PolicyError> {
    let value = match (these, all_but) {
        (Some(value), None) | (None, Some(value)) => value,
        (None, None) => return Err(PolicyError::Missing(name)),
        (Some(_), Some(_)) => return Err(PolicyError::Syntax),
    };
    let values = match value {
        Json::List(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    if values.is_empty() {
        return Err(PolicyError::Empty(name));
    }
    let read_one = |value: &Json| match value {
        Json::Text(text) => read(text),
        _ => Err(PolicyError::Syntax),
    };
    let parsed = values.iter().map(read_one).collect::<Result<Vec<T>, _>>()?;
    Ok(match these {
        Some(_) => Listed::These(parsed),
        None => Listed::AllBut(parsed),
    })
}
