//! Entity tags.

use std::fmt;

/// The ETag of an object or part: an MD5, and for a multipart object the number of its parts.
///
/// Shown without quotes; HTTP puts them around.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ETag {
    md5: [u8; 16],
    part_count: u16,
}

/// Text that is not an ETag of this store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ETag")]
pub struct ParseETagError;

impl ETag {
    /// The ETag of bytes with this MD5.
    pub const fn from_md5(md5: [u8; 16]) -> Self {
        Self { md5, part_count: 0 }
    }

    /// The ETag of a completed multipart upload: `md5` is the MD5 of its parts' MD5s, `part_count` is at least 1.
    pub const fn from_parts(md5: [u8; 16], part_count: u16) -> Self {
        assert!(part_count > 0);
        Self { md5, part_count }
    }

    /// The MD5 in it.
    pub const fn md5(&self) -> [u8; 16] {
        self.md5
    }

    /// How many parts it was completed from; 0 for an object that was put whole.
    pub const fn part_count(&self) -> u16 {
        self.part_count
    }

    /// Reads `0123…cdef` or `0123…cdef-12`, with or without the quotes of HTTP.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, ParseETagError> {
        let bare = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        let (digits, part_count) = match bare.split_once('-') {
            None => (bare, 0),
            Some((digits, count)) => match count.parse::<u16>() {
                Ok(count) if count > 0 && !count_is_padded(bare) => (digits, count),
                _ => return Err(ParseETagError),
            },
        };
        let mut md5 = [0; 16];
        hex::decode_to_slice(digits, &mut md5).map_err(|_| ParseETagError)?;
        Ok(Self { md5, part_count })
    }
}

fn count_is_padded(bare: &str) -> bool {
    bare.split_once('-')
        .is_some_and(|(_, count)| count.starts_with(['0', '+']))
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.md5))?;
        if self.part_count > 0 {
            write!(f, "-{}", self.part_count)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "etag {self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_reads_back_with_and_without_quotes() {
        let whole = ETag::from_md5([0xab; 16]);
        let parts = ETag::from_parts([7; 16], 10_000);
        assert_eq!(ETag::parse(&whole.to_string()), Ok(whole.clone()));
        assert_eq!(ETag::parse(&format!("\"{parts}\"")), Ok(parts));
    }

    #[test]
    fn other_texts_are_no_etags() {
        for bad in [
            "",
            "\"\"",
            "abc",
            "abababababababababababababababab-0",
            "abababababababababababababababab-01",
            "abababababababababababababababab-",
            "abababababababababababababababab-65536",
        ] {
            assert_eq!(ETag::parse(bad), Err(ParseETagError), "{bad}");
        }
    }
}
