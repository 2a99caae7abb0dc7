//! The hash chained over everything applied: replicas that disagree find out.

use cairn_types::time::Timestamp;
use xxhash_rust::xxh3::Xxh3;

use crate::key;
use crate::record;
use crate::store::{Store, StoreError, Writes};

/// The hash after all commands that were applied to these rows; 0 before the first.
///
/// Two replicas of a group that applied the same commands have the same hash, however the commands were batched and
/// whether they came by log or by snapshot. It finds divergence, not malice: XXH3-128 is not cryptographic.
///
/// # Errors
/// The row cannot be read.
pub fn state_hash<S: Store>(store: &S) -> Result<u128, StoreError> {
    let row = record::get(store, &key::state_hash())?;
    Ok(row.map_or(0, |row| row.hash))
}

/// The group's clock: the largest time that any command was proposed with; 1970 before the first.
///
/// # Errors
/// The row cannot be read.
pub fn group_clock<S: Store>(store: &S) -> Result<Timestamp, StoreError> {
    let row = record::get(store, &key::group())?;
    Ok(row.map(|row| row.clock).unwrap_or_default())
}

/// The hash after one more command that wrote `writes`.
///
/// Taken over the hash before, then for each key in order: its length, itself, and its value's length and value, or that
/// it was removed. Lengths keep a key from running into its value.
pub(crate) fn chain(before: u128, writes: &Writes) -> u128 {
    let len = |bytes: &[u8]| {
        let len = u64::try_from(bytes.len()).expect("a usize has at most 64 bits");
        len.to_be_bytes()
    };
    let mut hash = Xxh3::new();
    hash.update(&before.to_be_bytes());
    for (key, value) in writes {
        hash.update(&len(key));
        hash.update(key);
        match value {
            Some(value) => {
                hash.update(&[1]);
                hash.update(&len(value));
                hash.update(value);
            }
            None => hash.update(&[0]),
        }
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_hash_tells_writes_apart_that_are_alike_when_run_together() {
        let writes = |rows: &[(&str, Option<&'static str>)]| -> Writes {
            let rows = rows.iter();
            rows.map(|(key, value)| (key.as_bytes().to_vec(), value.map(Bytes::from)))
                .collect()
        };
        let alike = [
            writes(&[]),
            writes(&[("ab", Some("c"))]),
            writes(&[("a", Some("bc"))]),
            writes(&[("a", None)]),
            writes(&[("a", Some(""))]),
            writes(&[("a", Some("")), ("b", None)]),
        ];
        let mut hashes: Vec<u128> = alike.iter().map(|writes| chain(0, writes)).collect();
        hashes.push(chain(1, &writes(&[])));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), alike.len() + 1);
    }

    #[test]
    fn the_hash_of_a_released_form_never_changes() {
        let writes: Writes = [
            (vec![1, 2], Some(Bytes::from_static(b"x"))),
            (vec![3], None),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            format!("{:032x}", chain(7, &writes)),
            "b98fbb2cc4c329c27a2e2696d69b4914"
        );
    }
}
