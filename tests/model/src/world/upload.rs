//! Multipart uploads before they are objects.

use std::collections::BTreeMap;

use bytes::Bytes;
use cairn_dev_tests::checksum::{Algorithm, md5_hex, multipart_etag};

use super::object::{Body, Checksum, ChecksumForm, Object, PartSpan, Settings};
use crate::told::Told;

/// An open upload.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) parts: BTreeMap<u16, Part>,
    pub(crate) settings: Settings,
    pub(crate) checksum: Option<(Algorithm, ChecksumForm)>,
    pub(crate) initiated: Told,
}

/// A part.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) body: Body,
    pub(crate) modified: Told,
}

impl Part {
    pub(crate) fn new(body: Body) -> Self {
        Self {
            body,
            modified: Told::default(),
        }
    }

    /// Without its quotes.
    pub(crate) fn etag(&self) -> String {
        md5_hex(&self.body.0)
    }
}

impl Upload {
    /// The object that the parts of these numbers make; `None` when one is not there.
    pub(crate) fn object(&self, numbers: &[u16]) -> Option<Object> {
        let parts: Option<Vec<&Part>> = numbers
            .iter()
            .map(|number| self.parts.get(number))
            .collect();
        let bodies: Vec<&[u8]> = parts?.iter().map(|part| part.body.0.as_ref()).collect();
        let mut spans = Vec::new();
        let mut start = 0;
        for (number, body) in numbers.iter().zip(&bodies) {
            let end = start + body.len();
            spans.push(PartSpan {
                number: *number,
                bytes: start..end,
            });
            start = end;
        }
        let whole = Bytes::from(bodies.concat());
        let checksum = self.checksum.map(|(algorithm, form)| Checksum {
            algorithm,
            form,
            value: match form {
                ChecksumForm::FullObject => algorithm.value(&whole),
                ChecksumForm::Composite => algorithm.composite(&bodies),
            },
        });
        Some(Object {
            etag: multipart_etag(&bodies),
            parts: spans,
            settings: self.settings.clone(),
            checksum,
            body: Body(whole),
        })
    }
}
