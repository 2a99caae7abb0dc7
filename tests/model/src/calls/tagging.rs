//! `PutObjectTagging`, `GetObjectTagging` and `DeleteObjectTagging`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::same_list;
use crate::call::{
    Call, INVALID_ARGUMENT, Judged, METHOD_NOT_ALLOWED, Manner, NO_SUCH_KEY, NO_SUCH_VERSION, Next,
    Refusals, Touches, root, same_version,
};
use crate::draw::{Draw, STRANGE};
use crate::words::escaped;
use crate::world::{Found, World};

const TOO_MANY: (u16, &str) = (400, "BadRequest");
const INVALID_TAG: (u16, &str) = (400, "InvalidTag");

#[derive(Clone, Debug)]
pub(crate) struct Tagging {
    bucket: String,
    key: String,
    version: Option<String>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Get,
    Put(Vec<(String, String)>),
    Delete,
}

impl Tagging {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.bucket();
        let key = draw.known_key(&bucket);
        let version = draw.version(&bucket, &key);
        let change = match draw.below(10) {
            0..4 => Change::Get,
            4..8 => Change::Put(draw_tags(draw)),
            _ => Change::Delete,
        };
        Self {
            bucket,
            key,
            version,
            change,
        }
    }

    fn refusals(&self, world: &World) -> Refusals {
        let mut refusals =
            refusals_of_version(world, &self.bucket, &self.key, self.version.as_deref());
        if let Change::Put(tags) = &self.change {
            refusals.add_if(tags.len() > 10, TOO_MANY);
            let twice = |(at, (name, _)): (usize, &(String, String))| {
                tags.iter().take(at).any(|(other, _)| other == name)
            };
            refusals.add_if(tags.iter().enumerate().any(twice), INVALID_TAG);
        }
        refusals
    }
}

/// Why what is said of a version beside its bytes can neither be read nor changed.
pub(crate) fn refusals_of_version(
    world: &World,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Refusals {
    let mut refusals = Refusals::of_bucket(world, bucket);
    if version == Some(STRANGE) {
        refusals.add(INVALID_ARGUMENT);
        return refusals;
    }
    match world.find(bucket, key, version) {
        Found::Object(..) => {}
        Found::Marker(_) if version.is_some() => refusals.add(METHOD_NOT_ALLOWED),
        Found::Marker(_) | Found::NoKey => refusals.add(NO_SUCH_KEY),
        Found::NoVersion => refusals.add(NO_SUCH_VERSION),
    }
    refusals
}

fn draw_tags(draw: &mut Draw<'_>) -> Vec<(String, String)> {
    let mut tags = if draw.chance(10) {
        Vec::new()
    } else {
        draw.tags()
    };
    if draw.chance(5) {
        let extra = draw.below(2) * 10;
        tags.extend((0..extra).map(|number| (format!("more {number}"), String::new())));
        tags.extend(tags.first().cloned().filter(|_| extra == 0));
    }
    tags
}

impl Call for Tagging {
    fn touches(&self) -> Touches {
        Touches::key(&self.bucket, &self.key)
    }

    fn request(&self) -> Request {
        let method = match &self.change {
            Change::Get => "GET",
            Change::Put(_) => "PUT",
            Change::Delete => "DELETE",
        };
        let mut request = Request::key(method, &self.bucket, &self.key).query("tagging", "");
        if let Some(version) = &self.version {
            request = request.query("versionId", version);
        }
        if let Change::Put(tags) = &self.change {
            let tag = |(name, value): &(String, String)| {
                let (name, value) = (escaped(name), escaped(value));
                format!("<Tag><Key>{name}</Key><Value>{value}</Value></Tag>")
            };
            let tags: String = tags.iter().map(tag).collect();
            request = request.body(format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"));
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let success = match &self.change {
            Change::Get | Change::Put(_) => 200,
            Change::Delete => 204,
        };
        let refusals = self.refusals(world);
        if refusals.judge(answer, success, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let version = world.find_mut(&self.bucket, &self.key, self.version.as_deref());
        let Some(version) = version else {
            return Ok(Next::Done);
        };
        same_version(answer, "x-amz-version-id", &version.id)?;
        let Some(object) = &mut version.object else {
            return Ok(Next::Done);
        };
        match &self.change {
            Change::Delete => object.settings.tags.clear(),
            Change::Put(tags) => object.settings.tags.clone_from(tags),
            Change::Get => {
                let root = root(answer, "Tagging")?;
                let tags = root.all("TagSet").flat_map(|set| set.all("Tag"));
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                let tags = tags.map(|tag| (text(tag.child("Key")), text(tag.child("Value"))));
                let mut said: Vec<(String, String)> = tags.collect();
                let mut expected = object.settings.tags.clone();
                said.sort();
                expected.sort();
                same_list("tags", &expected, &said)?;
            }
        }
        Ok(Next::Done)
    }
}
