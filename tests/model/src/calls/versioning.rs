//! `PutBucketVersioning` and `GetBucketVersioning`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::same_text;
use crate::call::{Call, Judged, Manner, Next, Refusals, Touches, root};
use crate::draw::Draw;
use crate::world::{Versioning, World};

const INVALID_BUCKET_STATE: (u16, &str) = (409, "InvalidBucketState");

#[derive(Clone, Debug)]
pub(crate) struct PutVersioning {
    bucket: String,
    versioning: Versioning,
}

#[derive(Clone, Debug)]
pub(crate) struct GetVersioning {
    bucket: String,
}

impl PutVersioning {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let versioning = if draw.chance(60) {
            Versioning::Enabled
        } else {
            Versioning::Suspended
        };
        Self {
            bucket: draw.bucket(),
            versioning,
        }
    }
}

impl Call for PutVersioning {
    fn touches(&self) -> Touches {
        Touches::Everything
    }

    fn request(&self) -> Request {
        let status = format!("<Status>{:?}</Status>", self.versioning);
        Request::new("PUT", format!("/{}", self.bucket))
            .query("versioning", "")
            .body(format!(
                "<VersioningConfiguration>{status}</VersioningConfiguration>"
            ))
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        let bucket = world.buckets.get_mut(&self.bucket);
        let is_locked = bucket.as_ref().is_some_and(|bucket| bucket.has_lock);
        let suspends = self.versioning == Versioning::Suspended;
        refusals.add_if(is_locked && suspends, INVALID_BUCKET_STATE);
        if !refusals.judge(answer, 200, Manner::Plain)?
            && let Some(bucket) = bucket
        {
            bucket.versioning = self.versioning;
        }
        Ok(Next::Done)
    }
}

impl GetVersioning {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            bucket: draw.bucket(),
        }
    }
}

impl Call for GetVersioning {
    fn touches(&self) -> Touches {
        Touches::Keys(Vec::new())
    }

    fn request(&self) -> Request {
        Request::new("GET", format!("/{}", self.bucket)).query("versioning", "")
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = Refusals::of_bucket(world, &self.bucket);
        if refusals.judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let root = root(answer, "VersioningConfiguration")?;
        let versioning = world
            .buckets
            .get(&self.bucket)
            .map(|bucket| bucket.versioning);
        let status = match versioning {
            Some(Versioning::Enabled) => Some("Enabled"),
            Some(Versioning::Suspended) => Some("Suspended"),
            Some(Versioning::Never) | None => None,
        };
        same_text(&root, "Status", status)?;
        Ok(Next::Done)
    }
}
