//! `CompleteMultipartUpload`.

use std::fmt::Write as _;

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::conditions::WriteCondition;
use super::part::LEAST_BYTES;
use super::rows::same_text;
use super::upload::Target;
use crate::call::{
    Call, Difference, Judged, Manner, NO_SUCH_UPLOAD, Next, Refusals, Touches, child, new_version,
    quoted, root, same, same_version,
};
use crate::document::Element;
use crate::draw::{Draw, OTHER_ETAG};
use crate::world::{ChecksumForm, Object, Upload, World};

const MALFORMED: (u16, &str) = (400, "MalformedXML");
const INVALID_PART: (u16, &str) = (400, "InvalidPart");
const INVALID_PART_ORDER: (u16, &str) = (400, "InvalidPartOrder");
const TOO_SMALL: (u16, &str) = (400, "EntityTooSmall");

#[derive(Clone, Debug)]
pub(crate) struct CompleteUpload {
    target: Target,
    /// Numbers and ETags of parts, as they are listed.
    parts: Vec<(u16, String)>,
    /// An element with the checksum of each part, where the upload asks for one.
    checksums: Vec<(String, String)>,
    condition: WriteCondition,
}

impl CompleteUpload {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let mut target = Target::draw(draw);
        let has_none = |upload: &Upload| upload.parts.is_empty();
        if target.find(draw.world).is_some_and(has_none) {
            // An upload without parts is of little interest.
            target = Target::draw(draw);
        }
        let bucket = draw.world.buckets.get(&target.bucket);
        let ended = bucket.into_iter().flat_map(|bucket| &bucket.ended);
        let mut ended = ended.filter(|ended| ended.id == target.id && ended.key == target.key);
        let completed = ended.next().and_then(|ended| ended.completed.clone());
        let Some(upload) = target.find(draw.world) else {
            // Once more what was completed before, or what never was.
            let parts = completed.map(|(_, parts)| parts);
            return Self {
                target,
                parts: parts.unwrap_or_else(|| vec![(1, OTHER_ETAG.to_owned())]),
                checksums: Vec::new(),
                condition: WriteCondition::Always,
            };
        };
        let parts = draw_parts(draw, upload);
        Self {
            checksums: checksums(upload, &parts),
            condition: WriteCondition::draw(draw, &target.bucket, &target.key),
            target,
            parts,
        }
    }

    fn document(&self) -> String {
        let mut document = "<CompleteMultipartUpload>".to_owned();
        for (at, (number, etag)) in self.parts.iter().enumerate() {
            let checksum = self
                .checksums
                .get(at)
                .map_or_else(String::new, |(name, value)| {
                    format!("<{name}>{value}</{name}>")
                });
            let etag = format!("<ETag>&quot;{etag}&quot;</ETag>");
            let part = write!(
                document,
                "<Part><PartNumber>{number}</PartNumber>{etag}{checksum}</Part>"
            );
            part.expect("writing to a string does not fail");
        }
        document.push_str("</CompleteMultipartUpload>");
        document
    }

    fn numbers(&self) -> Vec<u16> {
        self.parts.iter().map(|(number, _)| *number).collect()
    }

    fn add_refusals(&self, refusals: &mut Refusals, upload: &Upload) {
        refusals.add_if(self.parts.is_empty(), MALFORMED);
        let numbers = self.numbers();
        let ascends = numbers.is_sorted_by(|left, right| left < right);
        refusals.add_if(!ascends, INVALID_PART_ORDER);
        let is_there = |(number, etag): &(u16, String)| {
            let part = upload.parts.get(number);
            part.is_some_and(|part| part.etag() == *etag)
        };
        refusals.add_if(!self.parts.iter().all(is_there), INVALID_PART);
        let lens = numbers.iter().rev().skip(1).filter_map(|number| {
            let part = upload.parts.get(number)?;
            u64::try_from(part.body.len()).ok()
        });
        let mut small = lens.filter(|len| *len < LEAST_BYTES);
        refusals.add_if(small.next().is_some(), TOO_SMALL);
    }

    fn judge_object(&self, root: &Element, object: &Object) -> Result<(), Difference> {
        same_text(root, "Bucket", Some(&self.target.bucket))?;
        same_text(root, "Key", Some(&self.target.key))?;
        same(
            "ETag",
            &quoted(&object.etag).as_str(),
            &child(root, "ETag")?,
        )?;
        if let Some(checksum) = &object.checksum {
            let name = format!("Checksum{}", checksum.algorithm.name());
            same_text(root, &name, Some(&checksum.value))?;
        }
        Ok(())
    }

    /// An upload that is no longer open: the same answer as before, as long as what was completed is there.
    fn judge_again(&self, world: &World, answer: &Answer) -> Judged {
        let target = &self.target;
        let bucket = world.buckets.get(&target.bucket);
        let ended = bucket.into_iter().flat_map(|bucket| &bucket.ended);
        let mut ended = ended.filter(|ended| ended.id == target.id && ended.key == target.key);
        let completed = ended.next().and_then(|ended| ended.completed.clone());
        let rank = completed
            .filter(|(_, parts)| *parts == self.parts)
            .map(|(rank, _)| rank);
        let versions = world.versions(&target.bucket, &target.key).iter();
        let mut versions = versions.filter(|version| Some(version.rank) == rank);
        let version = versions.next();
        let mut refusals = Refusals::of_bucket(world, &target.bucket);
        refusals.add_if(refusals.is_empty() && version.is_none(), NO_SUCH_UPLOAD);
        if refusals.judge(answer, 200, Manner::Late)? {
            return Ok(Next::Done);
        }
        if let Some(version) = version
            && let Some(object) = &version.object
        {
            let root = root(answer, "CompleteMultipartUploadResult")?;
            self.judge_object(&root, object)?;
            same_version(answer, "x-amz-version-id", &version.id)?;
        }
        Ok(Next::Done)
    }
}

impl Call for CompleteUpload {
    fn touches(&self) -> Touches {
        self.target.touches()
    }

    fn request(&self) -> Request {
        let request = self.target.request("POST").body(self.document());
        self.condition.asked(request)
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let target = &self.target;
        let Some(upload) = target.find(world) else {
            return self.judge_again(world, answer);
        };
        let mut refusals = Refusals::default();
        self.add_refusals(&mut refusals, upload);
        self.condition
            .add_refusals(&mut refusals, world, &target.bucket, &target.key);
        if refusals.judge(answer, 200, Manner::Late)? {
            return Ok(Next::Done);
        }
        let Some(object) = upload.object(&self.numbers()) else {
            return Ok(Next::Done);
        };
        let root = root(answer, "CompleteMultipartUploadResult")?;
        self.judge_object(&root, &object)?;
        let told = answer.header("x-amz-version-id");
        let id = new_version(world, &target.bucket, told)?;
        let rank = world.commit(&target.bucket, &target.key, &id, Some(object));
        let completed = Some((rank, self.parts.clone()));
        world.end_upload(&target.bucket, &target.key, &target.id, completed);
        Ok(Next::Done)
    }
}

/// A list of parts: mostly those that make an object, else a list with a fault.
fn draw_parts(draw: &mut Draw<'_>, upload: &Upload) -> Vec<(u16, String)> {
    let mut all: Vec<(u16, String)> = Vec::new();
    let mut good: Vec<(u16, String)> = Vec::new();
    for (number, part) in &upload.parts {
        let listed = (*number, part.etag());
        // Small parts can only be the last.
        if part.body.len() >= usize::try_from(LEAST_BYTES).unwrap_or(usize::MAX) {
            good.push(listed.clone());
        }
        all.push(listed);
    }
    if let Some(last) = draw.one_of(all.iter()) {
        good.retain(|(number, _)| *number < last.0);
        good.push(last.clone());
    }
    match draw.below(20) {
        0..14 => good,
        14..16 => all,
        16 => all.into_iter().rev().collect(),
        17 => {
            good.push((9_999, OTHER_ETAG.to_owned()));
            good
        }
        18 => {
            if let Some((_, etag)) = good.last_mut() {
                OTHER_ETAG.clone_into(etag);
            }
            good
        }
        _ => good.iter().chain(&good).cloned().collect(),
    }
}

/// The checksums of parts that are there, for uploads whose own is made of them.
fn checksums(upload: &Upload, parts: &[(u16, String)]) -> Vec<(String, String)> {
    let Some((algorithm, ChecksumForm::Composite)) = upload.checksum else {
        return Vec::new();
    };
    let name = format!("Checksum{}", algorithm.name());
    let value = |(number, _): &(u16, String)| {
        let body = upload.parts.get(number).map(|part| part.body.0.clone());
        (name.clone(), algorithm.value(&body.unwrap_or_default()))
    };
    parts.iter().map(value).collect()
}
