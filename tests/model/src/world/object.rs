//! Objects as their readers see them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use cairn_dev_tests::body::Pattern;
use cairn_dev_tests::checksum::{Algorithm, md5_hex};

/// The bytes of an object or a part.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Body(pub(crate) Bytes);

/// What a version is beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Headers that a read repeats, with those of `x-amz-meta-`; names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) tags: Vec<(String, String)>,
    /// `ON` or `OFF`, if it was ever told.
    pub(crate) hold: Option<bool>,
    /// Until when it is kept under GOVERNANCE.
    pub(crate) retained_until: Option<String>,
}

/// How a checksum covers an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChecksumForm {
    FullObject,
    Composite,
}

/// The additional checksum of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) form: ChecksumForm,
    pub(crate) value: String,
}

/// Where a part is in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartSpan {
    pub(crate) number: u16,
    pub(crate) bytes: Range<usize>,
}

/// A version that is no delete marker.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) body: Body,
    /// Without its quotes.
    pub(crate) etag: String,
    /// Empty for an object that was written at once.
    pub(crate) parts: Vec<PartSpan>,
    pub(crate) settings: Settings,
    pub(crate) checksum: Option<Checksum>,
}

impl Body {
    /// Bytes that follow from a seed.
    pub(crate) fn of(seed: u64, len_bytes: u64) -> Self {
        Self(Pattern::of("model", seed, len_bytes).bytes())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A piece; what is beyond the end is not there.
    pub(crate) fn piece(&self, range: Range<usize>) -> Bytes {
        let end = range.end.min(self.0.len());
        self.0.slice(range.start.min(end)..end)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{} bytes>", self.0.len())
    }
}

impl Object {
    /// An object that is written at once. Without another checksum it has a CRC64NVME.
    pub(crate) fn whole(body: Body, settings: Settings, algorithm: Option<Algorithm>) -> Self {
        Self {
            etag: md5_hex(&body.0),
            checksum: Some(Checksum::whole(
                algorithm.unwrap_or(Algorithm::Crc64Nvme),
                &body.0,
            )),
            parts: Vec::new(),
            settings,
            body,
        }
    }

    /// Whether it may not be deleted, by somebody who does or does not bypass governance.
    pub(crate) fn is_locked(&self, bypasses: bool) -> bool {
        let is_held = self.settings.hold == Some(true);
        is_held || (self.settings.retained_until.is_some() && !bypasses)
    }
}

impl Checksum {
    pub(crate) fn whole(algorithm: Algorithm, bytes: &[u8]) -> Self {
        Self {
            algorithm,
            form: ChecksumForm::FullObject,
            value: algorithm.value(bytes),
        }
    }
}

impl ChecksumForm {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}
