//! Where servers of S3 disagree: one table of decisions, each asked by its name.
//!
//! Source: AWS, "Amazon S3 API Reference", and answers recorded from S3 and from Ceph's gateway.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_iam::ownership::Ownership;

use crate::code::Code;

/// Whose answer is given where AWS and Ceph answer differently. A setting of the whole cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// As AWS does.
    #[default]
    Aws,
    /// As Ceph's gateway does.
    Ceph,
}

/// How text that is not ASCII stands in the headers of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderText {
    /// As an encoded word in UTF-8.
    ///
    /// Source: RFC 2047; AWS, "Working with object metadata".
    #[default]
    EncodedWord,
    /// As ISO 8859-1, which old HTTP has for headers, where it has all the letters, and else as UTF-8.
    Latin1,
}

/// What becomes of a request of a bucket's owner to make it once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recreation {
    /// The bucket stays as it is and the request succeeds.
    Succeeds,
    /// It is refused with this.
    Fails(Code),
}

impl Dialect {
    /// As the setting names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Ceph => "ceph",
        }
    }

    /// The dialect of this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Aws, Self::Ceph]
            .into_iter()
            .find(|dialect| dialect.as_str() == text)
    }

    /// The ownership setting that a new bucket has when its maker names none. AWS: `BucketOwnerEnforced`, so that ACLs cannot
    /// be set, or `BucketOwnerPreferred` for who says `private`, as clients do that go on to say so of every object. Ceph: none is
    /// set, and ACLs work as under `ObjectWriter`.
    pub const fn ownership_of_new_bucket(self, is_said_private: bool) -> Option<Ownership> {
        match self {
            Self::Aws if is_said_private => Some(Ownership::BucketOwnerPreferred),
            Self::Aws => Some(Ownership::BucketOwnerEnforced),
            Self::Ceph => None,
        }
    }

    /// A bucket is made again by its owner. AWS refuses, but for its first region. Ceph lets it pass, unless another ACL is
    /// asked for: then it answers as to a stranger.
    pub fn bucket_made_again(self, region: &str, has_same_acl: bool) -> Recreation {
        match self {
            Self::Aws if region == "us-east-1" => Recreation::Succeeds,
            Self::Aws => Recreation::Fails(Code::BucketAlreadyOwnedByYou),
            Self::Ceph if has_same_acl => Recreation::Succeeds,
            Self::Ceph => Recreation::Fails(Code::BucketAlreadyExists),
        }
    }

    /// Whether a bucket that was never told how to encrypt reports `AES256` (AWS), or that nothing was configured (Ceph).
    pub const fn reports_default_encryption(self) -> bool {
        matches!(self, Self::Aws)
    }

    /// Whether `GetBucketPolicyStatus` of a bucket without policy tells by its ACL whether it is public (Ceph), or that there is
    /// no policy (AWS).
    pub const fn tells_policy_status_by_acl(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// A part is read that the object does not have.
    pub const fn part_out_of_range(self) -> Code {
        match self {
            Self::Aws => Code::InvalidPartNumber,
            Self::Ceph => Code::InvalidPart,
        }
    }

    /// Whether a write may say `If-Match: *` and `If-None-Match: <etag>` (Ceph), or these are not implemented (AWS).
    pub const fn evaluates_every_write_condition(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// `X-Amz-Expires` is no number from 1 to a week in seconds.
    pub const fn presigned_expiry_out_of_range(self) -> Code {
        match self {
            Self::Aws => Code::AuthorizationQueryParametersError,
            Self::Ceph => Code::AccessDenied,
        }
    }

    /// Whether a deletion may depend on length and time (Ceph); AWS has that for directory buckets only.
    pub const fn evaluates_delete_conditions_on_size_and_time(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// An object that is encrypted with a key of its reader's is read with another.
    pub const fn wrong_customer_key(self) -> Code {
        match self {
            Self::Aws => Code::AccessDenied,
            Self::Ceph => Code::InvalidRequest,
        }
    }

    /// An object is to have more than ten tags.
    pub const fn too_many_tags(self) -> Code {
        match self {
            Self::Aws => Code::BadRequest,
            Self::Ceph => Code::InvalidTag,
        }
    }

    /// Whether an empty `continuation-token` is as good as none (Ceph), or one that cannot be (AWS).
    pub const fn takes_empty_token(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// Whether `StartAfter` is repeated beside a token, which outweighs it.
    pub const fn echoes_start_after_beside_token(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// What a space becomes in keys that are url-encoded.
    pub const fn space_in_encoded_keys(self) -> &'static str {
        match self {
            Self::Aws => "+",
            Self::Ceph => "%20",
        }
    }

    /// Whether `ListObjects` of the first version repeats the prefix url-encoded where it was asked to encode (AWS), or as it was
    /// sent (Ceph).
    pub const fn encodes_prefix_of_first_version(self) -> bool {
        matches!(self, Self::Aws)
    }

    /// Whether the grants of groups stand before all others in an ACL (Ceph), or every grant where it was put (AWS).
    pub const fn tells_groups_first(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// How metadata that is not ASCII is told.
    pub const fn metadata_text(self) -> HeaderText {
        match self {
            Self::Aws => HeaderText::EncodedWord,
            Self::Ceph => HeaderText::Latin1,
        }
    }

    /// A default retention of less than a day or a year.
    pub const fn retention_below_one(self) -> Code {
        match self {
            Self::Aws => Code::InvalidArgument,
            Self::Ceph => Code::InvalidRetentionPeriod,
        }
    }

    /// The value of a checksum is none that its algorithm gives.
    pub const fn bad_checksum_value(self) -> Code {
        match self {
            Self::Aws => Code::InvalidRequest,
            Self::Ceph => Code::BadDigest,
        }
    }

    /// Whether of a part that is listed twice in `CompleteMultipartUpload` the last counts (Ceph), or the list is out of order
    /// (AWS).
    pub const fn takes_last_of_repeated_parts(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// `UploadPartCopy` asks for bytes that the source does not have.
    pub const fn copy_range_beyond_end(self) -> Code {
        match self {
            Self::Aws => Code::InvalidArgument,
            Self::Ceph => Code::InvalidRange,
        }
    }

    /// Whether `Access-Control-Request-Method` in a request that is no preflight request says which method the bucket's rules for
    /// other origins are asked about (Ceph), or its own method does (AWS).
    pub const fn lets_request_method_choose_cors_rule(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// Whether `GetObjectAttributes` lists the parts of an upload that had no checksums (Ceph), or only says how many there are
    /// (AWS).
    pub const fn lists_parts_without_checksums(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// Whether a bucket's policy may be about resources of any bucket, `arn:aws:s3:::*`, and have statements that can never apply
    /// (Ceph), or is about this bucket only and says nothing in vain (AWS).
    pub const fn takes_lax_policies(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// Whether who puts a bucket's policy may give up the right to change it again, which its owner otherwise has whatever the policy
    /// says: `x-amz-confirm-remove-self-bucket-access` (Ceph). AWS takes the header and leaves the owner that right.
    pub const fn lets_policies_shut_owners_out(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// Whether signatures of version 2 are taken unless that is set otherwise; AWS takes none of a new account.
    pub const fn takes_version_two_signatures(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// Whether who does not sign is told of no buckets (Ceph), or is refused (AWS), when listing them.
    pub const fn lists_no_buckets_to_anonymous(self) -> bool {
        matches!(self, Self::Ceph)
    }

    /// Whether Ceph's additions are served: `/tenant:bucket` paths, `?usage`, `X-RGW-` headers, `allow-unordered`.
    pub const fn serves_rgw_extensions(self) -> bool {
        matches!(self, Self::Ceph)
    }
}

impl HeaderText {
    /// The bytes of a text in a header.
    pub fn encode(self, text: &str) -> Vec<u8> {
        if text.is_ascii() {
            return text.as_bytes().to_vec();
        }
        match self {
            Self::EncodedWord => format!("=?UTF-8?B?{}?=", STANDARD.encode(text)).into_bytes(),
            Self::Latin1 => {
                let letters = text.chars().map(|letter| u8::try_from(u32::from(letter)));
                let letters: Result<Vec<u8>, _> = letters.collect();
                letters.unwrap_or_else(|_| text.as_bytes().to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Decision = fn(Dialect) -> Code;

    #[test]
    fn text_that_is_not_ascii_is_told_as_the_dialect_does() {
        let encode = |dialect: Dialect, text: &str| dialect.metadata_text().encode(text);
        for dialect in [Dialect::Aws, Dialect::Ceph] {
            assert_eq!(encode(dialect, "plain"), b"plain");
        }
        assert_eq!(encode(Dialect::Aws, "Zo\u{eb}"), b"=?UTF-8?B?Wm/Dqw==?=");
        assert_eq!(encode(Dialect::Ceph, "Zo\u{eb}"), b"Zo\xeb");
        assert_eq!(encode(Dialect::Ceph, "\u{20ac}"), "\u{20ac}".as_bytes());
    }

    #[test]
    fn names_are_read_back_and_aws_is_what_is_not_said() {
        for dialect in [Dialect::Aws, Dialect::Ceph] {
            assert_eq!(Dialect::parse(dialect.as_str()), Some(dialect));
        }
        assert_eq!(Dialect::parse("AWS"), None);
        assert_eq!(Dialect::default(), Dialect::Aws);
    }

    #[test]
    fn a_bucket_that_is_made_again_is_taken_as_each_dialect_does() {
        let again = |dialect: Dialect, region: &str, same| dialect.bucket_made_again(region, same);
        for same in [true, false] {
            assert_eq!(again(Dialect::Aws, "us-east-1", same), Recreation::Succeeds);
            assert_eq!(
                again(Dialect::Aws, "eu-west-1", same),
                Recreation::Fails(Code::BucketAlreadyOwnedByYou)
            );
        }
        assert_eq!(again(Dialect::Ceph, "x", true), Recreation::Succeeds);
        assert_eq!(
            again(Dialect::Ceph, "us-east-1", false),
            Recreation::Fails(Code::BucketAlreadyExists)
        );
    }

    #[test]
    fn every_code_of_the_table_has_the_status_that_clients_of_its_dialect_expect() {
        let rows: [(Decision, u16, u16); 8] = [
            (Dialect::part_out_of_range, 416, 400),
            (Dialect::presigned_expiry_out_of_range, 400, 403),
            (Dialect::wrong_customer_key, 403, 400),
            (Dialect::too_many_tags, 400, 400),
            (Dialect::retention_below_one, 400, 400),
            (Dialect::bad_checksum_value, 400, 400),
            (Dialect::copy_range_beyond_end, 400, 416),
            (
                |dialect| match dialect.bucket_made_again("x", false) {
                    Recreation::Fails(code) => code,
                    Recreation::Succeeds => Code::NotModified,
                },
                409,
                409,
            ),
        ];
        for (decision, aws, ceph) in rows {
            assert_ne!(decision(Dialect::Aws), decision(Dialect::Ceph));
            assert_eq!(decision(Dialect::Aws).status(), aws);
            assert_eq!(decision(Dialect::Ceph).status(), ceph);
        }
    }
}
