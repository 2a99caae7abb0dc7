//! The few questions that tests ask of an XML answer.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// The text of the first element of this local name, entities resolved; `None` without one or when `xml` is no XML.
pub fn text(xml: &[u8], element: &str) -> Option<String> {
    texts(xml, element).into_iter().next()
}

/// The texts of all elements of this local name, in order, entities resolved. What follows a syntax error is ignored.
pub fn texts(xml: &[u8], element: &str) -> Vec<String> {
    let Ok(xml) = str::from_utf8(xml) else {
        return Vec::new();
    };
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) if is_named(start.local_name().as_ref(), element) => {
                open = Some(String::new());
            }
            Ok(Event::Empty(empty)) if is_named(empty.local_name().as_ref(), element) => {
                found.push(String::new());
            }
            Ok(Event::End(end)) if is_named(end.local_name().as_ref(), element) => {
                found.extend(open.take());
            }
            Ok(Event::Text(piece)) => {
                if let Some(text) = &mut open {
                    text.push_str(&piece.xml10_content());
                }
            }
            Ok(Event::GeneralRef(reference)) => {
                if let Some(text) = &mut open {
                    text.extend(resolve(&reference));
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

fn is_named<Name: AsRef<[u8]> + ?Sized>(name: &Name, element: &str) -> bool {
    name.as_ref() == element.as_bytes()
}

/// The character that a reference stands for, by its number or by one of the five names that XML knows.
pub fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    match reference.xml10_content().as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_in_order_with_entities_resolved() {
        let xml = b"<?xml version=\"1.0\"?><L xmlns=\"x\"><Key>a&amp;b</Key><Key/><n:Key>&#x20;c&#10;</n:Key></L>";
        assert_eq!(texts(xml, "Key"), ["a&b", "", " c\n"]);
        assert_eq!(text(xml, "Absent"), None);
    }

    #[test]
    fn what_is_no_xml_has_no_texts() {
        assert_eq!(texts(b"\xff<Key>a</Key>", "Key"), Vec::<String>::new());
    }
}
