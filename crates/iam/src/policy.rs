//! The policy language: what a document says, and what it says about a request.
//!
//! One language for buckets and for identities. A document is read once, strictly, into a [`Policy`]; the caller keeps its
//! bytes, which are what `GetBucketPolicy` answers. Everything is bounded: documents by [`Policy::parse`], matching by the
//! product of the lengths of pattern and text.

mod condition;
mod error;
mod json;
mod network;
mod operator;
mod pattern;
mod principal;
mod public;
mod resource;
mod statement;
mod vocabulary;

use std::fmt;

use cairn_types::name::BucketName;

use crate::action::Action;
use crate::context::Context;
use crate::decision::Resource;
use crate::requester::Requester;

pub use error::PolicyError;
pub use principal::NamedPrincipal;

use json::Json;
use principal::Match;
use statement::{Effect, Question, Statement};

/// A policy, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    id: Option<String>,
    statements: Vec<Statement>,
}

/// What a policy hangs on.
#[derive(Debug, Clone, Copy)]
pub enum Attachment<'a> {
    /// A bucket: statements name principals, and nothing but the bucket and its objects.
    Bucket {
        /// The bucket.
        name: &'a BucketName,
        /// Whether statements may name whatever S3 has (`arn:aws:s3:::*`), and actions and conditions that can never meet what they
        /// name, as Ceph lets them. AWS: no.
        is_lax: bool,
    },
    /// An identity: statements name no principal, and whatever they like.
    Identity,
}

/// What a policy is asked.
#[derive(Debug, Clone, Copy)]
pub struct PolicyRequest<'a> {
    /// Who asks. Not looked at by the policy of an identity.
    pub requester: &'a Requester<'a>,
    /// What it wants to do.
    pub action: Action,
    /// To what.
    pub resource: Resource<'a>,
    /// Whose tenant the resource is in, as the account of its ARN; mostly empty.
    pub tenant: &'a str,
    /// What else is known.
    pub context: &'a Context,
}

/// A statement of a policy, for logs: its `Sid`, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementName {
    /// From 0.
    pub index: usize,
    /// What its author calls it.
    pub sid: Option<String>,
}

/// What a policy says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Evaluation {
    /// A statement denies it: whatever else allows it, it is denied.
    ExplicitDeny(StatementName),
    /// A statement allows it, to this requester.
    Allow(StatementName),
    /// A statement allows it to the requester's account, which has to hand it on to the requester: by a policy of the
    /// requester's.
    AllowAccount(StatementName),
    /// No statement applies.
    Implicit,
}

impl Policy {
    /// Reads a document.
    ///
    /// Cost: linear in the document, but for the check of actions and keys of a bucket's policy, which compares each
    /// action with those that S3 has.
    ///
    /// # Errors
    /// Whatever AWS refuses, with its text: more than 20 KiB without white space, no JSON, a key twice, an unknown
    /// element, operator, action or condition key, a principal or resource of no known form, an action without a
    /// resource that it applies to, a condition that no request for the action can have.
    ///
    /// Source: AWS, "IAM JSON policy reference"; "Policies and permissions in Amazon S3".
    pub fn parse(document: &[u8], attachment: Attachment<'_>) -> Result<Self, PolicyError> {
        if document.first() != Some(&b'{') {
            return Err(PolicyError::FirstByte);
        }
        let Json::Object(elements) = Json::parse(document)? else {
            return Err(PolicyError::FirstByte);
        };
        let (mut version, mut id, mut statement) = (None, None, None);
        for (name, value) in &elements {
            match name.as_str() {
                "Version" => version = Some(value),
                "Id" => id = Some(value),
                "Statement" => statement = Some(value),
                _ => return Err(PolicyError::UnknownField(name.chars().take(64).collect())),
            }
        }
        let id = match id {
            None => None,
            Some(Json::Text(text)) => Some(text.clone()),
            Some(_) => return Err(PolicyError::Syntax),
        };
        // Without a version it is the old one, in which `${…}` is text.
        let has_variables = match version {
            None => false,
            Some(Json::Text(text)) if text == "2008-10-17" => false,
            Some(Json::Text(text)) if text == "2012-10-17" => true,
            Some(_) => return Err(PolicyError::Version),
        };
        let statements = match statement {
            None => return Err(PolicyError::Missing("Statement")),
            Some(Json::List(statements)) => statements.as_slice(),
            Some(statement) => std::slice::from_ref(statement),
        };
        if statements.is_empty() {
            return Err(PolicyError::NoStatement);
        }
        let statements = statements
            .iter()
            .map(|statement| Statement::parse(statement, has_variables, attachment))
            .collect::<Result<Vec<_>, _>>()?;
        if let Attachment::Identity = attachment {
            check_sids(&statements)?;
        }
        Ok(Self { id, statements })
    }

    /// The `Id` of the document.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Everybody whom the document names, statement by statement. AWS refuses a policy that names a principal which does
    /// not exist (`Invalid principal in policy`): the caller knows who exists.
    pub fn principals(&self) -> impl Iterator<Item = &NamedPrincipal> {
        self.statements
            .iter()
            .flat_map(|statement| statement.principals.names())
    }

    /// What the policy says about a request: a denial before all, then what is allowed to the requester, then what is
    /// allowed to its account.
    ///
    /// Cost: one pass over the statements; a copy of the resource's name for each that the principal and the action fit.
    pub fn evaluate(&self, request: &PolicyRequest<'_>) -> Evaluation {
        let question = Question {
            requester: request.requester,
            action: request.action,
            resource: request.resource,
            tenant: request.tenant,
            context: request.context,
        };
        let mut result = Evaluation::Implicit;
        for (index, statement) in self.statements.iter().enumerate() {
            let Some(how) = statement.applies(question) else {
                continue;
            };
            let name = StatementName {
                index,
                sid: statement.sid.clone(),
            };
            match (statement.effect, how) {
                (Effect::Deny, _) => return Evaluation::ExplicitDeny(name),
                (Effect::Allow, Match::Direct) => {
                    if !matches!(result, Evaluation::Allow(_)) {
                        result = Evaluation::Allow(name);
                    }
                }
                (Effect::Allow, Match::ThroughAccount) => {
                    if result == Evaluation::Implicit {
                        result = Evaluation::AllowAccount(name);
                    }
                }
            }
        }
        result
    }

    /// Whether the policy lets anybody in who is nobody in particular.
    ///
    /// Source: AWS, "Blocking public access to your Amazon S3 storage", "The meaning of 'public'".
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(public::is_public)
    }
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement {} ({sid})", self.index),
            None => write!(f, "statement {}", self.index),
        }
    }
}

fn check_sids(statements: &[Statement]) -> Result<(), PolicyError> {
    let mut seen = std::collections::HashSet::new();
    let mut sids = statements
        .iter()
        .filter_map(|statement| statement.sid.as_deref());
    if sids.all(|sid| sid.is_empty() || seen.insert(sid)) {
        Ok(())
    } else {
        Err(PolicyError::SameSid)
    }
}

#[cfg(test)]
mod tests;
