//! `CreateBucket`, `DeleteBucket`, `HeadBucket` and `ListBuckets`.

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::rows::{hear, same_list, same_text};
use crate::call::{Call, Judged, Manner, Next, Refusals, Touches, child, root, same};
use crate::draw::Draw;
use crate::world::{Bucket, World};

const BUCKET_NOT_EMPTY: (u16, &str) = (409, "BucketNotEmpty");
const INVALID_BUCKET_NAME: (u16, &str) = (400, "InvalidBucketName");

#[derive(Clone, Debug)]
pub(crate) struct CreateBucket {
    bucket: String,
    has_lock: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct DeleteBucket {
    bucket: String,
    /// Whether it is emptied if that is what it lacks.
    drains: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct HeadBucket {
    bucket: String,
}

#[derive(Clone, Debug)]
pub(crate) struct ListBuckets {
    prefix: String,
    limit: Option<usize>,
    /// The token and the name behind which it goes on.
    token: Option<(String, String)>,
}

impl CreateBucket {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = if draw.chance(4) {
            format!("{}-Large_", draw.world.label)
        } else {
            draw.bucket_name()
        };
        // What becomes of a lock that an existing bucket does not have is nowhere said.
        let known = draw.world.buckets.get(&bucket);
        let has_lock = match known {
            Some(known) => known.has_lock,
            None => draw.chance(30),
        };
        Self { bucket, has_lock }
    }
}

impl Call for CreateBucket {
    fn touches(&self) -> Touches {
        Touches::Everything
    }

    fn request(&self) -> Request {
        let request = Request::new("PUT", format!("/{}", self.bucket));
        if self.has_lock {
            return request.header("x-amz-bucket-object-lock-enabled", "true");
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let mut refusals = Refusals::default();
        refusals.add_if(self.bucket.contains('_'), INVALID_BUCKET_NAME);
        if !refusals.judge(answer, 200, Manner::Plain)? {
            let entry = world.buckets.entry(self.bucket.clone());
            entry.or_insert_with(|| Bucket::new(self.has_lock));
        }
        Ok(Next::Done)
    }
}

impl DeleteBucket {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            bucket: draw.bucket(),
            drains: draw.chance(25),
        }
    }

    /// Of a bucket that was emptied.
    pub(crate) fn of(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            drains: true,
        }
    }
}

impl Call for DeleteBucket {
    fn touches(&self) -> Touches {
        Touches::Everything
    }

    fn request(&self) -> Request {
        Request::new("DELETE", format!("/{}", self.bucket))
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let mut refusals = Refusals::of_bucket(world, &self.bucket);
        let bucket = world.buckets.get_mut(&self.bucket);
        let is_full = bucket.is_some_and(|bucket| {
            bucket.is_draining |= self.drains;
            !bucket.keys.is_empty()
        });
        refusals.add_if(is_full, BUCKET_NOT_EMPTY);
        if !refusals.judge(answer, 204, Manner::Plain)? {
            // Uploads that are not completed keep no bucket: they go with it.
            world.buckets.remove(&self.bucket);
        }
        Ok(Next::Done)
    }
}

impl HeadBucket {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            bucket: draw.bucket_name(),
        }
    }
}

impl Call for HeadBucket {
    fn touches(&self) -> Touches {
        Touches::Keys(Vec::new())
    }

    fn request(&self) -> Request {
        Request::new("HEAD", format!("/{}", self.bucket))
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        let refusals = Refusals::of_bucket(world, &self.bucket);
        if !refusals.judge(answer, 200, Manner::Head)? {
            let region = answer.header("x-amz-bucket-region");
            let is_told = region.is_some_and(|region| !region.is_empty());
            same("region", &true, &is_told)?;
        }
        Ok(Next::Done)
    }
}

impl ListBuckets {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            prefix: format!("{}-", draw.world.label),
            limit: draw.chance(60).then(|| 1 + draw.below(4)),
            token: None,
        }
    }
}

impl Call for ListBuckets {
    fn touches(&self) -> Touches {
        Touches::Keys(Vec::new())
    }

    fn request(&self) -> Request {
        let mut request = Request::new("GET", "/").query("prefix", self.prefix.clone());
        if let Some(limit) = self.limit {
            request = request.query("max-buckets", limit.to_string());
        }
        if let Some((token, _)) = &self.token {
            request = request.query("continuation-token", token.clone());
        }
        request
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        Refusals::default().judge(answer, 200, Manner::Plain)?;
        let root = root(answer, "ListAllMyBucketsResult")?;
        let after = self.token.as_ref().map(|(_, after)| after.as_str());
        let mut names: Vec<String> = world
            .buckets
            .keys()
            .filter(|name| after.is_none_or(|after| name.as_str() > after))
            .cloned()
            .collect();
        let is_truncated = self.limit.is_some_and(|limit| names.len() > limit);
        names.truncate(self.limit.unwrap_or(names.len()));
        let rows: Vec<_> = root
            .all("Buckets")
            .flat_map(|list| list.all("Bucket"))
            .collect();
        let said: Result<Vec<String>, _> = rows
            .iter()
            .map(|row| child(row, "Name").map(str::to_owned))
            .collect();
        same_list("buckets", &names, &said?)?;
        for (name, row) in names.iter().zip(rows) {
            if let Some(bucket) = world.buckets.get_mut(name) {
                hear(&mut bucket.created, row, "CreationDate")?;
            }
        }
        if !is_truncated {
            same_text(&root, "ContinuationToken", None)?;
            same_text(&root, "Prefix", Some(&self.prefix))?;
            return Ok(Next::Done);
        }
        let token = child(&root, "ContinuationToken")?.to_owned();
        let next = Self {
            prefix: self.prefix.clone(),
            limit: self.limit,
            token: names.pop().map(|last| (token, last)),
        };
        Ok(Next::Later(Box::new(next)))
    }
}
