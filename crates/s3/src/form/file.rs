//! The file of a form, as a body of its own.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::decoder::{FormDecoder, FormEvent};
use super::error::FormError;
use super::fields::Fields;
use super::policy::LengthRange;
use crate::body::BodyError;

/// Bytes behind the file that are read and thrown away, so that the connection can go on.
const TAIL_LIMIT: usize = 1024 * 1024;

/// The bytes of a form's file. It ends well only if the boundary behind the file came, and the file is as long as it may be.
#[derive(Debug)]
pub struct FormFile<B> {
    body: B,
    decoder: FormDecoder,
    /// What came and was not taken apart yet.
    pending: Bytes,
    range: LengthRange,
    len: u64,
    /// Bytes behind the file; `None` before its end.
    tail: Option<usize>,
}

/// Reads the fields of a form up to its file, whose name stands for `${filename}` in them.
///
/// Cancel safe: no.
///
/// # Errors
/// `BodyError::Form` for what is wrong with the form, `BodyError::Transport` when the connection fails.
pub async fn read_form<B>(mut body: B, boundary: &str) -> Result<(Fields, FormFile<B>), BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut decoder = FormDecoder::new(boundary);
    let mut pending = Bytes::new();
    let mut fields = Fields::default();
    loop {
        match decoder.next(&mut pending)? {
            Some(FormEvent::Field { name, value }) => fields.push(&name, value),
            Some(FormEvent::File { filename }) => {
                if fields.has_twins() {
                    return Err(FormError::Malformed.into());
                }
                fields.name_file(&filename);
                let file = FormFile {
                    body,
                    decoder,
                    pending,
                    range: LengthRange::default(),
                    len: 0,
                    tail: None,
                };
                return Ok((fields, file));
            }
            Some(FormEvent::Data(_) | FormEvent::End) => return Err(FormError::Malformed.into()),
            None => match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                Some(Ok(frame)) => pending = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Err(BodyError::Transport(error.into())),
                None => return Err(FormError::Malformed.into()),
            },
        }
    }
}

impl<B> FormFile<B> {
    /// The same file, which has a length in this range or is an error.
    #[must_use]
    pub fn within(self, range: LengthRange) -> Self {
        Self { range, ..self }
    }

    /// Follows the file by one event.
    fn follow(&mut self, event: FormEvent) -> Result<Option<Bytes>, FormError> {
        match event {
            FormEvent::Data(data) => {
                self.len = self.len.saturating_add(data.len() as u64);
                if self.len > self.range.max {
                    return Err(FormError::FileTooLong {
                        max: self.range.max,
                    });
                }
                Ok(Some(data))
            }
            FormEvent::End if self.len < self.range.min => Err(FormError::FileTooShort {
                len: self.len,
                min: self.range.min,
            }),
            FormEvent::End => {
                self.tail = Some(0);
                Ok(None)
            }
            FormEvent::Field { .. } | FormEvent::File { .. } => Err(FormError::Malformed),
        }
    }
}

impl<B> Body for FormFile<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            while !this.pending.is_empty() && this.tail.is_none() {
                let Some(event) = this.decoder.next(&mut this.pending)? else {
                    break;
                };
                if let Some(data) = this.follow(event)? {
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(frame) => frame.map_err(Into::into)?,
                None if this.tail.is_some() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(FormError::Malformed.into()))),
            };
            let data = frame.into_data().unwrap_or_default();
            match &mut this.tail {
                None => this.pending = data,
                Some(tail) => {
                    *tail += data.len();
                    if *tail > TAIL_LIMIT {
                        return Poll::Ready(None);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use super::*;

    /// A body that comes in pieces.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn pieces(text: &str, len: usize) -> Pieces {
        let pieces = text.as_bytes().chunks(len);
        Pieces(pieces.map(Bytes::copy_from_slice).collect())
    }

    async fn read(text: &str, len: usize, range: LengthRange) -> Result<(Fields, Vec<u8>), String> {
        let read = read_form(pieces(text, len), "B").await;
        let (fields, file) = read.map_err(|error| format!("{error:?}"))?;
        let mut file = file.within(range);
        let mut content = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut file).poll_frame(cx)).await {
            let frame = frame.map_err(|error| format!("{error:?}"))?;
            content.extend_from_slice(&frame.into_data().unwrap());
        }
        Ok((fields, content))
    }

    fn form(fields: &[(&str, &str)], tail: &str) -> String {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            })
            .collect();
        format!(
            "{}--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\d\\n.txt\"\r\n\r\ncontent{tail}",
            fields.concat()
        )
    }

    #[tokio::test]
    async fn a_file_comes_whole_however_the_form_is_cut() {
        let text = form(
            &[("Key", "a/${filename}"), ("acl", "private")],
            "\r\n--B--\r\nmore",
        );
        for len in [1, 2, 7, 64, 1000] {
            let (fields, content) = read(&text, len, LengthRange::default()).await.unwrap();
            assert_eq!(fields.get("key"), Some("a/n.txt"));
            assert_eq!(content, b"content");
        }
    }

    #[tokio::test]
    async fn a_file_without_an_end_or_of_a_wrong_length_is_an_error() {
        let whole = form(&[], "\r\n--B--\r\n");
        let range = |min, max| LengthRange { min, max };
        assert!(read(&whole, 9, range(7, 7)).await.is_ok());
        let short = read(&whole, 9, range(8, 9)).await.unwrap_err();
        assert!(short.contains("FileTooShort"), "{short}");
        let long = read(&whole, 9, range(0, 6)).await.unwrap_err();
        assert!(long.contains("FileTooLong"), "{long}");
        for broken in [form(&[], ""), form(&[], "\r\n--")] {
            let error = read(&broken, 9, range(0, 100)).await.unwrap_err();
            assert!(error.contains("Malformed"), "{error}");
        }
        let twins = form(&[("key", "a"), ("KEY", "b")], "\r\n--B--");
        assert!(read(&twins, 9, range(0, 100)).await.is_err());
        assert!(read("--B--", 9, range(0, 100)).await.is_err());
        assert!(read("", 9, range(0, 100)).await.is_err());
    }
}
