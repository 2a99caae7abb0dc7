//! `CopyObject`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::conditions::WriteCondition;
use super::copy_source::CopySource;
use super::rows::hear;
use super::settings;
use crate::call::{
    Call, INVALID_REQUEST, Judged, Manner, Next, Refusals, Touches, child, new_version, quoted,
    root, same,
};
use crate::draw::Draw;
use crate::world::{Object, Settings, World};

#[derive(Clone, Debug)]
pub(crate) struct CopyObject {
    bucket: String,
    key: String,
    source: CopySource,
    replaces_headers: bool,
    replaces_tags: bool,
    settings: Settings,
    condition: WriteCondition,
}

impl CopyObject {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let source = CopySource::draw(draw);
        let (bucket, key) = if draw.chance(12) {
            (source.bucket.clone(), source.key.clone())
        } else {
            let bucket = draw.bucket();
            let key = draw.key(&bucket);
            (bucket, key)
        };
        Self {
            replaces_headers: draw.chance(40),
            replaces_tags: draw.chance(40),
            settings: draw.settings(&bucket),
            condition: WriteCondition::draw(draw, &bucket, &key),
            bucket,
            key,
            source,
        }
    }

    fn refusals(&self, world: &World) -> Refusals {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        self.source.add_refusals(&mut refusals, world);
        self.condition
            .add_refusals(&mut refusals, world, &self.bucket, &self.key);
        settings::add_refusals(&mut refusals, &self.settings, world, &self.bucket);
        // An object is not copied to itself without a change, but an older version of it may be.
        let is_same = (&self.bucket, &self.key) == (&self.source.bucket, &self.source.key);
        let changes = self.replaces_headers || self.source.version.is_some();
        refusals.add_if(is_same && !changes, INVALID_REQUEST);
        refusals
    }

    /// The copy: whole, whatever the original was made of, and with locks of its own.
    fn copied(&self, original: &Object) -> Object {
        let mut settings = self.settings.clone();
        if !self.replaces_headers {
            settings.headers.clone_from(&original.settings.headers);
        }
        if !self.replaces_tags {
            settings.tags.clone_from(&original.settings.tags);
        }
        let algorithm = original.checksum.as_ref().map(|kept| kept.algorithm);
        Object::whole(original.body.clone(), settings, algorithm)
    }
}

impl Call for CopyObject {
    fn touches(&self) -> Touches {
        let target = (self.bucket.clone(), self.key.clone());
        let source = (self.source.bucket.clone(), self.source.key.clone());
        Touches::Keys(vec![target, source])
    }

    fn request(&self) -> Request {
        let request = Request::key("PUT", &self.bucket, &self.key);
        let mut request = self.source.asked(self.condition.asked(request));
        if self.replaces_headers {
            request = request.header("x-amz-metadata-directive", "REPLACE");
        }
        if self.replaces_tags {
            request = request.header("x-amz-tagging-directive", "REPLACE");
        }
        let mut said = self.settings.clone();
        if !self.replaces_headers {
            said.headers.clear();
        }
        if !self.replaces_tags {
            said.tags.clear();
        }
        settings::asked(&said, request)
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        if self.refusals(world).judge(answer, 200, Manner::Late)? {
            return Ok(Next::Done);
        }
        self.source.judge(world, answer)?;
        let copied = self.source.find(world).map(|(_, found)| self.copied(found));
        let Some(copied) = copied else {
            return Ok(Next::Done);
        };
        let root = root(answer, "CopyObjectResult")?;
        same(
            "ETag",
            &quoted(&copied.etag).as_str(),
            &child(&root, "ETag")?,
        )?;
        let told = answer.header("x-amz-version-id");
        let id = new_version(world, &self.bucket, told)?;
        world.commit(&self.bucket, &self.key, &id, Some(copied));
        if let Some(version) = world.find_mut(&self.bucket, &self.key, None) {
            hear(&mut version.modified, &root, "LastModified")?;
        }
        Ok(Next::Done)
    }
}
