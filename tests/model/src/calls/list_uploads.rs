//! `ListMultipartUploads`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::{Form, Row, hear, same_text};
use crate::call::{Call, Difference, Judged, Manner, Next, Refusals, Touches, root, same};
use crate::document::Element;
use crate::draw::Draw;
use crate::world::{Entry, Page, Place, Upload, World};

#[derive(Clone, Debug)]
pub(crate) struct ListUploads {
    bucket: String,
    form: Form,
    key_marker: String,
    /// One that is open: where the uploads of a key go on behind another is nowhere said.
    upload_marker: Option<String>,
    walks: bool,
}

impl ListUploads {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let (mut key_marker, mut upload_marker) = (String::new(), None);
        match draw.below(10) {
            0..5 => {}
            5..7 => key_marker = draw.text(&bucket),
            _ => {
                let (key, id) = draw.upload(&bucket);
                if draw.world.upload(&bucket, &key, &id).is_some() {
                    // Without its key it is passed over.
                    key_marker = if draw.chance(90) { key } else { String::new() };
                    upload_marker = Some(id);
                }
            }
        }
        Self {
            form: Form {
                pattern: draw.pattern(&bucket),
                limit: draw.limit(),
                is_encoded: draw.chance(50),
            },
            walks: draw.chance(50),
            bucket,
            key_marker,
            upload_marker,
        }
    }

    /// The upload behind which those of the marked key follow.
    fn upload_marker(&self) -> Option<&str> {
        let marker = self.upload_marker.as_deref();
        marker.filter(|_| !self.key_marker.is_empty())
    }

    fn page<'a>(&self, world: &'a World) -> Page<&'a Upload> {
        let uploads = world
            .buckets
            .get(&self.bucket)
            .map(|bucket| &bucket.uploads);
        let rows = uploads.into_iter().flatten().flat_map(|(key, uploads)| {
            let rows = uploads.iter().enumerate();
            rows.map(|(at, upload)| (key.clone(), place(at), upload))
        });
        let of_key = uploads.and_then(|uploads| uploads.get(&self.key_marker));
        let after = self.upload_marker().and_then(|marker| {
            let at = of_key?.iter().position(|upload| upload.id == marker);
            at.map(place)
        });
        let limit = self.form.page_len();
        let after = (self.key_marker.as_str(), after);
        self.form.pattern.page(rows, after, limit)
    }

    fn judge_page(&self, root: &Element, page: &Page<&Upload>) -> Result<(), Difference> {
        let row = |(key, upload): &(String, &Upload)| {
            let fields = [
                ("Key", key.as_str()),
                ("UploadId", &upload.id),
                ("StorageClass", "STANDARD"),
            ];
            let mut row = Row::new("Upload", &fields);
            if let Some((algorithm, form)) = upload.checksum {
                let fields = [
                    ("ChecksumAlgorithm", algorithm.name()),
                    ("ChecksumType", form.name()),
                ];
                row.fields.extend(Row::new("", &fields).fields);
            }
            row
        };
        let rows: Vec<Row> = page.rows.iter().map(row).collect();
        self.form.judge(root, page, &rows, "MaxUploads")?;
        same_text(root, "Bucket", Some(&self.bucket))?;
        self.form.same_key(root, "KeyMarker", &self.key_marker)
    }

    fn next(
        &self,
        root: &Element,
        last: Option<&Entry<&Upload>>,
    ) -> Result<Option<Self>, Difference> {
        let Some(last) = last else {
            return Ok(None);
        };
        self.form.same_key(root, "NextKeyMarker", last.text())?;
        let marker = match last {
            Entry::Row(_, upload) => Some(upload.id.clone()),
            Entry::Prefix(_) => None,
        };
        let told = root.child("NextUploadIdMarker").unwrap_or_default();
        let expected = marker.as_deref().unwrap_or_default();
        same("NextUploadIdMarker", &expected, &told)?;
        Ok(Some(Self {
            key_marker: last.text().to_owned(),
            upload_marker: marker,
            ..self.clone()
        }))
    }
}

impl Call for ListUploads {
    fn touches(&self) -> Touches {
        Touches::Everything
    }

    fn request(&self) -> Request {
        let request = Request::new("GET", format!("/{}", self.bucket)).query("uploads", "");
        let mut request = self.form.asked(request, "max-uploads");
        if !self.key_marker.is_empty() {
            request = request.query("key-marker", self.key_marker.clone());
        }
        if let Some(marker) = &self.upload_marker {
            request = request.query("upload-id-marker", marker.clone());
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = Refusals::of_bucket(world, &self.bucket);
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let root = root(answer, "ListMultipartUploadsResult")?;
        let page = self.page(world);
        self.judge_page(&root, &page)?;
        let next = self.next(&root, page.next.as_ref())?;
        let listed = page
            .rows
            .into_iter()
            .map(|(key, upload)| (key, upload.id.clone()));
        let listed: Vec<(String, String)> = listed.collect();
        for ((key, id), row) in listed.iter().zip(root.all("Upload")) {
            if let Some(upload) = world.upload_mut(&self.bucket, key, id) {
                hear(&mut upload.initiated, row, "Initiated")?;
            }
        }
        Ok(match next {
            Some(next) if self.walks => Next::Now(Box::new(next)),
            _ => Next::Done,
        })
    }
}

/// A key's uploads are listed oldest first.
fn place(at: usize) -> Place {
    Place(u64::try_from(at).unwrap_or(u64::MAX))
}
