//! XML answers as trees.

use cairn_dev_tests::xml::resolve;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element: its local name, the text directly in it, and its children in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The root of a document; `None` where it is no XML.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(str::from_utf8(document).ok()?);
        // The last one is open; the first stands for the document.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::named(&start)),
                Event::Empty(empty) => open.last_mut()?.children.push(Self::named(&empty)),
                Event::End(_) => {
                    let closed = open.pop()?;
                    open.last_mut()?.children.push(closed);
                }
                Event::Text(piece) => open.last_mut()?.text.push_str(&piece.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = resolve(&reference)?;
                    open.last_mut()?.text.push(character);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let mut document = open.pop()?;
        if !open.is_empty() || document.children.len() != 1 {
            return None;
        }
        document.children.pop()
    }

    fn named(start: &BytesStart<'_>) -> Self {
        let name: &[u8] = start.local_name().into_inner().as_ref();
        Self {
            name: String::from_utf8_lossy(name).into_owned(),
            ..Self::default()
        }
    }

    /// The children of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of a name.
    pub(crate) fn child(&self, name: &str) -> Option<&str> {
        self.children
            .iter()
            .find(|child| child.name == name)
            .map(|child| child.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_with_its_references_and_white_space() {
        let root = Element::parse(
            b"<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><K> a&amp;&#13;\n</K><C><P>/</P></C><C/></R>",
        );
        let root = root.unwrap();
        assert_eq!(
            (root.name.as_str(), root.child("K")),
            ("R", Some(" a&\r\n"))
        );
        let prefixes: Vec<_> = root.all("C").map(|row| row.child("P")).collect();
        assert_eq!(prefixes, [Some("/"), None]);
        for wrong in [
            b"<R>".as_slice(),
            b"",
            b"<R></R><R></R>",
            b"\xff",
            b"<R>&x;</R>",
        ] {
            assert_eq!(Element::parse(wrong), None, "{wrong:?}");
        }
    }
}
