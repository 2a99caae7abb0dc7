//! What every call of S3 has: a request, and a judgement of its answer by the model.

use std::fmt;

use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;

use crate::document::Element;
use crate::world::{NULL, Versioning, World};

/// One call, with everything that was chosen for it.
pub(crate) trait Call: fmt::Debug + Send + Sync {
    /// What it reads and changes. Calls that touch different things may be made at once.
    fn touches(&self) -> Touches;

    fn request(&self) -> Request;

    /// Compares an answer with what the model expects, and has the model take the change.
    ///
    /// # Errors
    /// The first difference.
    fn judge(&self, world: &mut World, answer: &Answer) -> Judged;
}

/// What comes of a judgement.
pub(crate) type Judged = Result<Next, Difference>;

/// What follows a call.
#[derive(Debug)]
pub(crate) enum Next {
    Done,
    /// The next page, before anything else is done.
    Now(Box<dyn Call>),
    /// The next page, whatever is done before.
    Later(Box<dyn Call>),
}

/// What a call touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touches {
    Everything,
    /// Keys in buckets.
    Keys(Vec<(String, String)>),
}

/// The model and the server disagree.
#[derive(Debug, thiserror::Error)]
#[error("{what}: expected {expected}; the server said {said}")]
pub(crate) struct Difference {
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) said: String,
}

/// Status and error code.
pub(crate) type Refusal = (u16, &'static str);

pub(crate) const NO_SUCH_BUCKET: Refusal = (404, "NoSuchBucket");
pub(crate) const NO_SUCH_KEY: Refusal = (404, "NoSuchKey");
pub(crate) const NO_SUCH_VERSION: Refusal = (404, "NoSuchVersion");
pub(crate) const NO_SUCH_UPLOAD: Refusal = (404, "NoSuchUpload");
pub(crate) const METHOD_NOT_ALLOWED: Refusal = (405, "MethodNotAllowed");
pub(crate) const PRECONDITION_FAILED: Refusal = (412, "PreconditionFailed");
pub(crate) const INVALID_ARGUMENT: Refusal = (400, "InvalidArgument");
pub(crate) const INVALID_REQUEST: Refusal = (400, "InvalidRequest");
pub(crate) const ACCESS_DENIED: Refusal = (403, "AccessDenied");

/// Everything for which a call may be refused. AWS does not say what outweighs what where several things are wrong, so any of them
/// will do; where nothing is, the call must succeed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(Vec<Refusal>);

/// How a refusal can look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Plain,
    /// Without a body, so without a code.
    Head,
    /// Perhaps after a 200: S3 begins its answers to long calls before it knows their end.
    Late,
}

impl Touches {
    pub(crate) fn key(bucket: &str, key: &str) -> Self {
        Self::Keys(vec![(bucket.to_owned(), key.to_owned())])
    }

    /// Whether calls that touch these may not be made at once.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keys(mine), Self::Keys(others)) => mine.iter().any(|key| others.contains(key)),
            _ => true,
        }
    }
}

impl Difference {
    pub(crate) fn new(what: &str, expected: &impl fmt::Debug, said: &impl fmt::Debug) -> Self {
        Self {
            what: what.to_owned(),
            expected: format!("{expected:?}"),
            said: format!("{said:?}"),
        }
    }
}

impl Refusals {
    /// Those of a bucket that is not there.
    pub(crate) fn of_bucket(world: &World, bucket: &str) -> Self {
        let mut refusals = Self::default();
        refusals.add_if(!world.buckets.contains_key(bucket), NO_SUCH_BUCKET);
        refusals
    }

    pub(crate) fn add(&mut self, refusal: Refusal) {
        self.0.push(refusal);
    }

    pub(crate) fn add_if(&mut self, holds: bool, refusal: Refusal) {
        if holds {
            self.add(refusal);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the call was refused, as it had to be.
    ///
    /// # Errors
    /// When it was not, or for something else, or when it had to succeed with this status and did not.
    pub(crate) fn judge(
        &self,
        answer: &Answer,
        success: u16,
        manner: Manner,
    ) -> Result<bool, Difference> {
        let (status, code) = answer.verdict();
        if self.is_empty() {
            return match (status == success, code.is_empty()) {
                (true, true) => Ok(false),
                _ => Err(Difference::new("verdict", &success, &described(answer))),
            };
        }
        let is_expected = self.0.iter().any(|(expected, name)| match manner {
            Manner::Plain => status == *expected && code == *name,
            Manner::Head => status == *expected,
            Manner::Late => (status == *expected || status == 200) && code == *name,
        });
        if is_expected {
            return Ok(true);
        }
        Err(Difference::new("verdict", &self.0, &described(answer)))
    }
}

/// # Errors
/// When they are not the same.
pub(crate) fn same<Value: PartialEq + fmt::Debug>(
    what: &str,
    expected: &Value,
    said: &Value,
) -> Result<(), Difference> {
    if expected == said {
        return Ok(());
    }
    Err(Difference::new(what, expected, said))
}

/// # Errors
/// When a header is not what is expected of it, there or not.
pub(crate) fn same_header(
    answer: &Answer,
    name: &str,
    expected: Option<&str>,
) -> Result<(), Difference> {
    same(name, &expected, &answer.header(name))
}

/// The root of an answer's document.
///
/// # Errors
/// When it has none of this name.
pub(crate) fn root(answer: &Answer, name: &str) -> Result<Element, Difference> {
    match Element::parse(&answer.body) {
        Some(root) if root.name == name => Ok(root),
        _ => Err(Difference::new("document", &name, &answer.text())),
    }
}

/// The text of a child that must be there.
///
/// # Errors
/// When it is not.
pub(crate) fn child<'a>(element: &'a Element, name: &str) -> Result<&'a str, Difference> {
    let child = element.child(name);
    child.ok_or_else(|| Difference::new("element", &name, &element))
}

/// An ETag with its quotes.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// The name of the version that a write made: a new one where versions are kept, the null version elsewhere, which S3 need not name.
///
/// # Errors
/// When it is anything else.
pub(crate) fn new_version(
    world: &World,
    bucket: &str,
    told: Option<&str>,
) -> Result<String, Difference> {
    let bucket = world.buckets.get(bucket);
    let keeps = bucket.is_some_and(|bucket| bucket.versioning == Versioning::Enabled);
    let is_known = |id: &str| {
        let mut versions = bucket.into_iter().flat_map(|bucket| bucket.keys.values());
        let is_gone = bucket.is_some_and(|bucket| bucket.gone.iter().any(|gone| gone.id == id));
        is_gone || versions.any(|versions| versions.iter().any(|version| version.id == id))
    };
    match told {
        Some(id) if keeps && id != NULL && !id.is_empty() && !is_known(id) => Ok(id.to_owned()),
        None | Some(NULL) if !keeps => Ok(NULL.to_owned()),
        _ => {
            let expected = if keeps { "a new name" } else { NULL };
            Err(Difference::new("version", &expected, &told))
        }
    }
}

/// The version that an answer names. S3 need not name a null version that nobody asked for.
///
/// # Errors
/// When it is another one.
pub(crate) fn same_version(
    answer: &Answer,
    header: &str,
    expected: &str,
) -> Result<(), Difference> {
    match answer.header(header) {
        Some(said) if said == expected => Ok(()),
        None if expected == NULL => Ok(()),
        said => Err(Difference::new(header, &expected, &said)),
    }
}

/// An answer for somebody who reads of a difference.
fn described(answer: &Answer) -> String {
    let text = answer.text();
    let text: String = text.chars().take(600).collect();
    format!("{} {:?} {text}", answer.status, answer.headers)
}
