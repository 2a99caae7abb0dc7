//! Rows of listings: as the model has them, and as documents have them.

use std::collections::BTreeMap;

use cairn_dev_tests::request::Request;

use crate::call::{Difference, child};
use crate::document::Element;
use crate::told::Told;
use crate::words::url_decoded;
use crate::world::{Object, Page, Pattern};

/// A row: its element and what it says, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) element: String,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Row {
    pub(crate) fn new(element: &str, fields: &[(&str, &str)]) -> Self {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Self {
            element: element.to_owned(),
            fields: fields.iter().map(owned).collect(),
        }
    }

    /// Adds what rows tell of objects.
    pub(crate) fn describe(&mut self, object: &Object) {
        let mut add = |name: &str, text: String| self.fields.insert(name.to_owned(), text);
        add("ETag", format!("\"{}\"", object.etag));
        add("Size", object.body.len().to_string());
        add("StorageClass", "STANDARD".to_owned());
        if let Some(checksum) = &object.checksum {
            add("ChecksumAlgorithm", checksum.algorithm.name().to_owned());
            add("ChecksumType", checksum.form.name().to_owned());
        }
    }

    /// Reads a row, but for what only the server knows: times and owners.
    fn read(element: &Element, is_encoded: bool) -> Result<Self, Difference> {
        let mut row = Self::new(&element.name, &[]);
        for field in &element.children {
            if ["LastModified", "Initiated", "Owner", "Initiator"].contains(&field.name.as_str()) {
                continue;
            }
            let text = match field.name.as_str() {
                "Key" => decoded(&field.text, is_encoded)?,
                _ => field.text.clone(),
            };
            row.fields.insert(field.name.clone(), text);
        }
        Ok(row)
    }
}

/// What is asked of every listing of keys.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) pattern: Pattern,
    pub(crate) limit: Option<usize>,
    /// Whether keys are to be written as in URLs.
    pub(crate) is_encoded: bool,
}

impl Form {
    /// As many rows as a page has.
    pub(crate) fn page_len(&self) -> usize {
        let limit = self.limit.unwrap_or(crate::world::LONGEST_PAGE);
        limit.min(crate::world::LONGEST_PAGE)
    }

    /// Adds the parameters; `limit` is the name of the one for the length.
    pub(crate) fn asked(&self, mut request: Request, limit: &str) -> Request {
        for (name, text) in [
            ("prefix", &self.pattern.prefix),
            ("delimiter", &self.pattern.delimiter),
        ] {
            if !text.is_empty() {
                request = request.query(name, text.clone());
            }
        }
        if let Some(len) = self.limit {
            request = request.query(limit, len.to_string());
        }
        if self.is_encoded {
            request = request.query("encoding-type", "url");
        }
        request
    }

    /// Compares what every listing repeats and tells of its page: `rows` are those of the model, in order.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn judge<Found>(
        &self,
        root: &Element,
        page: &Page<Found>,
        rows: &[Row],
        limit: &str,
    ) -> Result<(), Difference> {
        let encoding = self.is_encoded.then_some("url");
        same_text(root, "EncodingType", encoding)?;
        same_text(root, limit, Some(&self.page_len().to_string()))?;
        let is_truncated = page.next.is_some().to_string();
        same_text(root, "IsTruncated", Some(&is_truncated))?;
        self.same_key(root, "Prefix", &self.pattern.prefix)?;
        if !self.pattern.delimiter.is_empty() {
            self.same_key(root, "Delimiter", &self.pattern.delimiter)?;
        }
        let prefixes: Result<Vec<String>, Difference> = root
            .all("CommonPrefixes")
            .map(|prefix| decoded(child(prefix, "Prefix")?, self.is_encoded))
            .collect();
        same_list("common prefixes", &page.prefixes, &prefixes?)?;
        let said: Result<Vec<Row>, Difference> = root
            .children
            .iter()
            .filter(|child| ROWS.contains(&child.name.as_str()))
            .map(|row| Row::read(row, self.is_encoded))
            .collect();
        same_list("rows", rows, &said?)
    }

    /// Compares a key or a piece of one that the answer tells once.
    ///
    /// # Errors
    /// When it is another, or is not there.
    pub(crate) fn same_key(
        &self,
        root: &Element,
        name: &str,
        expected: &str,
    ) -> Result<(), Difference> {
        let said = decoded(child(root, name)?, self.is_encoded)?;
        crate::call::same(name, &expected, &said.as_str())
    }
}

const ROWS: [&str; 4] = ["Contents", "Version", "DeleteMarker", "Upload"];

/// # Errors
/// When a text of the answer is not what is expected of it, there or not.
pub(crate) fn same_text(
    root: &Element,
    name: &str,
    expected: Option<&str>,
) -> Result<(), Difference> {
    crate::call::same(name, &expected, &root.child(name))
}

/// # Errors
/// The first item that is not the same.
pub(crate) fn same_list<Item: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &[Item],
    said: &[Item],
) -> Result<(), Difference> {
    let len = expected.len().max(said.len());
    for at in 0..len {
        let (wanted, found) = (expected.get(at), said.get(at));
        if wanted != found {
            let what = format!("{what}, number {at} of {}/{}", expected.len(), said.len());
            return Err(Difference::new(&what, &wanted, &found));
        }
    }
    Ok(())
}

/// Has the model hear the time of a row.
///
/// # Errors
/// When it was another before.
pub(crate) fn hear(told: &mut Told, row: &Element, name: &str) -> Result<(), Difference> {
    let time = child(row, name)?;
    told.hear(time)
        .map_err(|known| Difference::new(name, &known, &row))
}

fn decoded(text: &str, is_encoded: bool) -> Result<String, Difference> {
    if !is_encoded {
        return Ok(text.to_owned());
    }
    url_decoded(text).ok_or_else(|| Difference::new("encoding", &"as in a URL", &text))
}
