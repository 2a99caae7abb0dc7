//! Names that users choose.

use std::fmt;
use std::sync::Arc;

/// The name of a bucket, of the form that S3 allows. Names that S3 keeps for itself have that form too: only who makes a bucket
/// asks, so that a name that is reserved later stays readable where it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(Arc<str>);

/// Why a text is no bucket name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BucketNameError {
    /// Shorter than 3 or longer than 63 characters.
    #[error("a bucket name has 3 to 63 characters")]
    Length,
    /// A character other than a–z, 0–9, `.` and `-`.
    #[error("a bucket name has only the characters a-z, 0-9, '.' and '-'")]
    Character,
    /// It begins or ends with `.` or `-`.
    #[error("a bucket name begins and ends with a letter or a digit")]
    Edge,
    /// Two dots in a row, or a dot beside a hyphen.
    #[error("a bucket name has no dot beside another dot or a hyphen")]
    Dots,
    /// Four numbers with dots between.
    #[error("a bucket name is not an IP address")]
    IpAddress,
    /// A prefix or suffix that S3 keeps for itself.
    #[error("the prefix or suffix of this bucket name is reserved")]
    Reserved,
}

impl BucketName {
    const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

    /// Checks a name against the rules for general purpose buckets, but for what is reserved.
    ///
    /// # Errors
    /// The first rule that is broken.
    ///
    /// Source: AWS, "General purpose bucket naming rules".
    pub fn parse(text: &str) -> Result<Self, BucketNameError> {
        if !(3..=63).contains(&text.len()) {
            return Err(BucketNameError::Length);
        }
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-'
        };
        if !text.bytes().all(allowed) {
            return Err(BucketNameError::Character);
        }
        if text.starts_with(['.', '-']) || text.ends_with(['.', '-']) {
            return Err(BucketNameError::Edge);
        }
        if ["..", ".-", "-."].iter().any(|pair| text.contains(pair)) {
            return Err(BucketNameError::Dots);
        }
        if text.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(BucketNameError::IpAddress);
        }
        Ok(Self(text.into()))
    }

    /// Checks that a bucket may be made under this name: that it has no prefix or suffix that S3 keeps for itself.
    ///
    /// # Errors
    /// `Reserved`.
    ///
    /// Source: AWS, "General purpose bucket naming rules".
    pub fn check_unreserved(&self) -> Result<(), BucketNameError> {
        let mut prefixes = Self::RESERVED_PREFIXES.iter();
        let mut suffixes = Self::RESERVED_SUFFIXES.iter();
        if prefixes.any(|prefix| self.0.starts_with(prefix))
            || suffixes.any(|suffix| self.0.ends_with(suffix))
        {
            return Err(BucketNameError::Reserved);
        }
        Ok(())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {:?}", &self.0)
    }
}

/// The key of an object: 1 to 1,024 bytes of UTF-8, opaque. It is never a path: `a/../b` is just these six characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

/// Why a text is no object key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectKeyError {
    /// No characters at all.
    #[error("a key has at least one byte")]
    Empty,
    /// More than 1,024 bytes.
    #[error("a key has at most 1024 bytes, this one has {len}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl ObjectKey {
    /// The longest key in bytes.
    pub const MAX_LEN: usize = 1024;

    /// Checks a key.
    ///
    /// # Errors
    /// An empty text, or one of more than 1,024 bytes.
    pub fn parse(text: &str) -> Result<Self, ObjectKeyError> {
        match text.len() {
            0 => Err(ObjectKeyError::Empty),
            1..=Self::MAX_LEN => Ok(Self(text.into())),
            len => Err(ObjectKeyError::TooLong { len }),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {:?}", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        let good = ["abc", "a.b-c", "my-bucket.2024", "0ab", &"a".repeat(63)];
        for name in good {
            assert!(BucketName::parse(name).is_ok(), "{name}");
        }
        for (name, error) in [
            ("ab", BucketNameError::Length),
            (&"a".repeat(64)[..], BucketNameError::Length),
            ("Abc", BucketNameError::Character),
            ("a_b", BucketNameError::Character),
            ("a/b", BucketNameError::Character),
            ("-ab", BucketNameError::Edge),
            ("ab.", BucketNameError::Edge),
            ("a..b", BucketNameError::Dots),
            ("a.-b", BucketNameError::Dots),
            ("a-.b", BucketNameError::Dots),
            ("192.168.0.1", BucketNameError::IpAddress),
        ] {
            assert_eq!(BucketName::parse(name), Err(error), "{name}");
        }
    }

    #[test]
    fn reserved_names_are_names_but_not_for_new_buckets() {
        for name in [
            "xn--abc",
            "sthree-abc",
            "amzn-s3-demo-abc",
            "abc-s3alias",
            "abc--ol-s3",
            "abc.mrap",
            "abc--x-s3",
            "abc--table-s3",
        ] {
            let name = BucketName::parse(name).unwrap();
            assert_eq!(name.check_unreserved(), Err(BucketNameError::Reserved));
        }
        for name in ["abc", "s3alias", "my-xn--abc"] {
            let name = BucketName::parse(name).unwrap();
            assert_eq!(name.check_unreserved(), Ok(()));
        }
    }

    #[test]
    fn keys_have_1_to_1024_bytes() {
        assert_eq!(ObjectKey::parse(""), Err(ObjectKeyError::Empty));
        assert!(ObjectKey::parse(&"é".repeat(512)).is_ok());
        assert_eq!(
            ObjectKey::parse(&"é".repeat(513)),
            Err(ObjectKeyError::TooLong { len: 1026 })
        );
    }
}
