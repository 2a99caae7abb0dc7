//! `DeleteObject`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use crate::call::{
    ACCESS_DENIED, Call, INVALID_ARGUMENT, Judged, Manner, Next, PRECONDITION_FAILED, Refusals,
    Touches, new_version, quoted, same_header, same_version,
};
use crate::draw::{Draw, STRANGE};
use crate::world::{Found, NULL, Versioning, World};

#[derive(Clone, Debug)]
pub(crate) struct DeleteObject {
    bucket: String,
    key: String,
    version: Option<String>,
    bypasses: bool,
    /// Only of keys that have an object: AWS says of others nothing that could be held against anybody.
    matches: Option<String>,
}

impl DeleteObject {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let key = draw.known_key(&bucket);
        let version = if draw.chance(25) {
            let versions = draw.world.versions(&bucket, &key).iter();
            draw.one_of(versions.map(|version| version.id.clone()))
        } else {
            draw.version(&bucket, &key)
        };
        let is_current = draw.world.current(&bucket, &key).is_some() && version.is_none();
        let matches = (is_current && draw.chance(10)).then(|| draw.etag(&bucket, &key));
        Self {
            bypasses: draw.chance(40),
            bucket,
            key,
            version,
            matches,
        }
    }

    /// Of one version, whatever retains it.
    pub(crate) fn of(bucket: &str, key: &str, version: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: Some(version.to_owned()),
            bypasses: true,
            matches: None,
        }
    }

    fn refusals(&self, world: &World) -> Refusals {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        refusals.add_if(self.version.as_deref() == Some(STRANGE), INVALID_ARGUMENT);
        let found = world.find(&self.bucket, &self.key, self.version.as_deref());
        if let Found::Object(_, object) = found {
            let is_named = self.version.is_some();
            refusals.add_if(is_named && object.is_locked(self.bypasses), ACCESS_DENIED);
            let fails = self
                .matches
                .as_ref()
                .is_some_and(|etag| *etag != object.etag);
            refusals.add_if(fails, PRECONDITION_FAILED);
        }
        refusals
    }
}

impl Call for DeleteObject {
    fn touches(&self) -> Touches {
        Touches::key(&self.bucket, &self.key)
    }

    fn request(&self) -> Request {
        let mut request = Request::key("DELETE", &self.bucket, &self.key);
        if let Some(version) = &self.version {
            request = request.query("versionId", version);
        }
        if self.bypasses {
            request = request.header("x-amz-bypass-governance-retention", "true");
        }
        if let Some(etag) = &self.matches {
            request = request.header("if-match", quoted(etag));
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        const MARKER: &str = "x-amz-delete-marker";
        const VERSION: &str = "x-amz-version-id";
        if self.refusals(world).judge(answer, 204, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let Some(bucket) = world.buckets.get_mut(&self.bucket) else {
            return Ok(Next::Done);
        };
        if let Some(id) = &self.version {
            let removed = bucket.remove(&self.key, id);
            let is_marker = removed.is_some_and(|removed| removed.object.is_none());
            same_header(answer, MARKER, is_marker.then_some("true"))?;
            same_version(answer, VERSION, id)?;
        } else if bucket.versioning == Versioning::Never {
            bucket.remove(&self.key, NULL);
            same_header(answer, MARKER, None)?;
            same_version(answer, VERSION, NULL)?;
        } else {
            same_header(answer, MARKER, Some("true"))?;
            let id = new_version(world, &self.bucket, answer.header(VERSION))?;
            world.commit(&self.bucket, &self.key, &id, None);
        }
        Ok(Next::Done)
    }
}
