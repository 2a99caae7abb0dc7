//! `DeleteObjects`.

use std::collections::BTreeSet;

use cairn_dev_tests::checksum::md5_base64;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::same_list;
use crate::call::{
    ACCESS_DENIED, Call, Difference, Judged, Manner, NO_SUCH_BUCKET, Next, Refusals, Touches,
    new_version, root,
};
use crate::document::Element;
use crate::draw::{Draw, STRANGE};
use crate::words::{escaped, is_xml};
use crate::world::{Found, NULL, Versioning, World};

/// How many versions are taken out of a bucket that is emptied, at once.
const DRAINED: usize = 40;

#[derive(Clone, Debug)]
pub(crate) struct DeleteObjects {
    bucket: String,
    /// Keys with versions; no key is twice without one, so that it is clear which marker is whose.
    lines: Vec<(String, Option<String>)>,
    is_quiet: bool,
    bypasses: bool,
}

/// What the answer says of one line: key, version, whether there is a marker, and its version; or the code of an error.
type Outcome = (String, Option<String>, Result<Option<String>, String>);

impl DeleteObjects {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let count = 1 + draw.below(6);
        let mut lines = BTreeSet::new();
        for _ in 0..count {
            let key = draw.known_key(&bucket);
            let version = draw.version(&bucket, &key);
            // Whether a name that can be none is an error of the line or of the request is nowhere said.
            if is_xml(&key) && version.as_deref() != Some(STRANGE) {
                lines.insert((key, version));
            }
        }
        if lines.is_empty() {
            lines.insert(("absent".to_owned(), None));
        }
        // A quiet answer does not tell the names of new markers.
        let bucket_now = draw.world.buckets.get(&bucket);
        let keeps = bucket_now.is_some_and(|bucket| bucket.versioning == Versioning::Enabled);
        let names = !keeps || lines.iter().all(|(_, version)| version.is_some());
        Self {
            is_quiet: names && draw.chance(30),
            bypasses: draw.chance(40),
            lines: lines.into_iter().collect(),
            bucket,
        }
    }

    /// Takes versions out of a bucket that is to be empty; `None` where XML can name none of those that are left.
    pub(crate) fn drain(world: &World, bucket: &str) -> Option<Self> {
        let keys = &world.buckets.get(bucket)?.keys;
        let mut lines = Vec::new();
        for (key, versions) in keys.iter().filter(|(key, _)| is_xml(key)) {
            for version in versions {
                lines.push((key.clone(), Some(version.id.clone())));
            }
        }
        lines.truncate(DRAINED);
        (!lines.is_empty()).then(|| Self {
            bucket: bucket.to_owned(),
            lines,
            is_quiet: false,
            bypasses: true,
        })
    }

    fn document(&self) -> String {
        let mut document = "<Delete>".to_owned();
        if self.is_quiet {
            document.push_str("<Quiet>true</Quiet>");
        }
        for (key, version) in &self.lines {
            let version = version.as_ref().map_or_else(String::new, |version| {
                format!("<VersionId>{version}</VersionId>")
            });
            document.push_str("<Object><Key>");
            document.push_str(&escaped(key));
            document.push_str("</Key>");
            document.push_str(&version);
            document.push_str("</Object>");
        }
        document.push_str("</Delete>");
        document
    }

    /// Deletes one line from the model and tells what must be said of it; `told` is the marker that the server says it made.
    fn apply(
        &self,
        world: &mut World,
        line: &(String, Option<String>),
        told: Option<&str>,
    ) -> Result<Outcome, Difference> {
        let (key, version) = line;
        let outcome = |of| (key.clone(), version.clone(), of);
        if let Found::Object(_, object) = world.find(&self.bucket, key, version.as_deref())
            && version.is_some()
            && object.is_locked(self.bypasses)
        {
            return Ok(outcome(Err(ACCESS_DENIED.1.to_owned())));
        }
        let Some(bucket) = world.buckets.get_mut(&self.bucket) else {
            return Ok(outcome(Err(NO_SUCH_BUCKET.1.to_owned())));
        };
        if let Some(id) = version {
            let removed = bucket.remove(key, id);
            let is_marker = removed.is_some_and(|removed| removed.object.is_none());
            return Ok(outcome(Ok(is_marker.then(|| id.clone()))));
        }
        if bucket.versioning == Versioning::Never {
            bucket.remove(key, NULL);
            return Ok(outcome(Ok(None)));
        }
        let id = new_version(world, &self.bucket, told)?;
        world.commit(&self.bucket, key, &id, None);
        Ok(outcome(Ok(Some(id))))
    }
}

impl Call for DeleteObjects {
    fn touches(&self) -> Touches {
        let touched = |(key, _): &(String, _)| (self.bucket.clone(), key.clone());
        Touches::Keys(self.lines.iter().map(touched).collect())
    }

    fn request(&self) -> Request {
        let document = self.document();
        let request = Request::new("POST", format!("/{}", self.bucket))
            .query("delete", "")
            .header("content-md5", md5_base64(document.as_bytes()))
            .body(document);
        if self.bypasses {
            return request.header("x-amz-bypass-governance-retention", "true");
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = Refusals::of_bucket(world, &self.bucket);
        // The codes in an answer of success are those of its lines.
        if !refusals.is_empty() || answer.status != 200 {
            refusals.judge(answer, 200, Manner::Plain)?;
            return Ok(Next::Done);
        }
        let root = root(answer, "DeleteResult")?;
        let mut said: Vec<Outcome> = root.children.iter().map(outcome).collect();
        let mut expected = Vec::new();
        for line in &self.lines {
            let made = said
                .iter()
                .find(|(key, version, _)| (key, version) == (&line.0, &line.1));
            let made = made.and_then(|(_, _, outcome)| outcome.as_ref().ok()?.clone());
            let told = made.as_deref().filter(|_| line.1.is_none());
            let outcome = self.apply(world, line, told)?;
            if !self.is_quiet || outcome.2.is_err() {
                expected.push(outcome);
            }
        }
        said.sort();
        expected.sort();
        same_list("lines of the answer", &expected, &said)?;
        Ok(Next::Done)
    }
}

fn outcome(line: &Element) -> Outcome {
    let text = |name: &str| line.child(name).map(str::to_owned);
    let of = if line.name == "Error" {
        Err(text("Code").unwrap_or_default())
    } else {
        let marker = text("DeleteMarker").filter(|marker| marker == "true");
        Ok(marker.and_then(|_| text("DeleteMarkerVersionId")))
    };
    (text("Key").unwrap_or_default(), text("VersionId"), of)
}
