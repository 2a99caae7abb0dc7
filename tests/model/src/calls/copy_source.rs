//! What a copy is made of.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::encode;
use cairn_dev_tests::wire::Answer;

use super::conditions::{ReadConditions, Verdict};
use crate::call::{
    Difference, INVALID_ARGUMENT, INVALID_REQUEST, NO_SUCH_BUCKET, NO_SUCH_KEY, NO_SUCH_VERSION,
    PRECONDITION_FAILED, Refusals, same_version,
};
use crate::draw::{Draw, STRANGE};
use crate::world::{Found, Object, Version, World};

/// A version in a bucket, with conditions on it.
#[derive(Clone, Debug)]
pub(crate) struct CopySource {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    conditions: ReadConditions,
}

impl CopySource {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let key = draw.known_key(&bucket);
        let version = draw.version(&bucket, &key);
        Self {
            conditions: ReadConditions::draw(draw, &bucket, &key, version.as_deref()),
            bucket,
            key,
            version,
        }
    }

    pub(crate) fn asked(&self, request: Request) -> Request {
        let key = encode(self.key.as_bytes(), true);
        let mut source = format!("/{}/{key}", self.bucket);
        if let Some(version) = &self.version {
            source = format!("{source}?versionId={version}");
        }
        let request = request.header("x-amz-copy-source", source);
        self.conditions.asked("x-amz-copy-source-", request)
    }

    /// What it is, if it is there and no marker.
    pub(crate) fn find<'a>(&self, world: &'a World) -> Option<(&'a Version, &'a Object)> {
        match world.find(&self.bucket, &self.key, self.version.as_deref()) {
            Found::Object(version, object) => Some((version, object)),
            _ => None,
        }
    }

    pub(crate) fn add_refusals(&self, refusals: &mut Refusals, world: &World) {
        if !world.buckets.contains_key(&self.bucket) {
            refusals.add(NO_SUCH_BUCKET);
        }
        if self.version.as_deref() == Some(STRANGE) {
            refusals.add(INVALID_ARGUMENT);
            return;
        }
        match world.find(&self.bucket, &self.key, self.version.as_deref()) {
            Found::NoVersion => refusals.add(NO_SUCH_VERSION),
            Found::Marker(_) if self.version.is_some() => refusals.add(INVALID_REQUEST),
            Found::Marker(_) | Found::NoKey => refusals.add(NO_SUCH_KEY),
            Found::Object(version, object) => {
                let verdict = self.conditions.verdict(&object.etag, &version.modified);
                refusals.add_if(verdict != Verdict::Proceed, PRECONDITION_FAILED);
            }
        }
    }

    /// Compares the version that the answer says was copied.
    ///
    /// # Errors
    /// When it is another.
    pub(crate) fn judge(&self, world: &World, answer: &Answer) -> Result<(), Difference> {
        match self.find(world) {
            Some((version, _)) => same_version(answer, "x-amz-copy-source-version-id", &version.id),
            None => Ok(()),
        }
    }
}
