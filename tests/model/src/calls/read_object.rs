//! `GetObject` and `HeadObject`.

use std::ops::Range;

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::conditions::{ReadConditions, Verdict};
use crate::call::{
    Call, Difference, INVALID_ARGUMENT, INVALID_REQUEST, Judged, METHOD_NOT_ALLOWED, Manner,
    NO_SUCH_KEY, NO_SUCH_VERSION, Next, PRECONDITION_FAILED, Refusals, Touches, quoted, same,
    same_header, same_version,
};
use crate::draw::{Draw, STRANGE};
use crate::world::{Found, Object, Version, World};

const INVALID_RANGE: (u16, &str) = (416, "InvalidRange");
const INVALID_PART_NUMBER: (u16, &str) = (416, "InvalidPartNumber");

#[derive(Clone, Debug)]
pub(crate) struct ReadObject {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    is_head: bool,
    range: Option<String>,
    part: Option<u16>,
    conditions: ReadConditions,
    wants_checksum: bool,
}

/// What of an object is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    Whole,
    /// Bytes, with a header that tells where they are.
    Piece(Range<usize>),
    Refused((u16, &'static str)),
    /// RFC 9110 leaves it to the server whether it refuses or passes over a range that makes no sense.
    WholeOrRefused,
}

impl ReadObject {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let key = draw.known_key(&bucket);
        let version = draw.version(&bucket, &key);
        let (range, part) = match draw.world.find(&bucket, &key, version.as_deref()) {
            Found::Object(_, object) => draw_piece(draw, object),
            _ => (None, None),
        };
        Self {
            is_head: draw.chance(30),
            conditions: ReadConditions::draw(draw, &bucket, &key, version.as_deref()),
            wants_checksum: draw.chance(30),
            range,
            part,
            bucket,
            key,
            version,
        }
    }

    /// A plain read of a version.
    pub(crate) fn of(bucket: &str, key: &str, version: Option<&str>, is_head: bool) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.map(str::to_owned),
            is_head,
            range: None,
            part: None,
            conditions: ReadConditions::default(),
            wants_checksum: true,
        }
    }

    fn refusals(&self, world: &World) -> Refusals {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        refusals.add_if(self.version.as_deref() == Some(STRANGE), INVALID_ARGUMENT);
        refusals.add_if(self.range.is_some() && self.part.is_some(), INVALID_REQUEST);
        if !refusals.is_empty() {
            return refusals;
        }
        match world.find(&self.bucket, &self.key, self.version.as_deref()) {
            Found::NoVersion => refusals.add(NO_SUCH_VERSION),
            Found::Marker(_) if self.version.is_some() => refusals.add(METHOD_NOT_ALLOWED),
            Found::Marker(_) | Found::NoKey => refusals.add(NO_SUCH_KEY),
            Found::Object(version, object) => {
                let verdict = self.conditions.verdict(&object.etag, &version.modified);
                // RFC 9110, 13.2.2: ranges count where the conditions let an answer with bytes pass.
                match (verdict, self.plan(object)) {
                    (Verdict::Failed, _) => refusals.add(PRECONDITION_FAILED),
                    (Verdict::Proceed, Plan::Refused(refusal)) => refusals.add(refusal),
                    (Verdict::Proceed | Verdict::NotModified, _) => {}
                }
            }
        }
        refusals
    }

    fn plan(&self, object: &Object) -> Plan {
        if let Some(number) = self.part {
            return plan_part(number, object);
        }
        match &self.range {
            None => Plan::Whole,
            Some(range) => plan_range(range, object.body.len()),
        }
    }

    fn manner(&self) -> Manner {
        if self.is_head {
            Manner::Head
        } else {
            Manner::Plain
        }
    }

    fn judge_object(
        &self,
        answer: &Answer,
        version: &Version,
        object: &Object,
    ) -> Result<(), Difference> {
        let len = object.body.len();
        let (piece, is_partial) = match self.plan(object) {
            // A part without bytes is at no place that a header could tell.
            Plan::Piece(piece) => (piece.clone(), !piece.is_empty()),
            _ => (0..len, false),
        };
        let status = if is_partial { 206 } else { 200 };
        Refusals::default().judge(answer, status, self.manner())?;
        if !self.is_head {
            let expected = object.body.piece(piece.clone());
            if answer.body != expected {
                let said = format!("{} other bytes", answer.body.len());
                return Err(Difference::new("body", &expected.len(), &said));
            }
        }
        let piece_len = piece.len().to_string();
        same_header(answer, "content-length", Some(&piece_len))?;
        let content_range = is_partial.then(|| {
            format!(
                "bytes {}-{}/{len}",
                piece.start,
                piece.end.saturating_sub(1)
            )
        });
        same_header(answer, "content-range", content_range.as_deref())?;
        same_header(answer, "etag", Some(&quoted(&object.etag)))?;
        same_header(answer, "accept-ranges", Some("bytes"))?;
        same_version(answer, "x-amz-version-id", &version.id)?;
        let parts = self.part.filter(|_| !object.parts.is_empty());
        let parts = parts.map(|_| object.parts.len().to_string());
        same_header(answer, "x-amz-mp-parts-count", parts.as_deref())?;
        object.settings.judge(answer)?;
        self.judge_checksum(answer, object, is_partial)
    }

    /// The checksum is told when it is asked for, and only of a whole object.
    fn judge_checksum(
        &self,
        answer: &Answer,
        object: &Object,
        is_partial: bool,
    ) -> Result<(), Difference> {
        if self.part.is_some() {
            return Ok(());
        }
        let checksum = object.checksum.as_ref();
        let told = checksum.filter(|_| self.wants_checksum && !is_partial);
        let said = answer
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-checksum-") && name != TYPE)
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let expected = told.map(|told| (told.algorithm.header(), told.value.as_str()));
        let expected: Vec<(&str, &str)> = expected.into_iter().collect();
        same("checksums", &expected, &said.collect())?;
        same_header(answer, TYPE, told.map(|told| told.form.name()))
    }
}

const TYPE: &str = "x-amz-checksum-type";

impl Call for ReadObject {
    fn touches(&self) -> Touches {
        Touches::key(&self.bucket, &self.key)
    }

    fn request(&self) -> Request {
        let method = if self.is_head { "HEAD" } else { "GET" };
        let mut request = Request::key(method, &self.bucket, &self.key);
        if let Some(version) = &self.version {
            request = request.query("versionId", version);
        }
        if let Some(part) = self.part {
            request = request.query("partNumber", part.to_string());
        }
        if let Some(range) = &self.range {
            request = request.header("range", range.clone());
        }
        if self.wants_checksum {
            request = request.header("x-amz-checksum-mode", "ENABLED");
        }
        self.conditions.asked("", request)
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = self.refusals(world);
        let found = world.find(&self.bucket, &self.key, self.version.as_deref());
        let is_refused = !refusals.is_empty();
        match found {
            Found::Object(version, object) if !is_refused => {
                let verdict = self.conditions.verdict(&object.etag, &version.modified);
                let may_refuse = self.plan(object) == Plan::WholeOrRefused;
                if verdict == Verdict::NotModified {
                    same("status", &304, &answer.status)?;
                    same_header(answer, "etag", Some(&quoted(&object.etag)))?;
                } else if may_refuse && answer.status == INVALID_RANGE.0 {
                    return Ok(Next::Done);
                } else {
                    self.judge_object(answer, version, object)?;
                }
            }
            _ => {
                refusals.judge(answer, 200, self.manner())?;
            }
        }
        if let Found::Marker(version) = found
            && [404, 405].contains(&answer.status)
        {
            same_header(answer, "x-amz-delete-marker", Some("true"))?;
            same_version(answer, "x-amz-version-id", &version.id)?;
        } else {
            same_header(answer, "x-amz-delete-marker", None)?;
        }
        let is_read = [200, 206, 304, 405].contains(&answer.status);
        if let Some(told) = answer.header("last-modified").filter(|_| is_read) {
            let version = world.find_mut(&self.bucket, &self.key, self.version.as_deref());
            if let Some(Err(known)) = version.map(|version| version.modified.hear_header(told)) {
                return Err(Difference::new("last-modified", &known, &told));
            }
        } else if [200, 206].contains(&answer.status) {
            return Err(Difference::new("last-modified", &"a date", &answer.headers));
        }
        Ok(Next::Done)
    }
}

/// A range or a part of an object to ask for; neither, most of the time.
fn draw_piece(draw: &mut Draw<'_>, object: &Object) -> (Option<String>, Option<u16>) {
    let len = object.body.len();
    let part = |draw: &mut Draw<'_>| {
        let numbers = object.parts.iter().map(|part| part.number);
        let known = draw.one_of(numbers).unwrap_or(1);
        let number = u16::try_from(draw.below(6)).unwrap_or(0);
        if draw.chance(70) { known } else { number + 1 }
    };
    match draw.below(100) {
        0..64 => (None, None),
        64..90 => (Some(draw_range(draw, len)), None),
        90..98 => (None, Some(part(draw))),
        _ => (Some(draw_range(draw, len)), Some(part(draw))),
    }
}

fn draw_range(draw: &mut Draw<'_>, len: usize) -> String {
    let (first, second) = (draw.below(len + 2), draw.below(len + 2));
    match draw.below(12) {
        0..5 => format!("bytes={}-{}", first.min(second), first.max(second)),
        5..7 => format!("bytes={first}-"),
        7..9 => format!("bytes=-{first}"),
        9 => format!("bytes={first}-{}", usize::MAX),
        10 => "bytes=0-0,2-3".to_owned(),
        _ => "bytes=5-2".to_owned(),
    }
}

fn plan_range(range: &str, len: usize) -> Plan {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Plan::Whole;
    };
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if last < first => Plan::WholeOrRefused,
        (Ok(first), last) if last.is_ok() || range.ends_with('-') => {
            if first >= len {
                return Plan::Refused(INVALID_RANGE);
            }
            let end = last.map_or(len, |last| len.min(last.saturating_add(1)));
            Plan::Piece(first..end)
        }
        (Err(_), Ok(count)) if count == 0 || len == 0 => Plan::Refused(INVALID_RANGE),
        (Err(_), Ok(count)) => Plan::Piece(len.saturating_sub(count)..len),
        _ => Plan::WholeOrRefused,
    }
}

/// An object that was written at once is its own first part.
fn plan_part(number: u16, object: &Object) -> Plan {
    if object.parts.is_empty() {
        return match number {
            1 if object.body.len() == 0 => Plan::Whole,
            1 => Plan::Piece(0..object.body.len()),
            _ => Plan::Refused(INVALID_PART_NUMBER),
        };
    }
    let part = object.parts.iter().find(|part| part.number == number);
    part.map_or(Plan::Refused(INVALID_PART_NUMBER), |part| {
        Plan::Piece(part.bytes.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select_their_bytes() {
        for (range, len, plan) in [
            ("bytes=0-0", 3, Plan::Piece(0..1)),
            ("bytes=1-9", 3, Plan::Piece(1..3)),
            ("bytes=1-", 3, Plan::Piece(1..3)),
            ("bytes=-2", 3, Plan::Piece(1..3)),
            ("bytes=-9", 3, Plan::Piece(0..3)),
            ("bytes=3-", 3, Plan::Refused(INVALID_RANGE)),
            ("bytes=-0", 3, Plan::Refused(INVALID_RANGE)),
            ("bytes=-1", 0, Plan::Refused(INVALID_RANGE)),
            ("bytes=5-2", 9, Plan::WholeOrRefused),
            ("bytes=0-0,2-3", 9, Plan::WholeOrRefused),
        ] {
            assert_eq!(plan_range(range, len), plan, "{range}");
        }
    }
}
