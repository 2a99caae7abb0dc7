//! Writes that are not in the store yet, seen as if they were.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::Bound;

use bytes::Bytes;

use super::{Cursor, Store, StoreError, Txn};

/// The writes of an overlay by key: `None` removes the key.
pub type Writes = BTreeMap<Vec<u8>, Option<Bytes>>;

/// A transaction over a store that itself is only read: what was written is kept beside it, and reads see both.
///
/// Cost: a point read costs one look-up in the writes, and one in the store unless the key was written here.
#[derive(Debug)]
pub struct Overlay<'a, S> {
    below: &'a S,
    writes: Writes,
}

impl<'a, S: Store> Overlay<'a, S> {
    /// An overlay without writes.
    pub fn new(below: &'a S) -> Self {
        Self {
            below,
            writes: Writes::new(),
        }
    }

    /// What was written, by key, to be put into the store in one go.
    pub fn into_writes(self) -> Writes {
        self.writes
    }

    /// How many keys were written or removed.
    pub fn write_count(&self) -> usize {
        self.writes.len()
    }

    /// Takes back everything that was written.
    pub fn discard(&mut self) {
        self.writes.clear();
    }
}

impl<S: Store> Store for Overlay<'_, S> {
    type Cursor<'c>
        = OverlayCursor<'c, S::Cursor<'c>>
    where
        Self: 'c;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.below.get(key),
        }
    }

    fn cursor(&self) -> Self::Cursor<'_> {
        OverlayCursor {
            below: self.below.cursor(),
            writes: &self.writes,
            above: None,
            position: Position::End,
        }
    }
}

impl<S: Store> Txn for Overlay<'_, S> {
    fn put(&mut self, key: Vec<u8>, value: Bytes) {
        self.writes.insert(key, Some(value));
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }
}

/// A position in the rows of a store with an overlay's writes merged in.
#[derive(Debug)]
pub struct OverlayCursor<'a, C> {
    below: C,
    writes: &'a Writes,
    above: Option<Peekable<Range<'a, Vec<u8>, Option<Bytes>>>>,
    position: Position<'a>,
}

/// Whose row is the current one.
#[derive(Debug, Clone, Copy)]
enum Position<'a> {
    /// The overlay's; `hides` says that the store's current row has the same key.
    Above {
        key: &'a [u8],
        value: &'a [u8],
        hides: bool,
    },
    /// The store's.
    Below,
    /// Nobody's.
    End,
}

impl<C: Cursor> OverlayCursor<'_, C> {
    /// Finds the first row, of both, that was not removed.
    fn settle(&mut self) -> Result<(), StoreError> {
        self.position = loop {
            let written = self.above.as_mut().and_then(|above| above.peek().copied());
            let stored = self.below.current().map(|(key, _)| key);
            let Some((key, value)) = written else {
                break match stored {
                    Some(_) => Position::Below,
                    None => Position::End,
                };
            };
            if stored.is_some_and(|stored| stored < key.as_slice()) {
                break Position::Below;
            }
            let hides = stored == Some(key.as_slice());
            if let Some(value) = value {
                break Position::Above { key, value, hides };
            }
            self.pass_written(hides)?;
        };
        Ok(())
    }

    fn pass_written(&mut self, hides: bool) -> Result<(), StoreError> {
        if let Some(above) = &mut self.above {
            above.next();
        }
        if hides {
            self.below.next()?;
        }
        Ok(())
    }
}

impl<C: Cursor> Cursor for OverlayCursor<'_, C> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.below.seek(key)?;
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(key), Bound::Unbounded);
        self.above = Some(self.writes.range::<[u8], _>(from).peekable());
        self.settle()
    }

    fn next(&mut self) -> Result<(), StoreError> {
        match self.position {
            Position::Above { hides, .. } => self.pass_written(hides)?,
            Position::Below => self.below.next()?,
            Position::End => return Ok(()),
        }
        self.settle()
    }

    fn current(&self) -> Option<(&[u8], &[u8])> {
        match self.position {
            Position::Above { key, value, .. } => Some((key, value)),
            Position::Below => self.below.current(),
            Position::End => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;
    use crate::store::BTreeStore;

    fn walk<C: Cursor>(mut cursor: C, from: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        cursor.seek(from).unwrap();
        while let Some((key, value)) = cursor.current() {
            rows.push((key.to_vec(), value.to_vec()));
            cursor.next().unwrap();
        }
        rows
    }

    #[test]
    fn a_cursor_stands_nowhere_before_it_is_sent_somewhere() {
        let store: BTreeStore = [(vec![1], Bytes::from_static(b"x"))].into_iter().collect();
        let overlay = Overlay::new(&store);
        let mut cursor = overlay.cursor();
        assert_eq!(cursor.current(), None);
        cursor.next().unwrap();
        assert_eq!(cursor.current(), None);
    }

    proptest! {
        #[test]
        fn an_overlay_reads_as_the_store_does_after_its_writes(
            rows in btree_map(vec(0_u8..3, 0..3), any::<u8>(), 0..12),
            writes in vec((vec(0_u8..3, 0..3), any::<Option<u8>>()), 0..12),
            from in vec(0_u8..3, 0..3),
        ) {
            let store: BTreeStore = rows
                .into_iter()
                .map(|(key, value)| (key, Bytes::from(vec![value])))
                .collect();
            let mut overlay = Overlay::new(&store);
            let mut changed = store.clone();
            for (key, value) in writes {
                if let Some(value) = value {
                    overlay.put(key.clone(), Bytes::from(vec![value]));
                    changed.put(key, Bytes::from(vec![value]));
                } else {
                    overlay.delete(key.clone());
                    changed.delete(key);
                }
            }
            assert_eq!(walk(overlay.cursor(), &from), walk(changed.cursor(), &from));
            assert_eq!(overlay.get(&from).unwrap(), changed.get(&from).unwrap());
        }
    }
}
