//! The query of a request.

use crate::code::Code;
use crate::error::S3Error;
use crate::uri::{self, Plus};

/// The most parameters a query may have; S3's longest operation knows under twenty.
const PARAMETER_LIMIT: usize = 256;

/// A query, decoded once: its parameters in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    /// Decodes what stands behind the `?` of a request target. `+` is a blank, as S3 has it; `a` is the same as `a=`.
    ///
    /// # Errors
    /// `InvalidURI` when a name or value is not percent-encoded UTF-8, or there are more than 256 parameters.
    pub fn parse(raw: Option<&str>) -> Result<Self, S3Error> {
        let mut parameters = Vec::new();
        for pair in raw.unwrap_or_default().split('&') {
            if pair.is_empty() {
                continue;
            }
            if parameters.len() == PARAMETER_LIMIT {
                return Err(S3Error::new(Code::InvalidURI));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode =
                |text| uri::decode(text, Plus::Blank).map_err(|_| S3Error::new(Code::InvalidURI));
            parameters.push((decode(name)?, decode(value)?));
        }
        Ok(Self { parameters })
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, unless it is empty.
    pub fn get_nonempty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// How many times a parameter is there.
    pub fn count(&self, name: &str) -> usize {
        self.parameters
            .iter()
            .filter(|(own, _)| own == name)
            .count()
    }

    /// All parameters, names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once_and_keep_their_order() {
        let query = Query::parse(Some("acl&prefix=a%2Fb+c&x=1&x=2&&empty=&eq=a=b")).unwrap();
        assert!(query.contains("acl"));
        assert_eq!(query.get("prefix"), Some("a/b c"));
        assert_eq!(query.get("x"), Some("1"));
        assert_eq!(query.count("x"), 2);
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get_nonempty("empty"), None);
        assert_eq!(query.get("eq"), Some("a=b"));
        assert_eq!(query.get("missing"), None);
        assert_eq!(Query::parse(None).unwrap(), Query::default());
    }

    #[test]
    fn what_is_no_utf8_and_what_is_too_much_is_refused() {
        let many = "a&".repeat(PARAMETER_LIMIT + 1);
        for bad in ["a=%ff", "%zz", "a=%", &many] {
            let error = Query::parse(Some(bad)).unwrap_err();
            assert_eq!(error.code(), Code::InvalidURI);
        }
    }
}
