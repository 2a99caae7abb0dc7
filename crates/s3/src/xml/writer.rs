//! Writing XML as S3 writes it: no indentation, one namespace, control characters as references.

/// The namespace of every document but errors.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The namespace of the attribute that tells an element's type.
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// What every document begins with. An answer that may take long sends this first, then blanks while it waits, then the
/// root element.
pub const XML_DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A document being written. Names are the program's own; texts are escaped.
#[derive(Debug)]
pub struct XmlWriter {
    text: String,
}

impl XmlWriter {
    /// A document, begun with its declaration.
    pub fn document() -> Self {
        Self {
            text: XML_DECLARATION.to_owned(),
        }
    }

    /// A document whose declaration was already sent.
    pub const fn fragment() -> Self {
        Self {
            text: String::new(),
        }
    }

    /// Opens the root element, in the namespace of S3.
    pub fn open_root(&mut self, name: &str) {
        self.push_tag("<", name, " xmlns=\"");
        self.text.push_str(NAMESPACE);
        self.text.push_str("\">");
    }

    /// Opens an element.
    pub fn open(&mut self, name: &str) {
        self.push_tag("<", name, ">");
    }

    /// Opens an element of a type, in the words of XML Schema.
    pub fn open_of_type(&mut self, name: &str, kind: &str) {
        self.push_tag("<", name, " xmlns:xsi=\"");
        self.text.push_str(SCHEMA_INSTANCE);
        self.text.push_str("\" xsi:type=\"");
        push_escaped(&mut self.text, kind);
        self.text.push_str("\">");
    }

    /// Closes an element.
    pub fn close(&mut self, name: &str) {
        self.push_tag("</", name, ">");
    }

    /// An element with a text.
    pub fn text(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.push_tag("<", name, "/>");
            return;
        }
        self.open(name);
        push_escaped(&mut self.text, value);
        self.close(name);
    }

    /// An element with something that shows itself: a number, an id.
    pub fn value(&mut self, name: &str, value: &impl ToString) {
        self.text(name, &value.to_string());
    }

    /// An element with a text, if there is one.
    pub fn optional_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Text in the element that is open.
    pub fn characters(&mut self, value: &str) {
        push_escaped(&mut self.text, value);
    }

    /// The document.
    pub fn finish(self) -> String {
        self.text
    }

    fn push_tag(&mut self, start: &str, name: &str, end: &str) {
        self.text.push_str(start);
        self.text.push_str(name);
        self.text.push_str(end);
    }
}

/// Characters that XML 1.0 cannot hold go out as references all the same (`&#x1;`): S3 does so, and a client that asks
/// for `encoding-type=url` never sees them.
fn push_escaped(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\r' => text.push_str("&#13;"),
            '\t' | '\n' => text.push(letter),
            control if u32::from(control) < 0x20 => {
                let reference = format!("&#x{:x};", u32::from(control));
                text.push_str(&reference);
            }
            _ => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_s3_escapes_them() {
        let mut xml = XmlWriter::fragment();
        xml.text("Key", "a<b>&\"c\"\u{1}\u{1f}\r\n\té'");
        xml.text("Prefix", "");
        assert_eq!(
            xml.finish(),
            "<Key>a&lt;b&gt;&amp;&quot;c&quot;&#x1;&#x1f;&#13;\n\té'</Key><Prefix/>"
        );
    }

    #[test]
    fn a_document_has_the_declaration_and_the_namespace() {
        let mut xml = XmlWriter::document();
        xml.open_root("Root");
        xml.value("Count", &7);
        xml.optional_text("Missing", None);
        xml.close("Root");
        assert_eq!(
            xml.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Count>7</Count></Root>"
        );
    }
}
