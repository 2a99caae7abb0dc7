//! What must hold for a write or a read.

use cairn_dev_tests::request::Request;

use crate::call::{NO_SUCH_KEY, PRECONDITION_FAILED, Refusals, quoted};
use crate::draw::{Draw, OTHER_ETAG};
use crate::told::Told;
use crate::world::{Found, World};

/// Before anything was written.
const PAST: &str = "Mon, 01 Jan 2001 00:00:00 GMT";

/// The condition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteCondition {
    Always,
    /// `If-None-Match: *`.
    IfAbsent,
    /// `If-Match` with an ETag.
    IfMatch(String),
}

/// The conditions of a read, or of a copy on its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadConditions {
    matches: Option<String>,
    none_match: Option<String>,
    modified_since: Option<String>,
    unmodified_since: Option<String>,
}

/// What conditions say of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

impl WriteCondition {
    pub(crate) fn draw(draw: &mut Draw<'_>, bucket: &str, key: &str) -> Self {
        match draw.below(20) {
            0..2 => Self::IfAbsent,
            2..4 => Self::IfMatch(draw.etag(bucket, key)),
            _ => Self::Always,
        }
    }

    pub(crate) fn asked(&self, request: Request) -> Request {
        match self {
            Self::Always => request,
            Self::IfAbsent => request.header("if-none-match", "*"),
            Self::IfMatch(etag) => request.header("if-match", quoted(etag)),
        }
    }

    /// Why the write is refused. Where a delete marker is newest there is no object.
    pub(crate) fn add_refusals(
        &self,
        refusals: &mut Refusals,
        world: &World,
        bucket: &str,
        key: &str,
    ) {
        match (self, world.find(bucket, key, None)) {
            (Self::IfAbsent, Found::Object(..)) => refusals.add(PRECONDITION_FAILED),
            (Self::IfMatch(etag), Found::Object(_, object)) => {
                refusals.add_if(object.etag != *etag, PRECONDITION_FAILED);
            }
            (Self::IfMatch(_), _) => refusals.add(NO_SUCH_KEY),
            (Self::Always | Self::IfAbsent, _) => {}
        }
    }
}

impl ReadConditions {
    /// Conditions on a version: none, most of the time.
    pub(crate) fn draw(
        draw: &mut Draw<'_>,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Self {
        let mut conditions = Self::default();
        if !draw.chance(20) {
            return conditions;
        }
        let (etag, modified) = match draw.world.find(bucket, key, version) {
            Found::Object(version, object) => (
                object.etag.clone(),
                version.modified.header().map(str::to_owned),
            ),
            _ => (OTHER_ETAG.to_owned(), None),
        };
        let tag = |draw: &mut Draw<'_>| match draw.below(5) {
            0 => "*".to_owned(),
            1 => quoted(OTHER_ETAG),
            2 => etag.clone(),
            3 => format!("\"{OTHER_ETAG}\", \"{etag}\""),
            _ => quoted(&etag),
        };
        let date = |draw: &mut Draw<'_>| match &modified {
            Some(modified) if draw.chance(60) => modified.clone(),
            _ => PAST.to_owned(),
        };
        if draw.chance(40) {
            conditions.matches = Some(tag(draw));
        }
        if draw.chance(40) {
            conditions.none_match = Some(tag(draw));
        }
        if draw.chance(30) {
            conditions.modified_since = Some(date(draw));
        }
        if draw.chance(30) {
            conditions.unmodified_since = Some(date(draw));
        }
        conditions
    }

    /// Adds the headers, their names after `prefix`.
    pub(crate) fn asked(&self, prefix: &str, mut request: Request) -> Request {
        for (name, value) in [
            ("if-match", &self.matches),
            ("if-none-match", &self.none_match),
            ("if-modified-since", &self.modified_since),
            ("if-unmodified-since", &self.unmodified_since),
        ] {
            if let Some(value) = value {
                request = request.header(&format!("{prefix}{name}"), value.clone());
            }
        }
        request
    }

    /// Source: RFC 9110, 13.2.2, and AWS, "`GetObject`", of conditions that come together.
    pub(crate) fn verdict(&self, etag: &str, modified: &Told) -> Verdict {
        let names = |tags: &str| {
            let mut tags = tags.split(',').map(|tag| tag.trim().trim_matches('"'));
            tags.any(|tag| tag == etag || tag == "*")
        };
        // A date is that of the version itself or long before.
        let is_since = |date: &str| modified.header() != Some(date);
        let fails = match (&self.matches, &self.unmodified_since) {
            (Some(tags), _) => !names(tags),
            (None, Some(date)) => is_since(date),
            (None, None) => false,
        };
        let is_known = match (&self.none_match, &self.modified_since) {
            (Some(tags), _) => names(tags),
            (None, Some(date)) => !is_since(date),
            (None, None) => false,
        };
        match (fails, is_known) {
            (true, _) => Verdict::Failed,
            (false, true) => Verdict::NotModified,
            (false, false) => Verdict::Proceed,
        }
    }
}
