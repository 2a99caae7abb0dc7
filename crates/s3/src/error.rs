//! An answer that says no.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{Method, Response, header};

use crate::code::Code;
use crate::xml::writer::XmlWriter;

/// A refusal as S3 words it: a code, a message, and elements particular to the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Error {
    code: Code,
    message: Cow<'static, str>,
    details: Vec<(&'static str, String)>,
}

/// What an error document says of the request it answers.
#[derive(Debug, Clone, Copy)]
pub struct ErrorContext<'a> {
    /// The path that was asked for.
    pub resource: &'a str,
    /// The value of `x-amz-request-id`.
    pub request_id: &'a str,
    /// The value of `x-amz-id-2`.
    pub host_id: &'a str,
}

impl S3Error {
    /// An error with its code's own message.
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            message: Cow::Borrowed(code.message()),
            details: Vec::new(),
        }
    }

    /// An error with a message.
    pub fn with_message(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// `InvalidArgument` about one named header, parameter or element.
    pub fn invalid_argument(
        name: &'static str,
        value: &str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_message(Code::InvalidArgument, message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", shortened(value))
    }

    /// `NotImplemented`, naming the header that asks for what is not built.
    pub fn unbuilt_header(name: &str) -> Self {
        Self::with_message(
            Code::NotImplemented,
            "A header you provided implies functionality that is not implemented",
        )
        .detail("Header", name)
    }

    /// `NotImplemented`, naming the query parameter that asks for what is not built.
    pub fn unbuilt_parameter(name: &str) -> Self {
        Self::with_message(
            Code::NotImplemented,
            "A parameter you provided implies functionality that is not implemented",
        )
        .detail("Parameter", name)
    }

    /// Adds an element to the document; elements stand in the order in which they were added.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// The same error in other words.
    #[must_use]
    pub fn saying(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Its code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Its message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The elements particular to it.
    pub fn details(&self) -> &[(&'static str, String)] {
        &self.details
    }

    /// The error document, with the XML declaration.
    pub fn to_xml(&self, context: ErrorContext<'_>) -> String {
        let mut xml = XmlWriter::document();
        self.write(&mut xml, context);
        xml.finish()
    }

    /// The error element alone: for an answer of 200 that was already begun with whitespace.
    pub fn to_xml_element(&self, context: ErrorContext<'_>) -> String {
        let mut xml = XmlWriter::fragment();
        self.write(&mut xml, context);
        xml.finish()
    }

    /// The answer to a request with this method: no body for HEAD and for 304.
    pub fn to_response(&self, method: &Method, context: ErrorContext<'_>) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.code.status();
        if *method != Method::HEAD && self.code != Code::NotModified {
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static("application/xml"),
            );
            *response.body_mut() = Bytes::from(self.to_xml(context));
        }
        response
    }

    fn write(&self, xml: &mut XmlWriter, context: ErrorContext<'_>) {
        xml.open("Error");
        xml.text("Code", self.code.name());
        xml.text("Message", &self.message);
        for (name, value) in &self.details {
            xml.text(name, value);
        }
        xml.text("Resource", context.resource);
        xml.text("RequestId", context.request_id);
        xml.text("HostId", context.host_id);
        xml.close("Error");
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for S3Error {}

impl From<Code> for S3Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

/// A client's value as it may be repeated to it: at most 256 characters.
fn shortened(value: &str) -> String {
    value.chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: ErrorContext<'_> = ErrorContext {
        resource: "/bucket/a&b",
        request_id: "REQ",
        host_id: "HOST",
    };

    #[test]
    fn an_error_document_has_the_elements_of_s3_in_order() {
        let error = S3Error::new(Code::NoSuchKey).detail("Key", "a&b");
        assert_eq!(
            error.to_xml(CONTEXT),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>\
             <Message>The specified key does not exist.</Message><Key>a&amp;b</Key>\
             <Resource>/bucket/a&amp;b</Resource><RequestId>REQ</RequestId><HostId>HOST</HostId></Error>"
        );
    }

    #[test]
    fn head_and_not_modified_have_no_body() {
        let missing = S3Error::new(Code::NoSuchKey);
        assert!(
            missing
                .to_response(&Method::HEAD, CONTEXT)
                .body()
                .is_empty()
        );
        assert!(!missing.to_response(&Method::GET, CONTEXT).body().is_empty());
        let unchanged = S3Error::new(Code::NotModified).to_response(&Method::GET, CONTEXT);
        assert_eq!(unchanged.status(), 304);
        assert!(unchanged.body().is_empty());
    }
}
