//! Pages of listings.
//!
//! A listing is a row of entries, and a page is what comes behind a marker, cut to its length. An entry is a key's row (the
//! current object, one of its versions, one of its uploads), or a common prefix that stands for all keys which begin with it. A
//! common prefix comes behind a marker if it sorts above it, as a key does; so a marker that is a common prefix, or lies in one,
//! passes it over. AWS tells that of `NextMarker`, which may be a common prefix, and nothing else of markers inside of one.

/// Which keys are wanted, and which are rolled up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) prefix: String,
    /// Empty: nothing is rolled up.
    pub(crate) delimiter: String,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry<Row> {
    Row(String, Row),
    Prefix(String),
}

/// Where a row is among those of its own key: rows of a key with a higher place come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u64);

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct Page<Row> {
    pub(crate) rows: Vec<(String, Row)>,
    pub(crate) prefixes: Vec<String>,
    /// The last entry, where more follow it.
    pub(crate) next: Option<Entry<Row>>,
}

impl Pattern {
    /// The common prefix that stands for a key, if one does: the key up to and with the first delimiter behind the prefix.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.get(self.prefix.len()..)?;
        let at = rest.find(&self.delimiter)?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }

    /// The entries of rows that come in order, by key and within a key by place.
    fn entries<Row>(
        &self,
        rows: impl Iterator<Item = (String, Place, Row)>,
    ) -> Vec<(Place, Entry<Row>)> {
        let mut entries: Vec<(Place, Entry<Row>)> = Vec::new();
        for (key, place, row) in rows.filter(|(key, _, _)| key.starts_with(&self.prefix)) {
            match self.common_prefix(&key) {
                None => entries.push((place, Entry::Row(key, row))),
                Some(common) => {
                    let is_known = matches!(
                        entries.last(),
                        Some((_, Entry::Prefix(last))) if last == common
                    );
                    if !is_known {
                        entries.push((place, Entry::Prefix(common.to_owned())));
                    }
                }
            }
        }
        entries
    }

    /// The page behind a marker: a key or common prefix, and, where rows of that key are to follow, the place behind which they do.
    /// An empty marker is before everything. A page without length is empty, and nothing follows it.
    pub(crate) fn page<Row: Clone>(
        &self,
        rows: impl Iterator<Item = (String, Place, Row)>,
        after: (&str, Option<Place>),
        limit: usize,
    ) -> Page<Row> {
        let (marker, after_place) = after;
        let is_behind = |place: Place, entry: &Entry<Row>| match entry {
            _ if marker.is_empty() => true,
            Entry::Row(key, _) if key == marker => after_place.is_some_and(|after| place > after),
            Entry::Row(text, _) | Entry::Prefix(text) => text.as_str() > marker,
        };
        let mut entries = self.entries(rows);
        entries.retain(|(place, entry)| is_behind(*place, entry));
        let is_truncated = limit > 0 && entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().map(|(_, entry)| entry.clone());
        let mut page = Page {
            rows: Vec::new(),
            prefixes: Vec::new(),
            next: last.filter(|_| is_truncated),
        };
        for (_, entry) in entries {
            match entry {
                Entry::Row(key, row) => page.rows.push((key, row)),
                Entry::Prefix(prefix) => page.prefixes.push(prefix),
            }
        }
        page
    }
}

impl<Row> Entry<Row> {
    /// The key or common prefix.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Row(text, _) | Self::Prefix(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(
        keys: &[&str],
        pattern: (&str, &str),
        after: &str,
        limit: usize,
    ) -> (Vec<String>, Vec<String>, Option<String>) {
        let pattern = Pattern {
            prefix: pattern.0.to_owned(),
            delimiter: pattern.1.to_owned(),
        };
        let rows = keys.iter().map(|key| ((*key).to_owned(), Place(0), ()));
        let page = pattern.page(rows, (after, None), limit);
        let next = page.next.map(|next| next.text().to_owned());
        let rows = page.rows.into_iter().map(|(key, ())| key).collect();
        (rows, page.prefixes, next)
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn keys_roll_up_and_a_marker_passes_over_the_prefix_that_it_lies_in() {
        let keys = ["a", "a/", "a/b", "b//c", "c"];
        let all = page(&keys, ("", "/"), "", 1_000);
        assert_eq!(all, (owned(&["a", "c"]), owned(&["a/", "b/"]), None));
        let first = page(&keys, ("", "/"), "", 2);
        let next = Some("a/".to_owned());
        assert_eq!(first, (owned(&["a"]), owned(&["a/"]), next));
        for marker in ["a/", "a/a"] {
            let rest = page(&keys, ("", "/"), marker, 1_000);
            assert_eq!(rest, (owned(&["c"]), owned(&["b/"]), None));
        }
        let inside = page(&keys, ("a/", "/"), "", 1_000);
        assert_eq!(inside, (owned(&["a/", "a/b"]), Vec::new(), None));
        assert_eq!(page(&keys, ("", ""), "", 0), (Vec::new(), Vec::new(), None));
    }

    #[test]
    fn rows_of_the_marked_key_follow_behind_their_place() {
        let rows = [("k", 1), ("k", 2), ("k", 3), ("l", 1)];
        let rows = || {
            let rows = rows.iter();
            rows.map(|(key, place)| ((*key).to_owned(), Place(*place), *place))
        };
        let page = |after| Pattern::default().page(rows(), after, 2).rows;
        let row = |key: &str, place| (key.to_owned(), place);
        assert_eq!(page(("k", Some(Place(1)))), [row("k", 2), row("k", 3)]);
        assert_eq!(page(("k", None)), [row("l", 1)]);
    }
}
