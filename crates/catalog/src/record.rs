//! What rows hold, and how it is stored: one byte, the version of the form, then a message of the schema.
//!
//! Bytes from a table are foreign each time: decoding is as strict as the schema's. Forms migrate forward: a kind that gets a
//! second form reads both and writes the new one. `tests/golden` keeps each form that was released.

pub(crate) mod account;
pub(crate) mod blob;
pub(crate) mod bucket;
pub(crate) mod cluster;
pub(crate) mod directory;
pub(crate) mod group;
pub(crate) mod object;
pub(crate) mod settings;
pub(crate) mod upload;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use cairn_schema::DecodeError;
use cairn_schema::field::Field;
use prost::Message;

use crate::key::RowKey;
use crate::store::{Cursor, Store, StoreError};

/// The form that every kind of row has so far.
const FORM: u8 = 1;

/// A kind of row.
pub(crate) trait Record: Sized {
    /// What it is called in errors.
    const KIND: &'static str;
    /// Its stored form.
    type Message: Message + Default;

    /// Its stored form.
    fn to_message(&self) -> Self::Message;

    /// Checks its stored form.
    fn from_message(message: Self::Message) -> Result<Self, DecodeError>;
}

/// The bytes of a row.
pub(crate) fn encode<R: Record>(row: &R) -> Bytes {
    let message = row.to_message();
    let mut encoded = Vec::with_capacity(1 + message.encoded_len());
    encoded.push(FORM);
    message
        .encode(&mut encoded)
        .expect("a Vec grows as long as it must");
    encoded.into()
}

/// The row in these bytes. Inline content shares memory with them.
pub(crate) fn decode<R: Record>(bytes: Bytes) -> Result<R, StoreError> {
    decode_form(bytes).map_err(|source| StoreError::Record {
        kind: R::KIND,
        source,
    })
}

fn decode_form<R: Record>(mut bytes: Bytes) -> Result<R, DecodeError> {
    let form = Field::new(R::KIND, "form");
    match bytes.first().copied() {
        None => Err(DecodeError::Missing { at: form }),
        Some(0) => Err(form.breaks("forms are counted from 1")),
        Some(FORM) => {
            let _form = bytes.split_to(1);
            R::from_message(R::Message::decode(bytes)?)
        }
        Some(version) => Err(DecodeError::NewerForm {
            what: R::KIND,
            version,
            known: FORM,
        }),
    }
}

/// The row at a key.
pub(crate) fn get<S: Store, R: Record>(
    store: &S,
    key: &RowKey<R>,
) -> Result<Option<R>, StoreError> {
    store.get(key.as_bytes())?.map(decode).transpose()
}

/// At most `limit` rows whose keys begin with `prefix`, from `from` on, each with the rest of its key.
pub(crate) fn scan<S: Store, R: Record>(
    store: &S,
    prefix: &[u8],
    from: &[u8],
    limit: usize,
) -> Result<Vec<(Vec<u8>, R)>, StoreError> {
    let mut rows = Vec::new();
    let mut cursor = store.cursor();
    cursor.seek(from)?;
    while rows.len() < limit {
        let Some((key, value)) = cursor.current() else {
            break;
        };
        let Some(suffix) = key.strip_prefix(prefix) else {
            break;
        };
        rows.push((suffix.to_vec(), decode(Bytes::copy_from_slice(value))?));
        cursor.next()?;
    }
    Ok(rows)
}
