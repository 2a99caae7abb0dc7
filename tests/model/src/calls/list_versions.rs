//! `ListObjectVersions`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::{Form, Row, hear, same_text};
use crate::call::{
    Call, Difference, INVALID_ARGUMENT, Judged, Manner, Next, Refusals, Touches, root, same,
};
use crate::document::Element;
use crate::draw::{Draw, STRANGE};
use crate::world::{Entry, NULL, Page, Pattern, Place, Version, World};

#[derive(Clone, Debug)]
pub(crate) struct ListVersions {
    bucket: String,
    form: Form,
    key_marker: String,
    version_marker: Option<Marker>,
    walks: Option<bool>,
}

/// The version behind which a key's are listed.
#[derive(Clone, Debug)]
struct Marker {
    id: String,
    /// `None` for one that cannot be a name.
    rank: Option<u64>,
}

type Listed<'a> = (&'a Version, bool);

impl ListVersions {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let (mut key_marker, mut version_marker) = (String::new(), None);
        match draw.below(10) {
            0..5 => {}
            5..7 => key_marker = draw.text(&bucket),
            7..9 => (key_marker, version_marker) = draw_marker(draw, &bucket),
            _ => (key_marker, version_marker) = draw_bad_marker(draw, &bucket),
        }
        Self {
            form: Form {
                pattern: draw.pattern(&bucket),
                limit: draw.limit(),
                is_encoded: draw.chance(50),
            },
            walks: draw.chance(50).then(|| draw.chance(50)),
            bucket,
            key_marker,
            version_marker,
        }
    }

    /// Every page of a bucket's versions.
    pub(crate) fn all(bucket: &str, limit: usize) -> Self {
        Self {
            bucket: bucket.to_owned(),
            form: Form {
                pattern: Pattern::default(),
                limit: Some(limit),
                is_encoded: true,
            },
            key_marker: String::new(),
            version_marker: None,
            walks: Some(false),
        }
    }

    fn page<'a>(&self, world: &'a World) -> Page<Listed<'a>> {
        let keys = world.buckets.get(&self.bucket).map(|bucket| &bucket.keys);
        let rows = keys.into_iter().flatten().flat_map(|(key, versions)| {
            let rows = versions.iter().enumerate();
            rows.map(|(at, version)| (key.clone(), place(version.rank), (version, at == 0)))
        });
        let after = self.version_marker.as_ref().and_then(|marker| marker.rank);
        let after = (self.key_marker.as_str(), after.map(place));
        self.form.pattern.page(rows, after, self.form.page_len())
    }

    fn judge_page(&self, root: &Element, page: &Page<Listed<'_>>) -> Result<(), Difference> {
        let row = |(key, (version, is_latest)): &(String, Listed<'_>)| {
            let element = version
                .object
                .as_ref()
                .map_or("DeleteMarker", |_| "Version");
            let is_latest = is_latest.to_string();
            let fields = [
                ("Key", key.as_str()),
                ("VersionId", &version.id),
                ("IsLatest", &is_latest),
            ];
            let mut row = Row::new(element, &fields);
            if let Some(object) = &version.object {
                row.describe(object);
            }
            row
        };
        let rows: Vec<Row> = page.rows.iter().map(row).collect();
        self.form.judge(root, page, &rows, "MaxKeys")?;
        same_text(root, "Name", Some(&self.bucket))?;
        self.form.same_key(root, "KeyMarker", &self.key_marker)?;
        let marker = self.version_marker.as_ref().map_or("", |marker| &marker.id);
        let told = root.child("VersionIdMarker").unwrap_or_default();
        same("VersionIdMarker", &marker, &told)
    }

    fn next(
        &self,
        root: &Element,
        last: Option<&Entry<Listed<'_>>>,
    ) -> Result<Option<Self>, Difference> {
        let Some(last) = last else {
            let told = ["NextKeyMarker", "NextVersionIdMarker"].map(|name| root.child(name));
            same(
                "next markers",
                &[""; 2],
                &told.map(Option::unwrap_or_default),
            )?;
            return Ok(None);
        };
        self.form.same_key(root, "NextKeyMarker", last.text())?;
        let marker = match last {
            Entry::Row(_, (version, _)) => Some(Marker::of(version)),
            Entry::Prefix(_) => None,
        };
        let id = marker.as_ref().map_or("", |marker| &marker.id);
        let told = root.child("NextVersionIdMarker").unwrap_or_default();
        same("NextVersionIdMarker", &id, &told)?;
        Ok(Some(Self {
            key_marker: last.text().to_owned(),
            version_marker: marker,
            ..self.clone()
        }))
    }

    /// Whether other things may happen before the page is asked for: what the null version is may change meanwhile.
    fn may_wait(&self) -> bool {
        let marker = self.version_marker.as_ref();
        marker.is_none_or(|marker| marker.id != NULL)
    }
}

impl Call for ListVersions {
    fn touches(&self) -> Touches {
        Touches::Everything
    }

    fn request(&self) -> Request {
        let request = Request::new("GET", format!("/{}", self.bucket)).query("versions", "");
        let mut request = self.form.asked(request, "max-keys");
        if !self.key_marker.is_empty() {
            request = request.query("key-marker", self.key_marker.clone());
        }
        if let Some(marker) = &self.version_marker {
            request = request.query("version-id-marker", marker.id.clone());
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        if let Some(marker) = &self.version_marker {
            let is_strange = self.key_marker.is_empty() || marker.rank.is_none();
            refusals.add_if(is_strange, INVALID_ARGUMENT);
        }
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let root = root(answer, "ListVersionsResult")?;
        let page = self.page(world);
        self.judge_page(&root, &page)?;
        let next = self.next(&root, page.next.as_ref())?;
        let listed = page
            .rows
            .into_iter()
            .map(|(key, (version, _))| (key, version.id.clone()));
        let listed: Vec<(String, String)> = listed.collect();
        let rows = root.children.iter();
        let rows = rows.filter(|row| ["Version", "DeleteMarker"].contains(&row.name.as_str()));
        for ((key, id), row) in listed.iter().zip(rows) {
            if let Some(version) = world.find_mut(&self.bucket, key, Some(id)) {
                hear(&mut version.modified, row, "LastModified")?;
            }
        }
        Ok(match (next, self.walks) {
            (Some(next), Some(true)) if next.may_wait() => Next::Later(Box::new(next)),
            (Some(next), Some(_)) => Next::Now(Box::new(next)),
            _ => Next::Done,
        })
    }
}

impl Marker {
    fn of(version: &Version) -> Self {
        Self {
            id: version.id.clone(),
            rank: Some(version.rank),
        }
    }
}

/// A key's versions are listed newest first.
fn place(rank: u64) -> Place {
    Place(u64::MAX - rank)
}

/// A version of a key, or one that was.
fn draw_marker(draw: &mut Draw<'_>, bucket: &str) -> (String, Option<Marker>) {
    let gone = draw
        .world
        .buckets
        .get(bucket)
        .map(|bucket| bucket.gone.iter());
    let gone = gone.and_then(|gone| draw.one_of(gone));
    if let Some(gone) = gone.filter(|_| draw.chance(30)) {
        let marker = Marker {
            id: gone.id.clone(),
            rank: Some(gone.rank),
        };
        return (gone.key.clone(), Some(marker));
    }
    let key = draw.known_key(bucket);
    let version = draw.one_of(draw.world.versions(bucket, &key).iter());
    (key, version.map(Marker::of))
}

/// A version without its key, or a name that can be none.
fn draw_bad_marker(draw: &mut Draw<'_>, bucket: &str) -> (String, Option<Marker>) {
    let key = draw.known_key(bucket);
    if draw.chance(50) {
        let version = draw.world.versions(bucket, &key).first();
        return (String::new(), version.map(Marker::of));
    }
    let marker = Marker {
        id: STRANGE.to_owned(),
        rank: None,
    };
    (key, Some(marker))
}
