//! `CreateMultipartUpload` and `AbortMultipartUpload`.

use std::collections::BTreeMap;

use cairn_dev_tests::checksum::Algorithm;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::same_text;
use super::settings;
use crate::call::{
    Call, Difference, Judged, Manner, NO_SUCH_UPLOAD, Next, Refusals, Touches, child, root,
};
use crate::draw::Draw;
use crate::told::Told;
use crate::world::{ChecksumForm, Settings, Upload, World};

/// Checksums that uploads have, and how they may cover the object.
const CHECKSUMS: &[(Algorithm, ChecksumForm)] = &[
    (Algorithm::Crc64Nvme, ChecksumForm::FullObject),
    (Algorithm::Crc32, ChecksumForm::FullObject),
    (Algorithm::Crc32, ChecksumForm::Composite),
    (Algorithm::Crc32c, ChecksumForm::Composite),
    (Algorithm::Sha256, ChecksumForm::Composite),
];

/// An upload as requests name it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) id: String,
}

#[derive(Clone, Debug)]
pub(crate) struct CreateUpload {
    bucket: String,
    key: String,
    settings: Settings,
    checksum: Option<(Algorithm, ChecksumForm)>,
}

#[derive(Clone, Debug)]
pub(crate) struct AbortUpload {
    target: Target,
}

impl Target {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let (key, id) = draw.upload(&bucket);
        Self { bucket, key, id }
    }

    pub(crate) fn touches(&self) -> Touches {
        Touches::key(&self.bucket, &self.key)
    }

    pub(crate) fn request(&self, method: &'static str) -> Request {
        Request::key(method, &self.bucket, &self.key).query("uploadId", self.id.clone())
    }

    pub(crate) fn find<'a>(&self, world: &'a World) -> Option<&'a Upload> {
        world.upload(&self.bucket, &self.key, &self.id)
    }

    pub(crate) fn find_mut<'a>(&self, world: &'a mut World) -> Option<&'a mut Upload> {
        world.upload_mut(&self.bucket, &self.key, &self.id)
    }

    pub(crate) fn refusals(&self, world: &World) -> Refusals {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        refusals.add_if(
            refusals.is_empty() && self.find(world).is_none(),
            NO_SUCH_UPLOAD,
        );
        refusals
    }
}

impl CreateUpload {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let key = draw.key(&bucket);
        Self {
            settings: draw.settings(&bucket),
            checksum: draw.chance(30).then(|| *draw.dice.choose(CHECKSUMS)),
            bucket,
            key,
        }
    }
}

impl Call for CreateUpload {
    fn touches(&self) -> Touches {
        Touches::key(&self.bucket, &self.key)
    }

    fn request(&self) -> Request {
        let mut request = Request::key("POST", &self.bucket, &self.key).query("uploads", "");
        if let Some((algorithm, form)) = self.checksum {
            request = request
                .header("x-amz-checksum-algorithm", algorithm.name())
                .header("x-amz-checksum-type", form.name());
        }
        settings::asked(&self.settings, request)
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        settings::add_refusals(&mut refusals, &self.settings, world, &self.bucket);
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let root = root(answer, "InitiateMultipartUploadResult")?;
        same_text(&root, "Bucket", Some(&self.bucket))?;
        same_text(&root, "Key", Some(&self.key))?;
        let id = child(&root, "UploadId")?;
        let Some(bucket) = world.buckets.get_mut(&self.bucket) else {
            return Ok(Next::Done);
        };
        let is_open = |uploads: &Vec<Upload>| uploads.iter().any(|upload| upload.id == id);
        if id.is_empty() || bucket.uploads.values().any(is_open) {
            return Err(Difference::new("UploadId", &"a new one", &id));
        }
        let uploads = bucket.uploads.entry(self.key.clone()).or_default();
        uploads.push(Upload {
            id: id.to_owned(),
            parts: BTreeMap::new(),
            settings: self.settings.clone(),
            checksum: self.checksum,
            initiated: Told::default(),
        });
        Ok(Next::Done)
    }
}

impl AbortUpload {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            target: Target::draw(draw),
        }
    }
}

impl Call for AbortUpload {
    fn touches(&self) -> Touches {
        self.target.touches()
    }

    fn request(&self) -> Request {
        self.target.request("DELETE")
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let target = &self.target;
        if !target.refusals(world).judge(answer, 204, Manner::Plain)? {
            world.end_upload(&target.bucket, &target.key, &target.id, None);
        }
        Ok(Next::Done)
    }
}
