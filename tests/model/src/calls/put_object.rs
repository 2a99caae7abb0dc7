//! `PutObject`.

use cairn_dev_tests::checksum::Algorithm;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::conditions::WriteCondition;
use super::settings;
use crate::call::{
    Call, Judged, Manner, Next, Refusals, Touches, new_version, quoted, same_header,
};
use crate::draw::Draw;
use crate::world::{Body, Object, Settings, World};

#[derive(Clone, Debug)]
pub(crate) struct PutObject {
    bucket: String,
    key: String,
    body: Body,
    settings: Settings,
    algorithm: Option<Algorithm>,
    condition: WriteCondition,
}

impl PutObject {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let key = draw.key(&bucket);
        Self {
            condition: WriteCondition::draw(draw, &bucket, &key),
            body: draw.body(),
            settings: draw.settings(&bucket),
            algorithm: draw.algorithm(),
            bucket,
            key,
        }
    }
}

impl Call for PutObject {
    fn touches(&self) -> Touches {
        Touches::key(&self.bucket, &self.key)
    }

    fn request(&self) -> Request {
        let request = Request::key("PUT", &self.bucket, &self.key).body(self.body.0.clone());
        let mut request = self
            .condition
            .asked(settings::asked(&self.settings, request));
        if let Some(algorithm) = self.algorithm {
            request = request.header(algorithm.header(), algorithm.value(&self.body.0));
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        self.condition
            .add_refusals(&mut refusals, world, &self.bucket, &self.key);
        settings::add_refusals(&mut refusals, &self.settings, world, &self.bucket);
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let object = Object::whole(self.body.clone(), self.settings.clone(), self.algorithm);
        same_header(answer, "etag", Some(&quoted(&object.etag)))?;
        if let Some(algorithm) = self.algorithm {
            let value = algorithm.value(&self.body.0);
            same_header(answer, algorithm.header(), Some(&value))?;
        }
        let told = answer.header("x-amz-version-id");
        let version = new_version(world, &self.bucket, told)?;
        world.commit(&self.bucket, &self.key, &version, Some(object));
        Ok(Next::Done)
    }
}
