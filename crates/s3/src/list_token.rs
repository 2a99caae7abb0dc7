//! Continuation tokens: where a listing goes on.
//!
//! A token holds the `after` of the next page and a check that ties it to its bucket. It is opaque, not secret: what it
//! says could as well be asked for with `start-after`, so the check guards against mistakes and is no signature.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cairn_types::checksum::ChecksumAlgorithm;
use cairn_types::name::BucketName;

use crate::checksum::Hasher;
use crate::error::S3Error;

/// What the text of a token begins with: the version of its form.
const VERSION: u8 = 1;
/// Longer than the token of any key.
const TEXT_LIMIT: usize = 2048;

/// The token for going on after `after`, in a listing of a bucket's objects or (`None`) of buckets.
pub fn encode(bucket: Option<&BucketName>, after: &str) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&check(bucket, after));
    bytes.extend_from_slice(after.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a token.
///
/// # Errors
/// `InvalidArgument` for anything but a token of this listing.
pub fn decode(bucket: Option<&BucketName>, token: &str) -> Result<String, S3Error> {
    let incorrect = || {
        S3Error::invalid_argument(
            "continuation-token",
            token,
            "The continuation token provided is incorrect",
        )
    };
    if token.len() > TEXT_LIMIT {
        return Err(incorrect());
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| incorrect())?;
    let (version, rest) = bytes.split_first().ok_or_else(incorrect)?;
    let (found, after) = rest.split_at_checked(4).ok_or_else(incorrect)?;
    let after = std::str::from_utf8(after).map_err(|_| incorrect())?;
    if *version == VERSION && found == check(bucket, after) {
        Ok(after.to_owned())
    } else {
        Err(incorrect())
    }
}

fn check(bucket: Option<&BucketName>, after: &str) -> Vec<u8> {
    let mut hasher = Hasher::new(ChecksumAlgorithm::Crc32c);
    hasher.update(bucket.map_or("", BucketName::as_str).as_bytes());
    hasher.update(b"/");
    hasher.update(after.as_bytes());
    hasher.finish().value().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use proptest::prelude::{any, proptest};

    #[test]
    fn tokens_of_other_listings_and_made_up_ones_are_refused() {
        let bucket = BucketName::parse("bucket").unwrap();
        let other = BucketName::parse("other").unwrap();
        let token = encode(Some(&bucket), "key");
        assert_eq!(decode(Some(&bucket), &token).unwrap(), "key");
        assert!(decode(Some(&other), &token).is_err());
        assert!(decode(None, &token).is_err());
        for bad in [
            "",
            "x",
            "AAAA",
            "key",
            "a b",
            "🙂",
            &token[1..],
            &"A".repeat(1 << 20),
        ] {
            let error = decode(Some(&bucket), bad).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
        }
    }

    proptest! {
        #[test]
        fn tokens_read_back(after in any::<String>()) {
            let short = after.chars().take(250).collect::<String>();
            assert_eq!(decode(None, &encode(None, &short)).unwrap(), short);
        }
    }
}
