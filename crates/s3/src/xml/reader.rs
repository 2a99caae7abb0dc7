//! Reading XML that strangers send: into a small tree, with a limit on everything.
//!
//! Refused: document types and entities, processing instructions, text between elements, a second root, anything after
//! the root, elements beyond the limits. Names are compared without their namespace prefix: clients disagree about the
//! namespace, and S3 takes them all. Of the attributes only `type` is kept, by which ACLs tell their grantees apart.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::code::Code;
use crate::error::S3Error;

/// How deep elements may nest: the documents of S3 need five.
const DEPTH_LIMIT: usize = 8;

/// A document that is not what it should be. Becomes `MalformedXML`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<Malformed> for S3Error {
    fn from(_: Malformed) -> Self {
        Self::new(Code::MalformedXML)
    }
}

/// An element: either others or a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    name: String,
    kind: Option<String>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    /// Reads a document whose root has this name and which has at most `element_limit` elements.
    ///
    /// Cost: one pass over `body`, which stops at the first thing that is wrong; no recursion.
    pub(crate) fn parse(body: &[u8], root: &str, element_limit: usize) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body).map_err(|_| Malformed)?;
        let element = Builder::new(element_limit).read(text)?;
        if element.name == root {
            Ok(element)
        } else {
            Err(Malformed)
        }
    }

    /// Its name without a namespace prefix.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The value of its attribute `type`, whatever the prefix of that is.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The only child of this name, if there is one. Two of them are malformed.
    pub(crate) fn optional_child(&self, name: &str) -> Result<Option<&Element>, Malformed> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        match (found.next(), found.next()) {
            (found, None) => Ok(found),
            (_, Some(_)) => Err(Malformed),
        }
    }

    /// The only child of this name, which must be there.
    pub(crate) fn required_child(&self, name: &str) -> Result<&Element, Malformed> {
        self.optional_child(name)?.ok_or(Malformed)
    }

    /// The texts of all children of this name, which are leaves.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Malformed> {
        let found = self.children.iter().filter(|child| child.name == name);
        let texts = found.map(|child| child.leaf_text().map(str::to_owned));
        texts.collect()
    }

    /// The elements in it, after checking that each has one of these names.
    pub(crate) fn children(&self, allowed: &[&str]) -> Result<&[Element], Malformed> {
        let known = |child: &Element| allowed.contains(&child.name.as_str());
        if self.children.iter().all(known) && self.text.trim().is_empty() {
            Ok(&self.children)
        } else {
            Err(Malformed)
        }
    }

    /// The text of a leaf, exactly as it stands.
    pub(crate) fn leaf_text(&self) -> Result<&str, Malformed> {
        if self.children.is_empty() {
            Ok(&self.text)
        } else {
            Err(Malformed)
        }
    }

    /// The text of the only child of this name, if there is one. Two of them are malformed.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<&str>, Malformed> {
        self.optional_child(name)?.map(Self::leaf_text).transpose()
    }

    /// The text of the only child of this name, which must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Malformed> {
        self.optional(name)?.ok_or(Malformed)
    }
}

/// The elements that are open, outermost first, and the root once it is closed.
struct Builder {
    open: Vec<Element>,
    root: Option<Element>,
    elements_left: usize,
}

impl Builder {
    fn new(element_limit: usize) -> Self {
        Self {
            open: Vec::new(),
            root: None,
            elements_left: element_limit,
        }
    }

    fn read(mut self, text: &str) -> Result<Element, Malformed> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::from_str(text);
        let mut is_first = true;
        loop {
            let event = reader.read_event().map_err(|_| Malformed)?;
            match event {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::Text(content) => self.characters(&content.xml10_content())?,
                Event::CData(content) => self.character_data(&content.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let mut buffer = [0; 4];
                    let letter = resolve(&reference)?;
                    self.character_data(letter.encode_utf8(&mut buffer))?;
                }
                Event::Comment(_) => {}
                Event::Decl(_) if is_first => {}
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) => return Err(Malformed),
                Event::Eof => return self.finish(),
            }
            is_first = false;
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), Malformed> {
        let allowed = self.root.is_none() && self.open.len() < DEPTH_LIMIT;
        self.elements_left = self.elements_left.checked_sub(1).ok_or(Malformed)?;
        if !allowed {
            return Err(Malformed);
        }
        self.open.push(Element {
            name: tag.local_name().as_ref().to_owned(),
            kind: kind_of(tag),
            ..Element::default()
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Malformed> {
        let mut closed = self.open.pop().ok_or(Malformed)?;
        if !closed.children.is_empty() {
            if !closed.text.trim().is_empty() {
                return Err(Malformed);
            }
            closed.text = String::new();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
        Ok(())
    }

    /// Text as it stands in the document: blanks are allowed outside the root.
    fn characters(&mut self, text: &str) -> Result<(), Malformed> {
        if self.open.is_empty() && text.trim().is_empty() {
            return Ok(());
        }
        self.character_data(text)
    }

    fn character_data(&mut self, text: &str) -> Result<(), Malformed> {
        if text.chars().any(is_noncharacter) {
            return Err(Malformed);
        }
        self.open.last_mut().ok_or(Malformed)?.text.push_str(text);
        Ok(())
    }

    fn finish(self) -> Result<Element, Malformed> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(Malformed),
        }
    }
}

/// What the attribute `type` says. Attributes that cannot be read are passed over like all others.
fn kind_of(tag: &BytesStart<'_>) -> Option<String> {
    let mut attributes = tag.attributes();
    let mut readable = attributes.with_checks(false).flatten();
    let kind = readable.find(|attribute| attribute.key.local_name().as_ref() == "type")?;
    Some(kind.value.trim().to_owned())
}

/// Characters that no document may hold, not even as references. Other control characters may stand in keys.
fn is_noncharacter(letter: char) -> bool {
    matches!(letter, '\0' | '\u{fffe}' | '\u{ffff}')
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, Malformed> {
    if let Some(letter) = reference.resolve_char_ref().map_err(|_| Malformed)? {
        return Ok(letter);
    }
    match reference.xml10_content().as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Element, Malformed> {
        Element::parse(text.as_bytes(), "Root", 100)
    }

    #[test]
    fn texts_come_as_they_stand_with_references_resolved() {
        let root = parse(
            "<?xml version=\"1.0\"?>\n<Root xmlns=\"http://any/\">\n <a> x&lt;&#x1;&amp;é\r\n</a><!-- c --><p:b><![CDATA[<&]]></p:b><c/>\n</Root>\n",
        )
        .unwrap();
        assert_eq!(root.required("a"), Ok(" x<\u{1}&é\n"));
        assert_eq!(root.required("b"), Ok("<&"));
        assert_eq!(root.optional("c"), Ok(Some("")));
        assert_eq!(root.optional("d"), Ok(None));
        assert_eq!(root.required("d"), Err(Malformed));
        assert!(root.children(&["a", "b", "c"]).is_ok());
        assert!(root.children(&["a", "b"]).is_err());
    }

    #[test]
    fn everything_that_is_not_a_plain_document_is_refused() {
        let deep = format!("{}{}", "<Root>".repeat(9), "</Root>".repeat(9));
        let bottomless = "<Root>".repeat(200_000);
        let many = format!("<Root>{}</Root>", "<a/>".repeat(100));
        for bad in [
            "",
            "text",
            "<Root>",
            "</Root>",
            "<Root></root>",
            "<Other/>",
            "<Root/><Root/>",
            "<Root/>junk",
            "junk<Root/>",
            "<Root>&unknown;</Root>",
            "<Root>&#0;</Root>",
            "<Root>&#xfffe;</Root>",
            "<Root>&#xd800;</Root>",
            "<Root>a & b</Root>",
            "<Root><a/>text</Root>",
            "<Root><?php x?></Root>",
            "<!DOCTYPE Root><Root/>",
            "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY b \"&lol;&lol;\">]><Root>&b;</Root>",
            "<!DOCTYPE foo [<!ENTITY xxe SYSTEM \"file:///etc/passwd\">]><Root>&xxe;</Root>",
            "<Root><?xml version=\"1.0\"?></Root>",
            &deep,
            &bottomless,
            &many,
        ] {
            assert_eq!(parse(bad), Err(Malformed), "{bad:.60}");
        }
        assert_eq!(
            Element::parse(b"<Root>\xff</Root>", "Root", 9),
            Err(Malformed)
        );
    }

    #[test]
    fn of_the_attributes_only_the_type_is_kept() {
        let root = parse(
            "<Root type='r' other='1'><a xmlns:xsi='u' xsi:type=\" Group \"/><b xsi:kind='x'/><c type/></Root>",
        )
        .unwrap();
        assert_eq!(root.kind(), Some("r"));
        let kind = |name| root.required_child(name).unwrap().kind();
        assert_eq!(
            (kind("a"), kind("b"), kind("c")),
            (Some("Group"), None, None)
        );
    }

    #[test]
    fn a_singleton_may_not_come_twice() {
        let root = parse("<Root><a>1</a><a>2</a></Root>").unwrap();
        assert_eq!(root.optional("a"), Err(Malformed));
    }

    #[test]
    fn a_leaf_has_no_elements_in_it() {
        let root = parse("<Root><a><b/></a></Root>").unwrap();
        assert_eq!(root.optional("a"), Err(Malformed));
    }
}
