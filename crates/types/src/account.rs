//! Accounts: who owns buckets and objects, and the access keys that requests are signed with.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::id::Epoch;
use crate::time::Timestamp;

/// The id of an account as S3 shows it in owners and grants. AWS's has 64 hexadecimal digits, other stores' are names such as
/// `testid` and `tenant$id`: 1 to 128 bytes of printable ASCII without what documents and headers would have to escape.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalId(Arc<str>);

/// Text that is no canonical id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a canonical id has 1 to 128 printable ASCII characters, and none of space, quotes, '<', '>', '&' and ','"
)]
pub struct CanonicalIdError;

impl CanonicalId {
    /// The longest in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks a canonical id.
    ///
    /// # Errors
    /// An empty text, one of more than 128 bytes, or one with other characters than those of a canonical id.
    pub fn parse(text: &str) -> Result<Self, CanonicalIdError> {
        let is_allowed = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'&' | b',')
        };
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.into()))
        } else {
            Err(CanonicalIdError)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CanonicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "canonical id {}", self.0)
    }
}

/// The public half of a credential: what a request names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(Arc<str>);

/// Text that is no access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access key has 3 to 128 letters, digits, '_', '-' and '.'")]
pub struct AccessKeyIdError;

impl AccessKeyId {
    /// Checks an access key: 3 to 128 ASCII letters, digits, `_`, `-` and `.`.
    ///
    /// The characters leave out `/`, `,`, `=` and blanks, which separate it from what follows in a request.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, AccessKeyIdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if (3..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(AccessKeyIdError)
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access key {:?}", &self.0)
    }
}

/// An e-mail address, by which a grant can name an account. Two that differ only in the case of ASCII letters are the same to
/// [`EmailAddress::folded`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(Arc<str>);

/// Text that is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an e-mail address has 3 to 254 printable ASCII characters, one '@' among them with something on both sides"
)]
pub struct EmailAddressError;

impl EmailAddress {
    /// Checks the form of an address, not that it is anybody's. Spaces, quotes, `<`, `>`, `&` and `,` are refused though
    /// RFC 5321 allows some of them in quotes: nobody uses these, and they stand in XML and headers.
    ///
    /// # Errors
    /// Text of another form.
    pub fn parse(text: &str) -> Result<Self, EmailAddressError> {
        let allowed = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'&' | b',')
        };
        let has_sides = text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@')
        });
        if (3..=254).contains(&text.len()) && text.bytes().all(allowed) && has_sides {
            Ok(Self(text.into()))
        } else {
            Err(EmailAddressError)
        }
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with small letters: equal for all ways to write the same one.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e-mail address {}", self.0)
    }
}

/// Somebody who owns buckets and objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What buckets, objects and grants name.
    pub id: CanonicalId,
    /// The tenant that it belongs to; empty: none.
    pub tenant: String,
    /// What people read.
    pub display_name: String,
    /// Where set, no other account has it.
    pub email: Option<EmailAddress>,
    /// When it was made.
    pub created: Timestamp,
    /// Whether its keys are of no use for now.
    pub is_suspended: bool,
}

/// A rule that an account breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Its tenant.
    #[error("a tenant has up to 64 of A-Z, a-z, 0-9, '_' and '-'")]
    Tenant,
    /// Its display name.
    #[error("a display name has up to 256 bytes, and no control characters")]
    DisplayName,
}

impl Account {
    /// Checks what the types of the fields leave open. Limits: 64 bytes of a tenant, 256 of a display name.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), AccountError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if self.tenant.len() > 64 || !self.tenant.bytes().all(allowed) {
            return Err(AccountError::Tenant);
        }
        if self.display_name.len() > 256 || self.display_name.chars().any(char::is_control) {
            return Err(AccountError::DisplayName);
        }
        Ok(())
    }
}

/// The secret half of a credential, sealed under the cluster's master key: the metadata keeps it and cannot read it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(Bytes);

/// Bytes that are no sealed secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret has 1 to 512 bytes")]
pub struct SealedSecretError;

impl SealedSecret {
    /// Takes sealed bytes. Nothing is known of them here but how many there are.
    ///
    /// # Errors
    /// None, or more than 512.
    pub fn new(sealed: Bytes) -> Result<Self, SealedSecretError> {
        if (1..=512).contains(&sealed.len()) {
            Ok(Self(sealed))
        } else {
            Err(SealedSecretError)
        }
    }

    /// The sealed bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sealed secret of {} bytes", self.0.len())
    }
}

/// An access key that was given to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedKey {
    /// What requests name; no other account has it.
    pub id: AccessKeyId,
    /// What they are signed with.
    pub secret: SealedSecret,
    /// When it was given.
    pub created: Timestamp,
    /// Whether it may be used.
    pub is_active: bool,
}

/// An account with its access keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEntry {
    /// The account.
    pub account: Account,
    /// Its keys, by id; 8 at the most.
    pub keys: Vec<IssuedKey>,
}

/// A page of the accounts there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPage {
    /// Grows with each change of an account or a key; 1 where there never was one. Pages of one epoch belong together.
    pub epoch: Epoch,
    /// The accounts, by id.
    pub entries: Vec<AccountEntry>,
    /// Whether more follow.
    pub truncated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_id_is_short_and_needs_no_escaping() {
        let longest = "f".repeat(128);
        for good in ["0af", "testid", "testx$9876", "RGW1", "a:b/c", &longest] {
            let id = CanonicalId::parse(good).unwrap();
            assert_eq!(id.as_str(), good);
        }
        let too_long = "f".repeat(129);
        for bad in [
            "", &too_long, "a b", "a\"", "a'", "<a", "a>", "a&b", "a,b", "é", "a\n",
        ] {
            assert_eq!(CanonicalId::parse(bad), Err(CanonicalIdError), "{bad}");
        }
    }

    #[test]
    fn access_keys_have_no_separators() {
        for good in ["AKIAIOSFODNN7EXAMPLE", "cairn", "a-b_c.d", &"k".repeat(128)] {
            assert!(AccessKeyId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "a/b/c", "key,", "a b c", "kéy", &"k".repeat(129)] {
            assert_eq!(AccessKeyId::parse(bad), Err(AccessKeyIdError), "{bad}");
        }
    }

    #[test]
    fn addresses_are_the_same_however_they_are_written() {
        let address = EmailAddress::parse("John.Doe@Example.com").unwrap();
        assert_eq!(address.as_str(), "John.Doe@Example.com");
        assert_eq!(address.folded(), "john.doe@example.com");
        for bad in [
            "", "@", "a@", "@b", "ab", "a@b@c", "a b@c", "a@b\n", "<a@b>",
        ] {
            assert_eq!(EmailAddress::parse(bad), Err(EmailAddressError), "{bad}");
        }
    }

    #[test]
    fn accounts_keep_to_their_limits() {
        let account = Account {
            id: CanonicalId::parse("testid").unwrap(),
            tenant: "testx".to_owned(),
            display_name: "M. Tester".to_owned(),
            email: None,
            created: Timestamp::from_millis(0),
            is_suspended: false,
        };
        assert_eq!(account.check(), Ok(()));
        let tenant = |tenant: &str| Account {
            tenant: tenant.to_owned(),
            ..account.clone()
        };
        assert_eq!(tenant("a/b").check(), Err(AccountError::Tenant));
        assert_eq!(tenant(&"t".repeat(65)).check(), Err(AccountError::Tenant));
        let named = |name: &str| Account {
            display_name: name.to_owned(),
            ..account.clone()
        };
        assert_eq!(named("Zoë & Co.").check(), Ok(()));
        assert_eq!(named("a\nb").check(), Err(AccountError::DisplayName));
        assert_eq!(
            named(&"n".repeat(257)).check(),
            Err(AccountError::DisplayName)
        );
        assert_eq!(SealedSecret::new(Bytes::new()), Err(SealedSecretError));
    }
}
