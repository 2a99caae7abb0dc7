//! `ListObjects` and `ListObjectsV2`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::{Form, Row, hear, same_text};
use crate::call::{Call, Difference, Judged, Manner, Next, Refusals, Touches, child, root};
use crate::document::Element;
use crate::draw::Draw;
use crate::world::{Object, Page, Place, World};

#[derive(Clone, Debug)]
pub(crate) struct ListObjects {
    bucket: String,
    form: Form,
    /// The first version of the call, whose pages are joined by markers.
    is_first_version: bool,
    /// `marker` or `start-after` as it is sent; empty: not at all.
    after: String,
    /// Where a token that the server gave goes on.
    token: Option<(String, String)>,
    /// Whether the pages behind are asked for as well, and whether other things may happen before.
    walks: Option<bool>,
}

impl ListObjects {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let after = if draw.chance(60) {
            String::new()
        } else {
            draw.text(&bucket)
        };
        Self {
            form: Form {
                pattern: draw.pattern(&bucket),
                limit: draw.limit(),
                is_encoded: draw.chance(50),
            },
            is_first_version: draw.chance(40),
            after,
            token: None,
            walks: draw.chance(50).then(|| draw.chance(50)),
            bucket,
        }
    }

    /// Every page of a bucket's objects.
    pub(crate) fn all(bucket: &str, limit: usize) -> Self {
        Self {
            bucket: bucket.to_owned(),
            form: Form {
                pattern: crate::world::Pattern::default(),
                limit: Some(limit),
                is_encoded: true,
            },
            is_first_version: false,
            after: String::new(),
            token: None,
            walks: Some(false),
        }
    }

    fn page<'a>(&self, world: &'a World) -> Page<&'a Object> {
        let keys = world
            .buckets
            .get(&self.bucket)
            .map(|bucket| bucket.keys.keys());
        let rows = keys.into_iter().flatten().filter_map(|key| {
            let object = world.current(&self.bucket, key)?;
            Some((key.clone(), Place(0), object))
        });
        let after = self.token.as_ref().map_or(&self.after, |(_, after)| after);
        let limit = self.form.page_len();
        self.form.pattern.page(rows, (after, None), limit)
    }

    fn judge_page(&self, root: &Element, page: &Page<&Object>) -> Result<(), Difference> {
        let row = |(key, object): &(String, &Object)| {
            let mut row = Row::new("Contents", &[("Key", key)]);
            row.describe(object);
            row
        };
        let rows: Vec<Row> = page.rows.iter().map(row).collect();
        self.form.judge(root, page, &rows, "MaxKeys")?;
        same_text(root, "Name", Some(&self.bucket))?;
        if self.is_first_version {
            return self.form.same_key(root, "Marker", &self.after);
        }
        let count = (page.rows.len() + page.prefixes.len()).to_string();
        same_text(root, "KeyCount", Some(&count))?;
        let token = self.token.as_ref().map(|(token, _)| token.as_str());
        same_text(root, "ContinuationToken", token)?;
        match token {
            None if !self.after.is_empty() => self.form.same_key(root, "StartAfter", &self.after),
            _ => Ok(()),
        }
    }

    /// The call for the next page. The first version of this call names where it begins only where keys are rolled up; elsewhere the
    /// last key is known.
    fn next(&self, root: &Element, last: Option<&str>) -> Result<Option<Self>, Difference> {
        let mut next = self.clone();
        if self.is_first_version {
            match last.filter(|_| !self.form.pattern.delimiter.is_empty()) {
                Some(last) => self.form.same_key(root, "NextMarker", last)?,
                None => same_text(root, "NextMarker", None)?,
            }
            last.unwrap_or_default().clone_into(&mut next.after);
        } else if let Some(last) = last {
            let token = child(root, "NextContinuationToken")?;
            next.token = Some((token.to_owned(), last.to_owned()));
        } else {
            same_text(root, "NextContinuationToken", None)?;
        }
        Ok(last.map(|_| next))
    }
}

impl Call for ListObjects {
    fn touches(&self) -> Touches {
        Touches::Everything
    }

    fn request(&self) -> Request {
        let request = Request::new("GET", format!("/{}", self.bucket));
        let mut request = self.form.asked(request, "max-keys");
        let marker = if self.is_first_version {
            "marker"
        } else {
            request = request.query("list-type", "2");
            "start-after"
        };
        if !self.after.is_empty() {
            request = request.query(marker, self.after.clone());
        }
        if let Some((token, _)) = &self.token {
            request = request.query("continuation-token", token.clone());
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = Refusals::of_bucket(world, &self.bucket);
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let root = root(answer, "ListBucketResult")?;
        let page = self.page(world);
        self.judge_page(&root, &page)?;
        let last = page.next.as_ref().map(crate::world::Entry::text);
        let next = self.next(&root, last)?;
        let keys: Vec<String> = page.rows.into_iter().map(|(key, _)| key).collect();
        for (key, row) in keys.iter().zip(root.all("Contents")) {
            if let Some(version) = world.find_mut(&self.bucket, key, None) {
                hear(&mut version.modified, row, "LastModified")?;
            }
        }
        Ok(match (next, self.walks) {
            (Some(next), Some(true)) => Next::Later(Box::new(next)),
            (Some(next), Some(false)) => Next::Now(Box::new(next)),
            _ => Next::Done,
        })
    }
}
