//! Reading one field of a message strictly.
//!
//! For the conversions of this crate, and for those of records and services that embed its messages.

use std::fmt;

use bytes::Bytes;
use cairn_types::account::{CanonicalId, CanonicalIdError};
use cairn_types::name::{BucketName, BucketNameError, ObjectKey, ObjectKeyError};

/// Bytes of an id or hash of 128 bits.
const LEN_128: usize = 16;

/// A field of a message, to say where bytes were wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    message: &'static str,
    name: &'static str,
}

/// Foreign bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf at all, or a field of another type.
    #[error("not a message of this schema")]
    Wire(#[source] prost::DecodeError),
    /// A field that is never absent is absent: a message, or every field of a oneof.
    #[error("{at} is not set")]
    Missing {
        /// Where.
        at: Field,
    },
    /// Bytes of another length.
    #[error("{at} has {len} bytes instead of {wanted}")]
    Length {
        /// Where.
        at: Field,
        /// Its length.
        len: usize,
        /// What it should be.
        wanted: usize,
    },
    /// A number larger than the type it stands for.
    #[error("{at} is {number}, out of range")]
    OutOfRange {
        /// Where.
        at: Field,
        /// The number.
        number: u32,
    },
    /// A number that no value of the enum has; a newer release may know it.
    #[error("{at} is {number}, no known value")]
    UnknownValue {
        /// Where.
        at: Field,
        /// The number.
        number: i32,
    },
    /// A text that is no bucket name.
    #[error("{at} is no bucket name")]
    BucketName {
        /// Where.
        at: Field,
        /// Why.
        #[source]
        source: BucketNameError,
    },
    /// A text that is no object key.
    #[error("{at} is no object key")]
    ObjectKey {
        /// Where.
        at: Field,
        /// Why.
        #[source]
        source: ObjectKeyError,
    },
    /// A text that is no canonical id.
    #[error("{at} is no canonical id")]
    CanonicalId {
        /// Where.
        at: Field,
        /// Why.
        #[source]
        source: CanonicalIdError,
    },
    /// A rule of the noun is broken.
    #[error("{at} breaks a rule: {rule}")]
    Rule {
        /// Where.
        at: Field,
        /// The rule.
        rule: &'static str,
    },
    /// The form has a version that this release does not know.
    #[error("written by a newer release: {what} of form {version}, this release knows {known}")]
    NewerForm {
        /// What it is.
        what: &'static str,
        /// The version of its form.
        version: u8,
        /// The newest that is known.
        known: u8,
    },
}

impl Field {
    /// The field with this name of the message with this name, both as the schema writes them.
    pub const fn new(message: &'static str, name: &'static str) -> Self {
        Self { message, name }
    }

    /// What was set.
    ///
    /// # Errors
    /// `Missing`.
    pub fn required<T>(self, value: Option<T>) -> Result<T, DecodeError> {
        value.ok_or(DecodeError::Missing { at: self })
    }

    /// The noun of a message that was set.
    ///
    /// # Errors
    /// `Missing`, or what is wrong inside the message.
    pub fn noun<P, T>(self, message: Option<P>) -> Result<T, DecodeError>
    where
        T: TryFrom<P, Error = DecodeError>,
    {
        T::try_from(self.required(message)?)
    }

    /// 16 bytes.
    ///
    /// # Errors
    /// `Length`.
    pub fn bytes_16(self, bytes: &[u8]) -> Result<[u8; LEN_128], DecodeError> {
        bytes.try_into().map_err(|_| DecodeError::Length {
            at: self,
            len: bytes.len(),
            wanted: LEN_128,
        })
    }

    /// The 128 bits that `bits_128` wrote.
    ///
    /// # Errors
    /// `Length`.
    pub fn bits_128(self, bytes: &[u8]) -> Result<u128, DecodeError> {
        self.bytes_16(bytes).map(u128::from_be_bytes)
    }

    /// The number in the narrower type that it stands for.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn narrow<T: TryFrom<u32>>(self, number: u32) -> Result<T, DecodeError> {
        T::try_from(number).map_err(|_| DecodeError::OutOfRange { at: self, number })
    }

    /// The value of a generated enum with this number. The enum's zero is a value here: refuse it where it is matched.
    ///
    /// # Errors
    /// `UnknownValue`.
    pub fn value<E: TryFrom<i32>>(self, number: i32) -> Result<E, DecodeError> {
        E::try_from(number).map_err(|_| self.unknown(number))
    }

    /// The error for a number that no value of an enum has.
    pub const fn unknown(self, number: i32) -> DecodeError {
        DecodeError::UnknownValue { at: self, number }
    }

    /// The error for a broken rule.
    pub const fn breaks(self, rule: &'static str) -> DecodeError {
        DecodeError::Rule { at: self, rule }
    }

    /// An object's key.
    ///
    /// # Errors
    /// `ObjectKey`.
    pub fn object_key(self, text: &str) -> Result<ObjectKey, DecodeError> {
        ObjectKey::parse(text).map_err(|source| DecodeError::ObjectKey { at: self, source })
    }

    /// A canonical id.
    ///
    /// # Errors
    /// `CanonicalId`.
    pub fn canonical_id(self, text: &str) -> Result<CanonicalId, DecodeError> {
        CanonicalId::parse(text).map_err(|source| DecodeError::CanonicalId { at: self, source })
    }

    /// A bucket's name.
    ///
    /// # Errors
    /// `BucketName`.
    pub fn bucket_name(self, text: &str) -> Result<BucketName, DecodeError> {
        BucketName::parse(text).map_err(|source| DecodeError::BucketName { at: self, source })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.message, self.name)
    }
}

impl From<prost::DecodeError> for DecodeError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Wire(error)
    }
}

/// An id or hash of 128 bits as the schema writes it: 16 bytes, big endian. Allocates.
pub fn bits_128(bits: u128) -> Bytes {
    Bytes::copy_from_slice(&bits.to_be_bytes())
}

/// The messages of nouns, in order.
pub fn messages<'a, T, P: From<&'a T>>(nouns: &'a [T]) -> Vec<P> {
    nouns.iter().map(P::from).collect()
}

/// The nouns of messages, in order.
///
/// # Errors
/// What is wrong with the first that is not right.
pub fn nouns<P, T>(messages: Vec<P>) -> Result<Vec<T>, DecodeError>
where
    T: TryFrom<P, Error = DecodeError>,
{
    messages.into_iter().map(T::try_from).collect()
}
