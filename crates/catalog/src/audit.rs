//! Counting everything again: whether the rows of a group agree with each other.
//!
//! Rows are written so that they do; what disagrees is a bug or a damaged table. One pass over all rows, with point reads for
//! what each names, so that it needs no memory to speak of.

mod data;
mod root;

use bytes::Bytes;
use cairn_types::time::Timestamp;

use self::data::DataTally;
use crate::key::{self, AnyKey, RowKey};
use crate::record::group::{GroupRow, RequestRow, StateHashRow};
use crate::record::{self, Record};
use crate::store::{Cursor, Store, StoreError};

/// Contradictions that one audit tells of.
const MOST: usize = 100;

/// A rule that the rows of a group break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Which rule, in words.
    pub rule: &'static str,
    /// The key of the row that breaks it.
    pub key: Vec<u8>,
}

/// Looks for rows that contradict each other, and stops looking at 100.
///
/// Cost: reads every row, and for each a few others by key. It is for operators and tests: run it over a snapshot, beside
/// the group's work.
///
/// # Errors
/// A row cannot be read at all, or does not decode.
pub fn audit<S: Store>(store: &S) -> Result<Vec<Contradiction>, StoreError> {
    let mut audit = Audit {
        store,
        found: Vec::new(),
    };
    let mut tally = DataTally::default();
    let mut cursor = store.cursor();
    cursor.seek(&[])?;
    while let Some((row_key, value)) = cursor.current() {
        if audit.found.len() >= MOST {
            return Ok(audit.found);
        }
        let mut row = Row {
            audit: &mut audit,
            key: row_key,
            value,
        };
        match AnyKey::parse(row_key)? {
            AnyKey::Group => tally.expect_doomed(row.decode::<GroupRow>()?.doomed_uploads),
            AnyKey::StateHash => {
                row.decode::<StateHashRow>()?;
            }
            AnyKey::Request(id) => {
                let until = row.decode::<RequestRow>()?.remembered_until;
                row.marked(
                    &key::request_expiry(until, id),
                    "a request is remembered for ever",
                )?;
            }
            AnyKey::RequestExpiry(until, id) => {
                let request = row.get(&key::request(id))?;
                row.require(
                    until_of(request) == Some(until),
                    "a request expires that is not remembered",
                );
            }
            AnyKey::Data(key) => data::check(&mut row, &mut tally, &key)?,
            AnyKey::Root(key) => root::check(&mut row, &key)?,
            AnyKey::Foreign => {}
        }
        cursor.next()?;
    }
    tally.compare(&mut audit)?;
    Ok(audit.found)
}

fn until_of(row: Option<RequestRow>) -> Option<Timestamp> {
    row.map(|row| row.remembered_until)
}

/// An audit at work.
struct Audit<'a, S> {
    store: &'a S,
    found: Vec<Contradiction>,
}

impl<S: Store> Audit<'_, S> {
    fn require(&mut self, holds: bool, rule: &'static str, key: &[u8]) {
        if !holds {
            self.found.push(Contradiction {
                rule,
                key: key.to_vec(),
            });
        }
    }
}

/// The row that is looked at.
struct Row<'r, 'a, S> {
    audit: &'r mut Audit<'a, S>,
    key: &'r [u8],
    value: &'r [u8],
}

impl<S: Store> Row<'_, '_, S> {
    fn decode<R: Record>(&self) -> Result<R, StoreError> {
        record::decode(Bytes::copy_from_slice(self.value))
    }

    /// Another row.
    fn get<R: Record>(&self, key: &RowKey<R>) -> Result<Option<R>, StoreError> {
        record::get(self.audit.store, key)
    }

    fn require(&mut self, holds: bool, rule: &'static str) {
        self.audit.require(holds, rule, self.key);
    }

    /// Requires the row of an index.
    fn marked<R>(&mut self, key: &RowKey<R>, rule: &'static str) -> Result<(), StoreError> {
        let is_there = self.audit.store.get(key.as_bytes())?.is_some();
        self.require(is_there, rule);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cairn_types::id::{BlobId, BucketId, GroupId, RequestId};
    use cairn_types::name::BucketName;
    use cairn_types::namespace::{Command, DataMutation, Mutation, MutationRequest};
    use cairn_types::settings::InitialSettings;

    use super::*;
    use crate::store::{BTreeStore, Txn};

    fn store() -> BTreeStore {
        let mut store = BTreeStore::new();
        let mutations = [
            DataMutation::OpenBucket {
                bucket: BucketId::new(1),
                name: BucketName::parse("abc").unwrap(),
                epoch: cairn_types::id::Epoch::new(1),
                initial: InitialSettings::default(),
            },
            DataMutation::CondemnBlobs {
                blobs: vec![BlobId::new(
                    cairn_types::id::PlacementGroupId::new(1),
                    GroupId::new(1),
                    1,
                    1,
                )],
            },
        ];
        for (id, mutation) in (1..).zip(mutations) {
            let command = Command {
                apply_version: 1,
                request: MutationRequest {
                    request: RequestId::new(id),
                    minted: Timestamp::from_millis(5),
                    guard: None,
                    mutation: Mutation::Data(mutation),
                },
                proposed: Timestamp::from_millis(5),
                random: 0,
            };
            let applied = crate::apply(&mut store, GroupId::new(1), &command).unwrap();
            assert!(applied.result.is_ok());
        }
        store
    }

    #[test]
    fn rows_that_commands_wrote_agree_and_none_can_be_missing() {
        let store = store();
        assert_eq!(audit(&store).unwrap(), []);
        // Without these a group is as good as without them, but younger.
        let alone = [key::group().into_bytes(), key::state_hash().into_bytes()];
        for (row_key, _) in store
            .rows()
            .filter(|(key, _)| !alone.iter().any(|a| a == key))
        {
            let mut damaged = store.clone();
            damaged.delete(row_key.to_vec());
            assert_ne!(audit(&damaged).unwrap(), [], "without {row_key:?}");
        }
    }
}
