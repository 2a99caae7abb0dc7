//! Whom a statement is about.

use crate::identity::CanonicalId;
use crate::requester::Requester;

use super::error::PolicyError;
use super::json::Json;

/// One name in a `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedPrincipal {
    /// `*`: everybody, also who did not sign.
    Everyone,
    /// An account, by its number or the ARN of its root.
    Account(String),
    /// An account, by its canonical id.
    CanonicalUser(CanonicalId),
    /// A user, a role or a session, by its ARN.
    Arn(String),
    /// A service.
    Service(String),
    /// Somebody whom another identity provider knows, by the provider's name.
    Federated(String),
}

/// How a name is a requester's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// It names the requester's account: what the account may do it can hand on, but its users do not have it yet.
    ThroughAccount,
    /// It names the requester.
    Direct,
}

impl NamedPrincipal {
    /// Reads the value of `Principal` or `NotPrincipal`: `"*"`, or an object of kinds with a name or a list of names.
    ///
    /// Source: AWS, "AWS JSON policy elements: Principal".
    pub(super) fn parse_all(value: &Json) -> Result<Vec<Self>, PolicyError> {
        let kinds = match value {
            Json::Text(text) if text == "*" => return Ok(vec![Self::Everyone]),
            Json::Object(kinds) => kinds,
            Json::Text(_) => return Err(PolicyError::Principal),
            Json::Null | Json::Bare(_) | Json::List(_) => return Err(PolicyError::Syntax),
        };
        let mut names = Vec::new();
        for (kind, value) in kinds {
            let texts = match value {
                Json::List(texts) => texts.as_slice(),
                text => std::slice::from_ref(text),
            };
            for text in texts {
                let Json::Text(text) = text else {
                    return Err(PolicyError::Syntax);
                };
                names.push(Self::parse(kind, text).ok_or(PolicyError::Principal)?);
            }
        }
        if names.is_empty() {
            return Err(PolicyError::Empty("Principal"));
        }
        Ok(names)
    }

    fn parse(kind: &str, text: &str) -> Option<Self> {
        match kind {
            "AWS" if text == "*" => Some(Self::Everyone),
            "AWS" if is_account_number(text) => Some(Self::Account(text.to_owned())),
            "AWS" => Self::parse_arn(text),
            // It would be an id like others, and who writes it means everybody: he is told that it is not so.
            "CanonicalUser" if text.contains(['*', '?']) => None,
            "CanonicalUser" => CanonicalId::parse(text).ok().map(Self::CanonicalUser),
            "Service" if is_plain(text) && text.contains('.') => {
                Some(Self::Service(text.to_owned()))
            }
            "Federated" if is_plain(text) => Some(Self::Federated(text.to_owned())),
            _ => None,
        }
    }

    /// An ARN of IAM or of a session. Wildcards are none: a principal is named whole.
    fn parse_arn(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (scheme, partition) = (parts.next()?, parts.next()?);
        let (service, region) = (parts.next()?, parts.next()?);
        let (account, name) = (parts.next()?, parts.next()?);
        let is_iam = scheme == "arn" && is_plain(partition) && region.is_empty();
        if !is_iam || !(account.is_empty() || is_plain(account)) || !is_plain(name) {
            return None;
        }
        let has_kind = |kinds: &[&str]| {
            name.split_once('/')
                .is_some_and(|(kind, rest)| kinds.contains(&kind) && !rest.is_empty())
        };
        match service {
            "iam" if name == "root" && !account.is_empty() => {
                Some(Self::Account(account.to_owned()))
            }
            "iam" if has_kind(&["user", "role"]) => Some(Self::Arn(text.to_owned())),
            "sts" if has_kind(&["assumed-role", "federated-user"]) => {
                Some(Self::Arn(text.to_owned()))
            }
            _ => None,
        }
    }

    /// How the name is the requester's, if it is.
    pub(super) fn matches(&self, requester: &Requester<'_>) -> Option<Match> {
        if *self == Self::Everyone {
            return Some(Match::Direct);
        }
        if let (Self::Service(name), Requester::Service(service)) = (self, requester) {
            return (name == service).then_some(Match::Direct);
        }
        let principal = requester.principal()?;
        let is_of_account = match self {
            Self::Account(account) => account == principal.account,
            Self::CanonicalUser(owner) => owner == principal.owner,
            Self::Arn(arn) => return principal.arns.contains(arn).then_some(Match::Direct),
            Self::Everyone | Self::Service(_) | Self::Federated(_) => false,
        };
        is_of_account.then(|| {
            if principal.is_account_root() {
                Match::Direct
            } else {
                Match::ThroughAccount
            }
        })
    }
}

/// A number of an account of AWS, or one that Ceph makes, without an ARN around it.
fn is_account_number(text: &str) -> bool {
    let (digits, count) = match text.strip_prefix("RGW") {
        Some(digits) => (digits, 17),
        None => (text, 12),
    };
    digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name without wildcards, variables, blanks or control characters.
fn is_plain(text: &str) -> bool {
    let is_special = |letter: char| {
        matches!(letter, '*' | '?' | '{' | '}') || letter.is_whitespace() || letter.is_control()
    };
    !text.is_empty() && !text.contains(is_special)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requester::{Principal, Standing};

    fn parse(document: &str) -> Result<Vec<NamedPrincipal>, PolicyError> {
        let document = format!("{{\"Principal\": {document}}}");
        let Ok(Json::Object(fields)) = Json::parse(document.as_bytes()) else {
            panic!("{document}");
        };
        NamedPrincipal::parse_all(&fields[0].1)
    }

    #[test]
    fn every_form_of_a_principal_is_read() {
        let id = "0123456789abcdef".repeat(4);
        let account = |text: &str| NamedPrincipal::Account(text.to_owned());
        let arn = |text: &str| NamedPrincipal::Arn(text.to_owned());
        for (document, expected) in [
            (r#""*""#.to_owned(), NamedPrincipal::Everyone),
            (r#"{"AWS": "*"}"#.to_owned(), NamedPrincipal::Everyone),
            (r#"{"AWS": ["*"]}"#.to_owned(), NamedPrincipal::Everyone),
            (
                r#"{"AWS": "123456789012"}"#.to_owned(),
                account("123456789012"),
            ),
            (
                r#"{"AWS": "RGW12345678901234567"}"#.to_owned(),
                account("RGW12345678901234567"),
            ),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:root"}"#.to_owned(),
                account("123456789012"),
            ),
            (
                r#"{"AWS": "arn:aws-cn:iam::s3tenant1:root"}"#.to_owned(),
                account("s3tenant1"),
            ),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:user/path/to/alice"}"#.to_owned(),
                arn("arn:aws:iam::123456789012:user/path/to/alice"),
            ),
            (
                r#"{"AWS": "arn:aws:iam:::user/testid"}"#.to_owned(),
                arn("arn:aws:iam:::user/testid"),
            ),
            (
                r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/reader/one"}"#.to_owned(),
                arn("arn:aws:sts::123456789012:assumed-role/reader/one"),
            ),
            (
                format!(r#"{{"CanonicalUser": "{id}"}}"#),
                NamedPrincipal::CanonicalUser(CanonicalId::parse(&id).unwrap()),
            ),
            (
                r#"{"Service": "logging.s3.amazonaws.com"}"#.to_owned(),
                NamedPrincipal::Service("logging.s3.amazonaws.com".to_owned()),
            ),
            (
                r#"{"Federated": "accounts.google.com"}"#.to_owned(),
                NamedPrincipal::Federated("accounts.google.com".to_owned()),
            ),
        ] {
            assert_eq!(parse(&document), Ok(vec![expected]), "{document}");
        }
        assert_eq!(
            parse(r#"{"AWS": ["123456789012", "*"], "Service": "a.b"}"#)
                .unwrap()
                .len(),
            3
        );
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for (document, error) in [
            (r#""123456789012""#, PolicyError::Principal),
            (r#""""#, PolicyError::Principal),
            ("[]", PolicyError::Syntax),
            ("1", PolicyError::Syntax),
            ("null", PolicyError::Syntax),
            ("{}", PolicyError::Empty("Principal")),
            (r#"{"AWS": []}"#, PolicyError::Empty("Principal")),
            (r#"{"AWS": 123456789012}"#, PolicyError::Syntax),
            (r#"{"AWS": {"a": "b"}}"#, PolicyError::Syntax),
            (r#"{"AWS": ""}"#, PolicyError::Principal),
            (r#"{"AWS": "alice"}"#, PolicyError::Principal),
            (r#"{"AWS": "12345678901"}"#, PolicyError::Principal),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:*"}"#,
                PolicyError::Principal,
            ),
            (r#"{"AWS": "arn:aws:iam::*:root"}"#, PolicyError::Principal),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:user/*"}"#,
                PolicyError::Principal,
            ),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:user/"}"#,
                PolicyError::Principal,
            ),
            (
                r#"{"AWS": "arn:aws:iam::123456789012:group/g"}"#,
                PolicyError::Principal,
            ),
            (r#"{"AWS": "arn:aws:iam:::root"}"#, PolicyError::Principal),
            (r#"{"AWS": "arn:aws:s3:::bucket"}"#, PolicyError::Principal),
            (
                r#"{"AWS": "arn:aws:iam:us-east-1:123456789012:user/a"}"#,
                PolicyError::Principal,
            ),
            (r#"{"aws": "*"}"#, PolicyError::Principal),
            (r#"{"CanonicalUser": "*"}"#, PolicyError::Principal),
            (r#"{"Service": "*"}"#, PolicyError::Principal),
            (r#"{"Federated": "*"}"#, PolicyError::Principal),
        ] {
            assert_eq!(parse(document), Err(error), "{document}");
        }
    }

    #[test]
    fn a_name_is_a_requesters_directly_or_through_its_account() {
        let id = CanonicalId::parse(&"a".repeat(64)).unwrap();
        let other = CanonicalId::parse(&"b".repeat(64)).unwrap();
        let arns = ["arn:aws:iam::123456789012:user/alice".to_owned()];
        let with = |standing| {
            Requester::Principal(Principal {
                owner: &id,
                account: "123456789012",
                arns: &arns,
                standing,
            })
        };
        let (root, user) = (with(Standing::Account), with(Standing::Policies(&[])));
        let account = NamedPrincipal::Account("123456789012".to_owned());
        assert_eq!(account.matches(&root), Some(Match::Direct));
        assert_eq!(account.matches(&user), Some(Match::ThroughAccount));
        assert_eq!(account.matches(&Requester::Anonymous), None);
        assert_eq!(
            NamedPrincipal::Account("210987654321".to_owned()).matches(&root),
            None
        );
        assert_eq!(
            NamedPrincipal::CanonicalUser(id.clone()).matches(&user),
            Some(Match::ThroughAccount)
        );
        assert_eq!(NamedPrincipal::CanonicalUser(other).matches(&root), None);
        assert_eq!(
            NamedPrincipal::Arn(arns[0].clone()).matches(&user),
            Some(Match::Direct)
        );
        assert_eq!(
            NamedPrincipal::Everyone.matches(&Requester::Anonymous),
            Some(Match::Direct)
        );
        let service = NamedPrincipal::Service("a.b".to_owned());
        assert_eq!(
            service.matches(&Requester::Service("a.b")),
            Some(Match::Direct)
        );
        assert_eq!(service.matches(&Requester::Service("a.c")), None);
        assert_eq!(service.matches(&root), None);
    }
}
