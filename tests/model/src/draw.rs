//! The choices of a call, by dice and by what the model holds.

use cairn_dev_tests::checksum::Algorithm;
use cairn_dev_tests::dice::Dice;

use crate::world::{Body, Bucket, NULL, Pattern, Settings, World};
use crate::{words, world};

/// How many buckets a run has names for.
const BUCKETS: u64 = 5;
/// Above so many versions a bucket gets few new keys.
const CROWD: usize = 60;

/// A name of a version that cannot be one.
pub(crate) const STRANGE: &str = "strange";
/// An ETag that no body of these has.
pub(crate) const OTHER_ETAG: &str = "00000000000000000000000000000000";
/// Dates of retention: far enough that none of them passes.
pub(crate) const DATES: [&str; 3] = [
    "2095-01-01T00:00:00Z",
    "2096-02-29T12:34:56Z",
    "2097-12-31T23:59:59Z",
];

/// Dice, and what is there to choose from.
#[derive(Debug)]
pub(crate) struct Draw<'a> {
    pub(crate) world: &'a World,
    pub(crate) dice: &'a mut Dice,
}

impl Draw<'_> {
    /// True so many times of a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.dice.below(100) < percent
    }

    /// A number below `limit`, which is above zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from(self.dice.below(limit)).unwrap_or(0)
    }

    /// One of some items, if there is one.
    pub(crate) fn one_of<Item>(
        &mut self,
        mut items: impl Iterator<Item = Item> + Clone,
    ) -> Option<Item> {
        let count = items.clone().count();
        if count == 0 {
            return None;
        }
        let at = self.below(count);
        items.nth(at)
    }

    /// A name for a bucket, whether there is one or not.
    pub(crate) fn bucket_name(&mut self) -> String {
        format!("{}-{}", self.world.label, self.dice.below(BUCKETS))
    }

    /// The name of a bucket that is there, nearly always.
    pub(crate) fn bucket(&mut self) -> String {
        let world = self.world;
        match self.one_of(world.buckets.keys()) {
            Some(name) if !self.chance(1) => name.clone(),
            _ => self.bucket_name(),
        }
    }

    /// A bucket with object lock if there is one, most of the time.
    pub(crate) fn lock_bucket(&mut self) -> String {
        let buckets = self.world.buckets.iter();
        let locking = buckets.filter(|(_, bucket)| bucket.has_lock);
        match self.one_of(locking.map(|(name, _)| name)) {
            Some(name) if self.chance(85) => name.clone(),
            _ => self.bucket(),
        }
    }

    /// A key of a bucket: mostly one that it has.
    pub(crate) fn key(&mut self, bucket: &str) -> String {
        let known = self.world.buckets.get(bucket);
        let known_key = known.and_then(|bucket| self.one_of(bucket.keys.keys()));
        let is_crowded = known.is_some_and(|bucket| bucket.version_count() > CROWD);
        let fresh = if is_crowded { 3 } else { 25 };
        match known_key {
            Some(key) if !self.chance(fresh) => key.clone(),
            Some(key) if self.chance(40) => words::near(self.dice, key),
            _ => words::key(self.dice),
        }
    }

    /// A key that a bucket has, nearly always: for what needs one.
    pub(crate) fn known_key(&mut self, bucket: &str) -> String {
        let known = self.world.buckets.get(bucket);
        let current = known.and_then(|bucket| self.one_of(bucket.keys.keys()));
        match current {
            Some(key) if !self.chance(6) => key.clone(),
            _ => self.key(bucket),
        }
    }

    /// A version of a key to ask for, or none.
    pub(crate) fn version(&mut self, bucket: &str, key: &str) -> Option<String> {
        let percent = self.dice.below(100);
        let versions = self.world.versions(bucket, key).iter();
        match percent {
            0..65 => None,
            65..92 => self.one_of(versions.map(|version| version.id.clone())),
            92..96 => {
                let gone = self
                    .world
                    .buckets
                    .get(bucket)
                    .map(|bucket| bucket.gone.iter());
                let gone = gone.and_then(|gone| self.one_of(gone));
                gone.map(|gone| gone.id.clone())
            }
            96..99 => Some(NULL.to_owned()),
            _ => Some(STRANGE.to_owned()),
        }
    }

    /// An ETag for a condition: that of a key's object, or another.
    pub(crate) fn etag(&mut self, bucket: &str, key: &str) -> String {
        let current = self.world.current(bucket, key);
        match current {
            Some(object) if self.chance(65) => object.etag.clone(),
            _ => OTHER_ETAG.to_owned(),
        }
    }

    /// A body: mostly small, sometimes around the length from which bodies are stored apart from their records, seldom large.
    pub(crate) fn body(&mut self) -> Body {
        let len = match self.dice.below(200) {
            0..16 => 0,
            16..140 => 1 + self.dice.below(200),
            140..168 => self.dice.below(5_000),
            168..184 => 16_380 + self.dice.below(9),
            184..197 => self.dice.below(200_000),
            197..199 => 1_048_570 + self.dice.below(12),
            _ => self.dice.below(3_000_000),
        };
        Body::of(self.dice.below(u64::MAX), len)
    }

    /// Metadata, tags and locks for a new object of a bucket.
    pub(crate) fn settings(&mut self, bucket: &str) -> Settings {
        let mut settings = Settings::default();
        for (name, values) in HEADERS {
            if self.chance(20) {
                let value = (*self.dice.choose(values)).to_owned();
                settings.headers.insert((*name).to_owned(), value);
            }
        }
        if self.chance(20) {
            settings.tags = self.tags();
        }
        let has_lock = self
            .world
            .buckets
            .get(bucket)
            .is_some_and(|bucket| bucket.has_lock);
        if self.chance(if has_lock { 15 } else { 1 }) {
            settings.hold = Some(self.chance(50));
        }
        if self.chance(if has_lock { 15 } else { 1 }) {
            settings.retained_until = Some((*self.dice.choose(&DATES)).to_owned());
        }
        settings
    }

    /// One to ten tags with different names.
    pub(crate) fn tags(&mut self) -> Vec<(String, String)> {
        let count = if self.chance(10) {
            10
        } else {
            1 + self.below(3)
        };
        let tag = |number: usize, value: &'static str| (format!("tag {number}"), value.to_owned());
        (0..count)
            .map(|number| {
                let value: &&str = self.dice.choose(TAG_VALUES);
                tag(number, value)
            })
            .collect()
    }

    pub(crate) fn algorithm(&mut self) -> Option<Algorithm> {
        let asks = self.chance(25);
        asks.then(|| *self.dice.choose(&Algorithm::ALL))
    }

    /// What a listing is to show.
    pub(crate) fn pattern(&mut self, bucket: &str) -> Pattern {
        let prefix = if self.chance(45) {
            String::new()
        } else {
            self.text(bucket)
        };
        let delimiter = if self.chance(35) {
            String::new()
        } else {
            words::delimiter(self.dice)
        };
        Pattern { prefix, delimiter }
    }

    /// A text that keys are compared with: a key, a piece of one, or neither.
    pub(crate) fn text(&mut self, bucket: &str) -> String {
        let bucket = self.world.buckets.get(bucket);
        let known: Vec<&String> = bucket.into_iter().flat_map(listed_keys).collect();
        match self.one_of(known.into_iter()) {
            None => words::key(self.dice),
            Some(key) => match self.dice.below(10) {
                0..3 => key.clone(),
                3..9 => words::near(self.dice, key),
                _ => words::key(self.dice),
            },
        }
    }

    /// An upload of a bucket with its key: mostly one that is open, else one that was, or one that never was.
    pub(crate) fn upload(&mut self, bucket: &str) -> (String, String) {
        let known = self.world.buckets.get(bucket);
        let open = known.into_iter().flat_map(|bucket| &bucket.uploads);
        let open = open.flat_map(|(key, uploads)| uploads.iter().map(move |upload| (key, upload)));
        let open = self.one_of(open);
        let ended = known.and_then(|bucket| self.one_of(bucket.ended.iter()));
        let throw = self.dice.below(100);
        match (open, ended) {
            (Some((_, upload)), _) if throw < 2 => (self.known_key(bucket), upload.id.clone()),
            (Some((key, upload)), _) if throw < 94 => (key.clone(), upload.id.clone()),
            (_, Some(ended)) if throw < 98 => (ended.key.clone(), ended.id.clone()),
            _ => (self.known_key(bucket), STRANGE.to_owned()),
        }
    }

    /// How long pages are: `None` for as long as they may be.
    pub(crate) fn limit(&mut self) -> Option<usize> {
        match self.dice.below(20) {
            0..5 => None,
            5 => Some(0),
            6..16 => Some(1 + self.below(5)),
            _ => Some(1 + self.below(world::LONGEST_PAGE.min(60))),
        }
    }
}

fn listed_keys(bucket: &Bucket) -> impl Iterator<Item = &String> {
    bucket.keys.keys().chain(bucket.uploads.keys())
}

const TAG_VALUES: &[&str] = &["", "x", "two words", "a+b=c/d:e@f"];

const HEADERS: &[(&str, &[&str])] = &[
    (
        "content-type",
        &["text/plain", "application/x-model; v=\"1\""],
    ),
    ("cache-control", &["no-cache"]),
    ("content-disposition", &["attachment; filename=\"a b.txt\""]),
    ("content-language", &["de-DE"]),
    ("x-amz-meta-color", &["red", "dark blue", "a,b; c"]),
    ("x-amz-meta-long-name-with-dashes", &["1"]),
];
