//! `PutObjectLegalHold`, `GetObjectLegalHold`, `PutObjectRetention` and `GetObjectRetention`.

use cairn_dev_tests::checksum::md5_base64;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use super::settings::{bare_date, hold_name};
use super::tagging::refusals_of_version;
use crate::call::{
    ACCESS_DENIED, Call, INVALID_REQUEST, Judged, Manner, Next, Refusals, Touches, child, root,
    same,
};
use crate::draw::{DATES, Draw};
use crate::world::{Found, Object, World};

const NOT_TOLD: (u16, &str) = (404, "NoSuchObjectLockConfiguration");

#[derive(Clone, Debug)]
pub(crate) struct Lock {
    bucket: String,
    key: String,
    version: Option<String>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    GetHold,
    PutHold(bool),
    GetRetention,
    /// Until when, and whether an earlier date may be set.
    PutRetention(String, bool),
}

impl Lock {
    pub(crate) fn draw(draw: &mut Draw<'_>) -> Self {
        let bucket = draw.lock_bucket();
        let key = draw.known_key(&bucket);
        let version = draw.version(&bucket, &key);
        let change = match draw.below(10) {
            0..2 => Change::GetHold,
            2..5 => Change::PutHold(draw.chance(40)),
            5..7 => Change::GetRetention,
            _ => {
                let date = (*draw.dice.choose(&DATES)).to_owned();
                Change::PutRetention(date, draw.chance(40))
            }
        };
        Self {
            bucket,
            key,
            version,
            change,
        }
    }

    /// Lets a version go, so that it can be deleted.
    pub(crate) fn release(bucket: &str, key: &str, version: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: Some(version.to_owned()),
            change: Change::PutHold(false),
        }
    }

    fn refusals(&self, world: &World) -> Refusals {
        let version = self.version.as_deref();
        let mut refusals = refusals_of_version(world, &self.bucket, &self.key, version);
        let bucket = world.buckets.get(&self.bucket);
        let has_lock = bucket.is_none_or(|bucket| bucket.has_lock);
        refusals.add_if(!has_lock, INVALID_REQUEST);
        let found = world.find(&self.bucket, &self.key, version);
        if let (Found::Object(_, object), true) = (found, has_lock) {
            self.add_refusals(&mut refusals, object);
        }
        refusals
    }

    fn add_refusals(&self, refusals: &mut Refusals, object: &Object) {
        let settings = &object.settings;
        match &self.change {
            Change::PutHold(_) => {}
            Change::GetHold => refusals.add_if(settings.hold.is_none(), NOT_TOLD),
            Change::GetRetention => refusals.add_if(settings.retained_until.is_none(), NOT_TOLD),
            Change::PutRetention(until, bypasses) => {
                // Dates of this form order as their texts do.
                let known = settings.retained_until.as_ref();
                let shortens = known.is_some_and(|known| until < known);
                refusals.add_if(shortens && !bypasses, ACCESS_DENIED);
            }
        }
    }

    fn document(&self) -> Option<String> {
        match &self.change {
            Change::GetHold | Change::GetRetention => None,
            Change::PutHold(is_held) => {
                let status = hold_name(*is_held);
                Some(format!("<LegalHold><Status>{status}</Status></LegalHold>"))
            }
            Change::PutRetention(until, _) => Some(format!(
                "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
            )),
        }
    }
}

impl Call for Lock {
    fn touches(&self) -> Touches {
        Touches::key(&self.bucket, &self.key)
    }

    fn request(&self) -> Request {
        let name = match &self.change {
            Change::GetHold | Change::PutHold(_) => "legal-hold",
            Change::GetRetention | Change::PutRetention(..) => "retention",
        };
        let document = self.document();
        let method = if document.is_some() { "PUT" } else { "GET" };
        let mut request = Request::key(method, &self.bucket, &self.key).query(name, "");
        if let Some(version) = &self.version {
            request = request.query("versionId", version);
        }
        if let Change::PutRetention(_, true) = &self.change {
            request = request.header("x-amz-bypass-governance-retention", "true");
        }
        match document {
            None => request,
            Some(document) => request
                .header("content-md5", md5_base64(document.as_bytes()))
                .body(document),
        }
    }

    fn judge(&self, world: &mut World, answer: &Answer) -> Judged {
        if self.refusals(world).judge(answer, 200, Manner::Plain)? {
            return Ok(Next::Done);
        }
        let version = world.find_mut(&self.bucket, &self.key, self.version.as_deref());
        let Some(object) = version.and_then(|version| version.object.as_mut()) else {
            return Ok(Next::Done);
        };
        let settings = &mut object.settings;
        match &self.change {
            Change::PutHold(is_held) => settings.hold = Some(*is_held),
            Change::PutRetention(until, _) => settings.retained_until = Some(until.clone()),
            Change::GetHold => {
                let root = root(answer, "LegalHold")?;
                let status = child(&root, "Status")?;
                same("legal hold", &settings.hold.map(hold_name), &Some(status))?;
            }
            Change::GetRetention => {
                let root = root(answer, "Retention")?;
                same("mode", &"GOVERNANCE", &child(&root, "Mode")?)?;
                let until = bare_date(child(&root, "RetainUntilDate")?.to_owned());
                same("retention", &settings.retained_until, &Some(until))?;
            }
        }
        Ok(Next::Done)
    }
}
