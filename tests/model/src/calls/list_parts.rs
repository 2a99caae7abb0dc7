//! `ListParts`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::{hear, same_list, same_text};
use super::upload::Target;
use crate::call::{Call, Difference, Judged, Manner, Next, Touches, root, same};
use crate::document::Element;
use crate::draw::Draw;
use crate::world::{LONGEST_PAGE, Upload, World};

#[derive(Clone, Debug)]
pub(crate) struct ListParts {
    target: Target,
    after: u16,
    limit: Option<usize>,
    walks: bool,
}

/// Number, ETag, length and checksum of a part.
type Row = (String, String, String, Option<String>);

impl ListParts {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let after = if draw.chance(70) { 0 } else { draw.below(6) };
        Self {
            target: Target::draw(draw),
            after: u16::try_from(after).unwrap_or(0),
            limit: draw.limit(),
            walks: draw.chance(60),
        }
    }

    fn rows(&self, upload: &Upload) -> Vec<(u16, Row)> {
        let parts = upload
            .parts
            .iter()
            .filter(|(number, _)| **number > self.after);
        let row = |(number, part): (&u16, &crate::world::Part)| {
            let checksum = upload
                .checksum
                .map(|(algorithm, _)| algorithm.value(&part.body.0));
            let etag = format!("\"{}\"", part.etag());
            let len = part.body.len().to_string();
            (*number, (number.to_string(), etag, len, checksum))
        };
        parts.map(row).collect()
    }

    fn judge_head(&self, root: &Element, upload: &Upload) -> Result<(), Difference> {
        let limit = self.limit.unwrap_or(LONGEST_PAGE).to_string();
        let checksum = upload.checksum;
        for (name, expected) in [
            ("Bucket", Some(self.target.bucket.as_str())),
            ("Key", Some(self.target.key.as_str())),
            ("UploadId", Some(self.target.id.as_str())),
            ("PartNumberMarker", Some(self.after.to_string().as_str())),
            ("MaxParts", Some(limit.as_str())),
            ("StorageClass", Some("STANDARD")),
            (
                "ChecksumAlgorithm",
                checksum.map(|(algorithm, _)| algorithm.name()),
            ),
            ("ChecksumType", checksum.map(|(_, form)| form.name())),
        ] {
            same_text(root, name, expected)?;
        }
        Ok(())
    }
}

impl Call for ListParts {
    fn touches(&self) -> Touches {
        self.target.touches()
    }

    fn request(&self) -> Request {
        let mut request = self.target.request("GET");
        if self.after > 0 {
            request = request.query("part-number-marker", self.after.to_string());
        }
        if let Some(limit) = self.limit {
            request = request.query("max-parts", limit.to_string());
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = self.target.refusals(world);
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let Some(upload) = self.target.find_mut(world) else {
            return Ok(Next::Done);
        };
        let root = root(answer, "ListPartsResult")?;
        self.judge_head(&root, upload)?;
        let mut rows = self.rows(upload);
        let limit = self.limit.unwrap_or(LONGEST_PAGE);
        let is_truncated = limit > 0 && rows.len() > limit;
        rows.truncate(limit);
        same_text(&root, "IsTruncated", Some(&is_truncated.to_string()))?;
        let name = upload
            .checksum
            .map(|(algorithm, _)| format!("Checksum{}", algorithm.name()));
        let read = |part: &Element| {
            let text = |name: &str| part.child(name).unwrap_or_default().to_owned();
            let checksum = name.as_ref().and_then(|name| part.child(name));
            let checksum = checksum.map(str::to_owned);
            (text("PartNumber"), text("ETag"), text("Size"), checksum)
        };
        let said: Vec<Row> = root.all("Part").map(read).collect();
        let (numbers, rows): (Vec<u16>, Vec<Row>) = rows.into_iter().unzip();
        same_list("parts", &rows, &said)?;
        for (number, row) in numbers.iter().zip(root.all("Part")) {
            if let Some(part) = upload.parts.get_mut(number) {
                hear(&mut part.modified, row, "LastModified")?;
            }
        }
        let Some(last) = numbers.last().filter(|_| is_truncated) else {
            return Ok(Next::Done);
        };
        let next = root.child("NextPartNumberMarker").map(str::to_owned);
        same("NextPartNumberMarker", &Some(last.to_string()), &next)?;
        let next = Self {
            after: *last,
            ..self.clone()
        };
        if self.walks {
            return Ok(Next::Later(Box::new(next)));
        }
        Ok(Next::Done)
    }
}
