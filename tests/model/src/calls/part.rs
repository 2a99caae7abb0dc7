//! `UploadPart` and `UploadPartCopy`.

use std::ops::Range;

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::copy_source::CopySource;
use super::rows::hear;
use super::upload::Target;
use crate::call::{
    Call, INVALID_ARGUMENT, Judged, Manner, Next, Refusals, Touches, child, quoted, root, same,
    same_header,
};
use crate::draw::Draw;
use crate::world::{Body, Part, World};

/// The least length of a part that another follows.
pub(crate) const LEAST_BYTES: u64 = 5 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct UploadPart {
    target: Target,
    number: u16,
    body: Body,
    /// The checksum of the upload, where it has one.
    checksum: Option<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct UploadPartCopy {
    target: Target,
    number: u16,
    source: CopySource,
    range: Option<Range<usize>>,
}

/// A number for a part: mostly a small one, seldom one that cannot be.
fn draw_number(draw: &mut Draw<'_>) -> u16 {
    match draw.below(40) {
        0 => 0,
        1 => 10_001,
        2..4 => 10_000,
        other => u16::try_from(1 + other % 4).unwrap_or(1),
    }
}

fn refusals(target: &Target, number: u16, world: &World) -> Refusals {
    let mut refusals = target.refusals(world);
    refusals.add_if(!(1..=10_000).contains(&number), INVALID_ARGUMENT);
    refusals
}

fn asked(target: &Target, number: u16) -> Request {
    target
        .request("PUT")
        .query("partNumber", number.to_string())
}

impl UploadPart {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let target = Target::draw(draw);
        let body = if draw.chance(3) {
            let len = LEAST_BYTES - 1 + draw.dice.below(3);
            Body::of(draw.dice.below(u64::MAX), len)
        } else {
            draw.body()
        };
        let checksum = target.find(draw.world).and_then(|upload| upload.checksum);
        Self {
            number: draw_number(draw),
            checksum: checksum.map(|(algorithm, _)| (algorithm.header(), algorithm.value(&body.0))),
            target,
            body,
        }
    }
}

impl Call for UploadPart {
    fn touches(&self) -> Touches {
        self.target.touches()
    }

    fn request(&self) -> Request {
        let request = asked(&self.target, self.number).body(self.body.0.clone());
        match &self.checksum {
            None => request,
            Some((name, value)) => request.header(name, value.clone()),
        }
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = refusals(&self.target, self.number, world);
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let part = Part::new(self.body.clone());
        same_header(answer, "etag", Some(&quoted(&part.etag())))?;
        if let Some((name, value)) = &self.checksum {
            same_header(answer, name, Some(value))?;
        }
        if let Some(upload) = self.target.find_mut(world) {
            upload.parts.insert(self.number, part);
        }
        Ok(Next::Done)
    }
}

impl UploadPartCopy {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let target = Target::draw(draw);
        let source = CopySource::draw(draw);
        let len = source.find(draw.world).map(|(_, object)| object.body.len());
        let range = len.filter(|len| *len > 0 && draw.chance(50)).map(|len| {
            let (first, second) = (draw.below(len + 1), draw.below(len));
            first.min(second)..first.max(second) + 1
        });
        Self {
            number: draw_number(draw),
            target,
            source,
            range,
        }
    }
}

impl Call for UploadPartCopy {
    fn touches(&self) -> Touches {
        let target = (self.target.bucket.clone(), self.target.key.clone());
        let source = (self.source.bucket.clone(), self.source.key.clone());
        Touches::Keys(vec![target, source])
    }

    fn request(&self) -> Request {
        let request = self.source.asked(asked(&self.target, self.number));
        match &self.range {
            None => request,
            Some(range) => {
                let range = format!("bytes={}-{}", range.start, range.end - 1);
                request.header("x-amz-copy-source-range", range)
            }
        }
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let mut refusals = refusals(&self.target, self.number, world);
        self.source.add_refusals(&mut refusals, world);
        let original = self
            .source
            .find(world)
            .map(|(_, object)| object.body.clone());
        let body = original.unwrap_or_else(|| Body::of(0, 0));
        let range = self.range.clone().unwrap_or(0..body.len());
        refusals.add_if(range.end > body.len(), INVALID_ARGUMENT);
        if refusals.judge(answer, 200, Manner::Late)? {
            return Ok(Next::Done);
        }
        self.source.judge(world, answer)?;
        let root = root(answer, "CopyPartResult")?;
        let mut part = Part::new(Body(body.piece(range)));
        same(
            "ETag",
            &quoted(&part.etag()).as_str(),
            &child(&root, "ETag")?,
        )?;
        hear(&mut part.modified, &root, "LastModified")?;
        if let Some(upload) = self.target.find_mut(world) {
            upload.parts.insert(self.number, part);
        }
        Ok(Next::Done)
    }
}
