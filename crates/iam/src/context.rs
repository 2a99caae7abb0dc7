//! What is known about a request beside who asks for what: the keys that conditions and variables name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use cairn_types::time::Timestamp;

use crate::decimal::Decimal;
use crate::moment::Moment;

/// One value of a key, as the request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text: a header, a name, a tag's value.
    Text(String),
    /// A whole number: `s3:max-keys`, `s3:signatureAge`.
    Number(i64),
    /// A truth: `aws:SecureTransport`.
    Flag(bool),
    /// A point in time: `aws:CurrentTime`.
    Time(Timestamp),
    /// An address: `aws:SourceIp`.
    Address(IpAddr),
    /// Bytes, which policies write in base64.
    Bytes(Vec<u8>),
}

/// The keys of a request's context and their values, in their order. A key without values is a key that is not there.
///
/// Names are not case-sensitive, but for what follows a slash: `s3:ExistingObjectTag/Team` and `s3:existingobjecttag/Team`
/// are one key, `s3:ExistingObjectTag/team` is another, as tags are. The caller bounds how much it puts in.
///
/// Source: AWS, "IAM JSON policy elements: Condition"; "Tagging objects" of the S3 user guide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    keys: BTreeMap<String, Vec<Value>>,
}

impl Context {
    /// Without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the key one value more: a key that is set twice has two values. Cost: a look-up and a copy of the name.
    pub fn add(&mut self, key: &str, value: Value) {
        self.keys.entry(folded(key)).or_default().push(value);
    }

    /// The same with text.
    pub fn add_text(&mut self, key: &str, value: &str) {
        self.add(key, Value::Text(value.to_owned()));
    }

    /// Forgets the key.
    pub fn remove(&mut self, key: &str) {
        self.keys.remove(&folded(key));
    }

    /// The values of the key, none if it is not there.
    pub fn get(&self, key: &str) -> &[Value] {
        self.get_folded(&folded(key))
    }

    /// The same for a name that `folded` made: no copy.
    pub(crate) fn get_folded(&self, key: &str) -> &[Value] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }
}

/// The one spelling of a key's name: lower case up to the first slash.
pub(crate) fn folded(key: &str) -> String {
    match key.split_once('/') {
        Some((name, tag)) => format!("{}/{tag}", name.to_ascii_lowercase()),
        None => key.to_ascii_lowercase(),
    }
}

impl Value {
    /// As text, for the string operators and for variables. Bytes are no text.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Flag(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            Self::Time(time) => Some(Cow::Owned(Moment::from(*time).to_string())),
            Self::Address(address) => Some(Cow::Owned(address.to_canonical().to_string())),
            Self::Bytes(_) => None,
        }
    }

    /// As a number: also text that is one.
    pub(crate) fn number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(Decimal::from(*number)),
            Self::Text(text) => Decimal::parse(text),
            _ => None,
        }
    }

    /// As a point in time: also text or a number of seconds that is one.
    pub(crate) fn moment(&self) -> Option<Moment> {
        match self {
            Self::Time(time) => Some(Moment::from(*time)),
            Self::Text(text) => Moment::parse(text),
            Self::Number(seconds) => Moment::from_seconds(*seconds),
            _ => None,
        }
    }

    /// As a truth: also the texts `true` and `false`, in any case.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) => parse_flag(text),
            _ => None,
        }
    }

    /// As an address; an IPv4 address that is written as an IPv6 one is the IPv4 one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.to_canonical()),
            Self::Text(text) => text
                .parse()
                .ok()
                .map(|address: IpAddr| address.to_canonical()),
            _ => None,
        }
    }

    /// As bytes: text is its UTF-8.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
}

/// `true` or `false`, in any case.
pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_have_no_case_but_tags_have() {
        let mut context = Context::new();
        context.add_text("aws:UserAgent", "curl");
        context.add_text("s3:ExistingObjectTag/Team", "red");
        assert_eq!(context.get("AWS:useragent").len(), 1);
        assert_eq!(context.get("S3:EXISTINGOBJECTTAG/Team").len(), 1);
        assert_eq!(context.get("s3:ExistingObjectTag/team"), &[]);
    }

    #[test]
    fn a_key_set_twice_has_two_values_and_a_removed_one_none() {
        let mut context = Context::new();
        context.add_text("s3:RequestObjectTagKeys", "a");
        context.add_text("s3:requestobjecttagkeys", "b");
        assert_eq!(context.get("s3:RequestObjectTagKeys").len(), 2);
        context.remove("S3:RequestObjectTagKeys");
        assert!(context.get("s3:RequestObjectTagKeys").is_empty());
    }

    #[test]
    fn values_are_read_as_what_an_operator_asks_for() {
        let mapped = Value::Text("::ffff:10.0.0.1".to_owned());
        assert_eq!(mapped.address(), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(Value::Flag(true).text().as_deref(), Some("true"));
        assert_eq!(Value::Text("TRUE".to_owned()).flag(), Some(true));
        assert_eq!(Value::Text("5".to_owned()).number(), Decimal::parse("5.0"));
        assert_eq!(Value::Flag(true).number(), None);
        assert_eq!(Value::Bytes(vec![1]).text(), None);
        let time = Value::Time(Timestamp::from_millis(1_000));
        assert_eq!(time.text().as_deref(), Some("1970-01-01T00:00:01Z"));
        assert_eq!(time.moment(), Moment::from_seconds(1));
    }
}
