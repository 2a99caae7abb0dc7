//! Taking `multipart/form-data` apart.

use bytes::{Bytes, BytesMut};

use super::error::FormError;
use crate::code::Code;
use crate::error::S3Error;

/// The most bytes in front of the file's: fields, their heads and boundaries.
///
/// Source: AWS, "POST Object": the form data and boundaries (excluding file contents) cannot exceed 20 KB.
const FIELDS_LIMIT: usize = 20 * 1024;
/// The most fields in front of the file.
const FIELD_COUNT_LIMIT: usize = 200;
/// The longest boundary: RFC 2046 allows 70 characters.
const BOUNDARY_LIMIT: usize = 128;

/// A step in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormEvent {
    /// A field.
    Field {
        /// Its name as it was sent.
        name: String,
        /// Its value.
        value: String,
    },
    /// The file begins.
    File {
        /// The name that the client gave it; empty where it gave none.
        filename: String,
    },
    /// Bytes of the file, never none.
    Data(Bytes),
    /// The file has ended. What follows it is of no interest.
    End,
}

/// Takes a form apart, fed in pieces of any size. Does no I/O and copies next to nothing of the file.
#[derive(Debug)]
pub struct FormDecoder {
    /// A line feed, and the boundary with its hyphens.
    delimiter: Vec<u8>,
    state: State,
    /// What was fed and not taken yet: no more than the fields' limit, or the beginning of what may be a delimiter.
    buffer: BytesMut,
    /// Bytes of the buffer in which nothing was found: however small the pieces are, none is searched over and over.
    searched: usize,
    /// Bytes in front of the file that were taken.
    taken: usize,
    fields: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// In front of the first boundary.
    Preamble,
    /// Behind a boundary.
    AfterDelimiter,
    /// In the head of a part.
    Head,
    /// In the value of a field.
    Value {
        name: String,
    },
    File,
    Ended,
}

/// What the head of a part says.
#[derive(Debug, Default)]
struct PartHead {
    name: Option<String>,
    filename: String,
}

/// The boundary that a `Content-Type` names.
///
/// # Errors
/// `RequestIsNotMultiPartContent` for another type, `MalformedPOSTRequest` without a usable boundary.
pub fn boundary(content_type: &str) -> Result<String, S3Error> {
    let mut fields = content_type.split(';');
    let kind = fields.next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return Err(S3Error::new(Code::RequestIsNotMultiPartContent));
    }
    let named = fields.find_map(|field| {
        let (name, value) = field.trim().split_once('=')?;
        let is_boundary = name.trim().eq_ignore_ascii_case("boundary");
        is_boundary.then(|| value.trim().trim_matches('"').to_owned())
    });
    let usable = |boundary: &String| {
        (1..=BOUNDARY_LIMIT).contains(&boundary.len())
            && boundary.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    named
        .filter(usable)
        .ok_or_else(|| FormError::Malformed.into())
}

impl FormDecoder {
    /// A decoder at the start of a form with this boundary.
    pub fn new(boundary: &str) -> Self {
        Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            state: State::Preamble,
            // The first boundary has no line in front of it.
            buffer: BytesMut::from(&b"\r\n"[..]),
            searched: 0,
            taken: 0,
            fields: 0,
        }
    }

    /// The next event, taking what it needs from the front of `input`; `None` when `input` is used up.
    ///
    /// # Errors
    /// What is wrong with the form; then nothing more may be asked.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<FormEvent>, FormError> {
        if self.state == State::File {
            return Ok(self.file(input));
        }
        if self.state == State::Ended {
            input.clear();
            return Ok(None);
        }
        loop {
            if let Some(event) = self.step()? {
                if matches!(event, FormEvent::File { .. }) {
                    // What came behind the file's head is of the file.
                    let mut rest = std::mem::take(&mut self.buffer);
                    rest.extend_from_slice(input);
                    *input = rest.freeze();
                }
                return Ok(Some(event));
            }
            if input.is_empty() {
                return Ok(None);
            }
            let room = FIELDS_LIMIT.saturating_sub(self.taken + self.buffer.len());
            if room == 0 {
                return Err(FormError::FieldsTooLong);
            }
            let piece = input.split_to(room.min(input.len()));
            self.buffer.extend_from_slice(&piece);
        }
    }

    /// Whether the end of the file was seen.
    pub fn is_complete(&self) -> bool {
        self.state == State::Ended
    }

    /// Follows what is in the buffer by one event; `None` when more is needed for it.
    fn step(&mut self) -> Result<Option<FormEvent>, FormError> {
        loop {
            match &self.state {
                State::Preamble => {
                    let found = find_new(&mut self.searched, &self.buffer, &self.delimiter);
                    let Some(at) = found else {
                        return Ok(None);
                    };
                    self.take(at + self.delimiter.len());
                    self.state = State::AfterDelimiter;
                }
                State::AfterDelimiter => {
                    self.take(count_padding(&self.buffer));
                    match self.buffer.get(..2) {
                        None => return Ok(None),
                        Some(b"\r\n") => {}
                        Some(b"--") => return Err(FormError::NoFile),
                        Some(_) => return Err(FormError::Malformed),
                    }
                    // The line feed stays: a part without a head begins with the empty line that ends it.
                    self.state = State::Head;
                }
                State::Head => {
                    let found = find_new(&mut self.searched, &self.buffer, b"\r\n\r\n");
                    let Some(at) = found else {
                        return Ok(None);
                    };
                    let head = self.take(at + 4);
                    if let Some(file) = self.begin_part(&head)? {
                        return Ok(Some(file));
                    }
                }
                State::Value { name } => {
                    let found = find_new(&mut self.searched, &self.buffer, &self.delimiter);
                    let Some(at) = found else {
                        return Ok(None);
                    };
                    let name = name.clone();
                    let value = self.take(at);
                    self.take(self.delimiter.len());
                    self.state = State::AfterDelimiter;
                    let value =
                        String::from_utf8(value.to_vec()).map_err(|_| FormError::Malformed)?;
                    return Ok(Some(FormEvent::Field { name, value }));
                }
                State::File | State::Ended => return Ok(None),
            }
        }
    }

    /// Follows the head of a part: of the file, which is an event, or of a field, which is one with its value.
    fn begin_part(&mut self, head: &[u8]) -> Result<Option<FormEvent>, FormError> {
        let PartHead { name, filename } = parse_head(head)?;
        let name = name.ok_or(FormError::Malformed)?;
        if name.eq_ignore_ascii_case("file") {
            self.state = State::File;
            return Ok(Some(FormEvent::File { filename }));
        }
        self.fields += 1;
        if self.fields > FIELD_COUNT_LIMIT {
            return Err(FormError::FieldsTooLong);
        }
        self.state = State::Value { name };
        Ok(None)
    }

    fn take(&mut self, len: usize) -> BytesMut {
        self.taken += len;
        self.searched = 0;
        self.buffer.split_to(len)
    }

    /// Bytes of the file: all that cannot be the beginning of a delimiter.
    fn file(&mut self, input: &mut Bytes) -> Option<FormEvent> {
        if !self.buffer.is_empty() {
            // What may have been the beginning of a delimiter is looked at again together with what follows it.
            let mut joined = std::mem::take(&mut self.buffer);
            joined.extend_from_slice(input);
            *input = joined.freeze();
        }
        if let Some(at) = find(input, &self.delimiter) {
            if at > 0 {
                return Some(FormEvent::Data(input.split_to(at)));
            }
            self.state = State::Ended;
            input.clear();
            return Some(FormEvent::End);
        }
        let held = input.len() - beginning_of(input, &self.delimiter);
        let data = input.split_to(held);
        self.buffer = BytesMut::from(&input[..]);
        input.clear();
        (!data.is_empty()).then_some(FormEvent::Data(data))
    }
}

/// Where a needle is that begins with a carriage return.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    find_from(0, haystack, needle)
}

/// The same in what has grown since `searched` bytes of it were searched, which it counts.
fn find_new(searched: &mut usize, buffer: &[u8], needle: &[u8]) -> Option<usize> {
    // A needle may have begun in what was there.
    let from = searched.saturating_sub(needle.len().saturating_sub(1));
    *searched = buffer.len();
    find_from(from, buffer, needle)
}

fn find_from(mut from: usize, haystack: &[u8], needle: &[u8]) -> Option<usize> {
    while let Some(rest) = haystack.get(from..) {
        let at = from + rest.iter().position(|byte| *byte == b'\r')?;
        if haystack
            .get(at..)
            .is_some_and(|rest| rest.starts_with(needle))
        {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// How many of the last bytes are the beginning of a needle, which is not whole in it.
fn beginning_of(haystack: &[u8], needle: &[u8]) -> usize {
    let longest = haystack.len().min(needle.len().saturating_sub(1));
    (1..=longest)
        .rev()
        .find(|len| haystack.ends_with(needle.get(..*len).unwrap_or_default()))
        .unwrap_or(0)
}

/// Blanks that may stand behind a boundary.
fn count_padding(bytes: &[u8]) -> usize {
    let is_padding = |byte: &&u8| matches!(byte, b' ' | b'\t');
    bytes.iter().take_while(is_padding).count()
}

/// The name of a part, and that of its file, out of `Content-Disposition: form-data; name="…"; filename="…"`.
fn parse_head(head: &[u8]) -> Result<PartHead, FormError> {
    let head = std::str::from_utf8(head).map_err(|_| FormError::Malformed)?;
    let mut part = PartHead::default();
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(FormError::Malformed)?;
        if !name.trim().eq_ignore_ascii_case("content-disposition") {
            continue;
        }
        let (kind, mut rest) = value.split_once(';').unwrap_or((value, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") || part.name.is_some() {
            return Err(FormError::Malformed);
        }
        while let Some((name, value, after)) = next_parameter(rest)? {
            match name.to_ascii_lowercase().as_str() {
                "name" => part.name = Some(value),
                "filename" => part.filename = value,
                _ => {}
            }
            rest = after;
        }
    }
    Ok(part)
}

/// The next `name=value` or `name="value"`, and what follows its semicolon. Browsers escape a quote as `\"` or `%22`; the
/// latter is left as it is.
fn next_parameter(text: &str) -> Result<Option<(&str, String, &str)>, FormError> {
    let text = text.trim_start_matches([' ', '\t', ';']);
    if text.is_empty() {
        return Ok(None);
    }
    let (name, rest) = text.split_once('=').ok_or(FormError::Malformed)?;
    let name = name.trim();
    let rest = rest.trim_start();
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, after) = rest.split_once(';').unwrap_or((rest, ""));
        return Ok(Some((name, value.trim().to_owned(), after)));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                let after = quoted.get(at + 1..).unwrap_or_default();
                return Ok(Some((name, value, after)));
            }
            // Only a quote is escaped: older browsers send paths of Windows as they are.
            '\\' if quoted
                .get(at + 1..)
                .is_some_and(|rest| rest.starts_with('"')) =>
            {
                value.extend(letters.next().map(|(_, letter)| letter));
            }
            letter => value.push(letter),
        }
    }
    Err(FormError::Malformed)
}

#[cfg(test)]
mod tests;
