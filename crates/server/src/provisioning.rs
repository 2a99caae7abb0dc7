//! A file of users that there are to be.
//!
//! ```toml
//! [[user]]
//! id = "testid"
//! display_name = "M. Tester"          # the id when nothing is said
//! email = "tester@example.com"        # may be left out, as may `tenant`
//! access_key = "0555b35654ad1656d804"
//! secret_key = "…"
//! ```
//!
//! It is applied by whoever starts `cairn dev --provision FILE` or calls `cairn admin provision FILE`, as often as he likes:
//! what is so already is left alone, what differs is brought up to date, and who is not in the file stays.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use cairn_admin::steer::SteerError;
use cairn_admin::users::{UserSpec, Users};
use serde::Deserialize;
use toml::Spanned;

/// A file is this long at the most: some hundred bytes for each user.
const LEN_MAX: u64 = 16 * 1024 * 1024;

/// The pause before it is tried again to reach the metadata.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a file is refused. Every text is one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvisioningError {
    /// It cannot be read.
    #[error("cannot read the provisioning file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is longer than any.
    #[error("the provisioning file {} is longer than {LEN_MAX} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A line is not TOML, or a user not what a user can be.
    #[error("the provisioning file {} is not valid: line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Where; for a user where it begins.
        line: usize,
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    user: Vec<Spanned<UserSpec>>,
}

/// Reads a file and checks all of it. Blocks.
///
/// # Errors
/// Where and why it is not valid.
pub(crate) fn read(path: &Path) -> Result<Vec<UserSpec>, ProvisioningError> {
    let unreadable = |source| ProvisioningError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > LEN_MAX {
        let path = path.to_owned();
        return Err(ProvisioningError::TooLong { path });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text).map_err(|(at, reason)| ProvisioningError::Line {
        path: path.to_owned(),
        line: line_of(&text, at),
        reason,
    })
}

/// Makes all of these users what they are to be: waits for metadata that can be written as long as it takes.
///
/// # Errors
/// When the cluster refuses one. Those before it are there.
pub(crate) async fn apply(users: &Users, specs: &[UserSpec]) -> Result<()> {
    for spec in specs {
        loop {
            match users.provision(spec).await {
                Ok(done) => {
                    tracing::info!(
                        id = done.id,
                        changed = done.changed,
                        "a user is provisioned"
                    );
                    break;
                }
                Err(SteerError::Unavailable(_) | SteerError::Late(_)) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error @ (SteerError::Refused(_) | SteerError::NoSuch(_))) => {
                    let id = spec.id.as_deref().unwrap_or_default();
                    bail!("user {id} cannot be provisioned: {error}");
                }
            }
        }
    }
    Ok(())
}

/// The users of a file, or where and why it is none.
fn parse(text: &str) -> Result<Vec<UserSpec>, (usize, String)> {
    let document: Document = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (at, one_line(error.message()))
    })?;
    let (mut ids, mut keys, mut emails) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut specs = Vec::new();
    for user in document.user {
        let at = user.span().start;
        let spec = user.into_inner();
        spec.check().map_err(|error| (at, error.to_string()))?;
        let email = spec.email.as_ref().map(|email| email.to_ascii_lowercase());
        for (name, seen, value) in [
            ("id", &mut ids, spec.id.clone()),
            ("access_key", &mut keys, spec.access_key.clone()),
            (
                "email",
                &mut emails,
                email.filter(|email| !email.is_empty()),
            ),
        ] {
            if let Some(value) = value
                && !seen.insert(value.clone())
            {
                return Err((at, format!("{name} {value} is in the file twice")));
            }
        }
        specs.push(spec);
    }
    Ok(specs)
}

/// Counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count() + 1
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# users\n[[user]]\nid = 'testid'\naccess_key = '0555b35654ad1656d804'\n\
        secret_key = 'h7GhxuBLTrlhVUyxSPUKUV8r'\n\n[[user]]\nid = 'testx$98765'\ntenant = 'testx'\n\
        display_name = 'john.doe'\nemail = 'john@example.com'\naccess_key = 'NOPQRSTUVWXYZABCDEFG'\n\
        secret_key = 'nopqrstuvwxyzabcdefghijklmno'\n";

    #[test]
    fn a_file_names_users() {
        let users = parse(TWO).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(users[0].id.as_deref(), Some("testid"));
        assert_eq!(users[1].tenant.as_deref(), Some("testx"));
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (from, to, line, says) in [
            ("id = 'testid'", "id = ", 3, ""),
            ("id = 'testid'", "name = 'testid'", 3, "name"),
            ("id = 'testid'\n", "", 2, "id is missing"),
            ("tenant = 'testx'", "tenant = 'a/b'", 7, "tenant"),
            ("email = 'john@example.com'", "email = 'john'", 7, "email"),
            ("testx$98765", "testid", 7, "twice"),
            ("NOPQRSTUVWXYZABCDEFG", "0555b35654ad1656d804", 7, "twice"),
            ("nopqrstuvwxyzabcdefghijklmno", "short", 7, "secret_key"),
            (
                "[[user]]\nid = 'testid'",
                "[[users]]\nid = 'testid'",
                2,
                "users",
            ),
        ] {
            let text = TWO.replacen(from, to, 1);
            let (at, reason) = parse(&text).unwrap_err();
            assert_eq!(line_of(&text, at), line, "{to}: {reason}");
            assert!(reason.contains(says), "{to}: {reason}");
            assert!(!reason.contains('\n'), "{reason}");
        }
    }
}
