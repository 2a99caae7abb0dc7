//! What a statement is about.

use cairn_types::name::BucketName;

use crate::context::Context;
use crate::decision::Resource;

use super::error::PolicyError;
use super::pattern::{Case, Pattern, Reading};
use super::vocabulary::Subject;

/// An ARN of a `Resource` or `NotResource`: compared part by part, so that a wildcard reaches over no colon but in the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResourcePattern {
    /// `*`.
    Everything,
    /// `arn:partition:service:region:account:path`.
    Arn {
        head: Box<[Pattern; 4]>,
        path: Pattern,
    },
}

const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// What resources a policy may name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allowed<'a> {
    /// This bucket and its objects.
    Bucket(&'a BucketName),
    /// Whatever S3 has.
    AnyOfS3,
    /// Whatever any service has.
    Any,
}

impl ResourcePattern {
    /// Reads one resource.
    ///
    /// Source: AWS, "IAM JSON policy elements: Resource"; "Policy resources for Amazon S3".
    pub(super) fn parse(
        text: &str,
        reading: Reading,
        allowed: Allowed<'_>,
    ) -> Result<Self, PolicyError> {
        if text == "*" {
            return match allowed {
                Allowed::Bucket(_) => Err(PolicyError::Resource),
                Allowed::AnyOfS3 | Allowed::Any => Ok(Self::Everything),
            };
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, service, region, account, path] = parts.as_slice() else {
            return Err(PolicyError::Resource);
        };
        let is_fine = match allowed {
            Allowed::Bucket(bucket) => {
                let is_plain = PARTITIONS.contains(&partition);
                let is_s3 = service == "s3" && region.is_empty() && account.is_empty();
                is_plain && is_s3 && is_within(bucket.as_str(), path)
            }
            Allowed::AnyOfS3 => service == "s3",
            Allowed::Any => !service.is_empty(),
        };
        if !is_fine || partition.is_empty() || path.is_empty() {
            return Err(PolicyError::Resource);
        }
        let read = |part| Pattern::parse(part, reading);
        Ok(Self::Arn {
            head: Box::new([read(partition), read(service), read(region), read(account)]),
            path: read(path),
        })
    }

    /// Whether it is about the resource, which belongs to a tenant (mostly the empty one). `None`: a variable in it has
    /// no value.
    pub(super) fn matches(
        &self,
        resource: Resource<'_>,
        tenant: &str,
        context: &Context,
    ) -> Option<bool> {
        let Self::Arn { head, path } = self else {
            return Some(true);
        };
        let [partition, service, region, account] = &**head;
        let fits = |pattern: &Pattern, text: &str| pattern.matches(text, context, Case::Matters);
        // One partition is as good as another: a policy that was written for a region of China means this bucket.
        let mut is_known = false;
        for name in PARTITIONS {
            is_known |= fits(partition, name)?;
        }
        let is_here = fits(service, "s3")? && fits(region, "")? && fits(account, tenant)?;
        Some(is_known && is_here && fits(path, &path_of(resource))?)
    }

    /// Whether it can be about a bucket, or about an object.
    pub(super) fn can_be(&self, subject: Subject) -> bool {
        let Self::Arn { path, .. } = self else {
            return true;
        };
        let path = path.source();
        match subject {
            Subject::Bucket => !path.contains('/'),
            Subject::Object => path.contains(['/', '*']),
        }
    }
}

/// Whether a path of an ARN can be nothing but the bucket or its objects: `bucket`, `bucket/…`, `bucket*`.
fn is_within(bucket: &str, path: &str) -> bool {
    match path.strip_prefix(bucket) {
        Some(rest) => rest.is_empty() || rest.starts_with(['/', '*']),
        None => false,
    }
}

/// The last part of a resource's ARN.
fn path_of(resource: Resource<'_>) -> String {
    match resource {
        Resource::Service => "*".to_owned(),
        Resource::Bucket(bucket) => bucket.as_str().to_owned(),
        Resource::Object(bucket, key) => format!("{}/{}", bucket.as_str(), key.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_types::name::ObjectKey;

    const READING: Reading = Reading {
        has_wildcards: true,
        has_variables: true,
    };

    fn bucket(name: &str) -> BucketName {
        BucketName::parse(name).unwrap()
    }

    fn is_about(pattern: &str, name: &str, key: Option<&str>, tenant: &str) -> Option<bool> {
        let name = bucket(name);
        let key = key.map(|key| ObjectKey::parse(key).unwrap());
        let resource = match &key {
            Some(key) => Resource::Object(&name, key),
            None => Resource::Bucket(&name),
        };
        ResourcePattern::parse(pattern, READING, Allowed::Any)
            .unwrap()
            .matches(resource, tenant, &Context::new())
    }

    #[test]
    fn a_buckets_policy_names_that_bucket_alone() {
        let parse =
            |text| ResourcePattern::parse(text, READING, Allowed::Bucket(&bucket("photos")));
        for good in [
            "arn:aws:s3:::photos",
            "arn:aws:s3:::photos/*",
            "arn:aws:s3:::photos/a:b/${aws:username}/*",
            "arn:aws:s3:::photos*",
            "arn:aws-cn:s3:::photos/",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "photos",
            "photos/*",
            "arn:aws:s3:::*",
            "arn:aws:s3:::photos2/*",
            "arn:aws:s3:::photo*",
            "arn:aws:s3:::",
            "arn:aws:s3:::other",
            "arn:aws:iam::1:user/a",
            "arn:aws:s3:us-east-1::photos",
            "arn:aws:s3::123456789012:photos",
            "arn:aws:s3::photos",
            "arn::s3:::photos",
            "arn:aws:s3:::${aws:x}",
        ] {
            assert_eq!(parse(bad), Err(PolicyError::Resource), "{bad}");
        }
    }

    #[test]
    fn other_policies_name_more() {
        let parse = |text, allowed| ResourcePattern::parse(text, READING, allowed).is_ok();
        for text in [
            "*",
            "arn:aws:s3:::*",
            "arn:aws:s3::*:photos",
            "arn:aws:s3:::other",
        ] {
            assert!(
                parse(text, Allowed::AnyOfS3) && parse(text, Allowed::Any),
                "{text}"
            );
        }
        assert!(!parse("arn:aws:sqs:::queue", Allowed::AnyOfS3));
        assert!(parse("arn:aws:sqs:::queue", Allowed::Any));
        assert!(!parse("queue", Allowed::Any));
    }

    #[test]
    fn buckets_and_objects_are_told_apart() {
        let photos = "photos";
        for (pattern, key, expected) in [
            ("*", None, true),
            ("arn:aws:s3:::photos", None, true),
            ("arn:aws:s3:::photos", Some("a"), false),
            ("arn:aws:s3:::photos/*", None, false),
            ("arn:aws:s3:::photos/*", Some("a/b:c"), true),
            ("arn:aws:s3:::photos/a?c", Some("abc"), true),
            ("arn:aws:s3:::*", Some("x"), true),
            ("arn:*:s3:::photos/*", Some("x"), true),
            ("arn:aws:s*:::photos/*", Some("x"), true),
            ("arn:aws:sqs:::photos/*", Some("x"), false),
            ("arn:aws:s3:eu::photos/*", Some("x"), false),
            ("arn:aws:s3:::Photos", None, false),
        ] {
            assert_eq!(
                is_about(pattern, photos, key, ""),
                Some(expected),
                "{pattern} {key:?}"
            );
        }
        assert_eq!(
            is_about("arn:aws:s3:::photos/${aws:username}", photos, Some("x"), ""),
            None
        );
    }

    #[test]
    fn a_tenant_is_the_account_of_the_arn() {
        assert_eq!(
            is_about("arn:aws:s3::red:photos", "photos", None, "red"),
            Some(true)
        );
        assert_eq!(
            is_about("arn:aws:s3::*:photos", "photos", None, "red"),
            Some(true)
        );
        assert_eq!(
            is_about("arn:aws:s3:::photos", "photos", None, "red"),
            Some(false)
        );
    }

    #[test]
    fn what_a_pattern_can_be_is_known_without_a_request() {
        let can = |text: &str| {
            let pattern = ResourcePattern::parse(text, READING, Allowed::Any).unwrap();
            (
                pattern.can_be(Subject::Bucket),
                pattern.can_be(Subject::Object),
            )
        };
        assert_eq!(can("arn:aws:s3:::photos"), (true, false));
        assert_eq!(can("arn:aws:s3:::photos/*"), (false, true));
        assert_eq!(can("arn:aws:s3:::photos*"), (true, true));
        assert_eq!(can("*"), (true, true));
    }
}
