//! `CORSConfiguration`.

use http::HeaderName;

use crate::code::Code;
use crate::cors::{CorsMethod, Pattern, Rule, Rules};
use crate::error::S3Error;
use crate::xml::reader::{Element, Malformed};
use crate::xml::writer::XmlWriter;

/// Enough for a hundred rules of a hundred lines each.
const ELEMENT_LIMIT: usize = 10_000;
/// So many characters has the longest name of a rule.
const ID_LIMIT: usize = 255;

/// Reads the rules of a bucket.
///
/// Cost: one pass; a document of megabytes is work for the CPU pool.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`, `InvalidRequest` for methods and wildcards that rules cannot have.
pub fn parse_cors(document: &[u8]) -> Result<Rules, S3Error> {
    if document.is_empty() {
        return Err(Code::MissingRequestBodyError.into());
    }
    let root = Element::parse(document, "CORSConfiguration", ELEMENT_LIMIT)?;
    let rules = root.children(&["CORSRule"])?;
    if rules.len() > Rules::MOST {
        return Err(invalid(
            "The number of CORS rules should not exceed allowed limit of 100 rules.".to_owned(),
        ));
    }
    let rules = rules.iter().map(read_rule).collect::<Result<_, _>>()?;
    Ok(Rules::new(rules).map_err(|_| Malformed)?)
}

/// The document of rules.
pub fn write_cors(rules: &Rules) -> String {
    let mut xml = XmlWriter::document();
    xml.open_root("CORSConfiguration");
    for rule in rules.iter() {
        xml.open("CORSRule");
        xml.optional_text("ID", rule.id.as_deref());
        for method in &rule.allowed_methods {
            xml.text("AllowedMethod", method.as_str());
        }
        for origin in &rule.allowed_origins {
            xml.text("AllowedOrigin", origin.as_str());
        }
        for header in &rule.allowed_headers {
            xml.text("AllowedHeader", header.as_str());
        }
        for header in &rule.expose_headers {
            xml.text("ExposeHeader", header);
        }
        if let Some(seconds) = rule.max_age_seconds {
            xml.value("MaxAgeSeconds", &seconds);
        }
        xml.close("CORSRule");
    }
    xml.close("CORSConfiguration");
    xml.finish()
}

fn read_rule(rule: &Element) -> Result<Rule, S3Error> {
    rule.children(&[
        "ID",
        "AllowedHeader",
        "AllowedMethod",
        "AllowedOrigin",
        "ExposeHeader",
        "MaxAgeSeconds",
    ])?;
    let id = rule.optional("ID")?.map(str::to_owned);
    if id.as_ref().is_some_and(|id| id.chars().count() > ID_LIMIT) {
        return Err(invalid(
            "The ID of a CORS rule should not exceed 255 characters.".to_owned(),
        ));
    }
    let allowed_methods = rule.texts("AllowedMethod")?;
    let allowed_origins = rule.texts("AllowedOrigin")?;
    if allowed_methods.is_empty() || allowed_origins.is_empty() {
        return Err(Malformed.into());
    }
    let seconds = rule.optional("MaxAgeSeconds")?.map(str::trim);
    let seconds = seconds.map(|text| text.parse::<u32>().map_err(|_| Malformed));
    Ok(Rule {
        id,
        allowed_headers: patterns("AllowedHeader", rule.texts("AllowedHeader")?)?,
        allowed_methods: allowed_methods
            .iter()
            .map(|name| method(name.trim()))
            .collect::<Result<_, _>>()?,
        allowed_origins: patterns("AllowedOrigin", allowed_origins)?,
        expose_headers: rule
            .texts("ExposeHeader")?
            .iter()
            .map(|text| exposed(text))
            .collect::<Result<_, _>>()?,
        max_age_seconds: seconds.transpose()?,
    })
}

fn method(name: &str) -> Result<CorsMethod, S3Error> {
    CorsMethod::parse(name).ok_or_else(|| {
        invalid(format!(
            "Found unsupported HTTP method in CORS config. Unsupported method is {name}"
        ))
    })
}

fn patterns(element: &str, texts: Vec<String>) -> Result<Vec<Pattern>, S3Error> {
    let pattern = |text: String| {
        let text = text.trim().to_owned();
        Pattern::new(text.clone()).map_err(|_| {
            invalid(format!(
                "{element} \"{text}\" can not have more than one wildcard."
            ))
        })
    };
    texts.into_iter().map(pattern).collect()
}

fn exposed(text: &str) -> Result<String, S3Error> {
    let text = text.trim();
    if text.contains('*') {
        return Err(invalid(format!(
            "ExposeHeader \"{text}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
        )));
    }
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Malformed.into()),
    }
}

fn invalid(message: String) -> S3Error {
    S3Error::with_message(Code::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "<AllowedMethod>GET</AllowedMethod>";
    const ANY: &str = "<AllowedOrigin>*</AllowedOrigin>";

    fn parse(rules: &[&str]) -> Result<Rules, Code> {
        let rules = rules.join("</CORSRule><CORSRule>");
        let rules = match rules.as_str() {
            "" => String::new(),
            rules => format!("<CORSRule>{rules}</CORSRule>"),
        };
        let document = format!("<CORSConfiguration>{rules}</CORSConfiguration>");
        parse_cors(document.as_bytes()).map_err(|error| error.code())
    }

    #[test]
    fn rules_read_back_in_their_order() {
        let full = "<ID>a</ID><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
                    <AllowedOrigin>http://*.a</AllowedOrigin><AllowedHeader>*</AllowedHeader>\
                    <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>5</MaxAgeSeconds>";
        let rules = parse(&[full, &format!("{GET}{ANY}")]).unwrap();
        let text = write_cors(&rules);
        assert!(
            text.contains(&format!("<CORSRule>{full}</CORSRule>")),
            "{text}"
        );
        assert_eq!(parse_cors(text.as_bytes()), Ok(rules));
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        let plain = format!("{GET}{ANY}");
        let with = |more: &str| format!("{plain}{more}");
        assert!(parse(&[plain.as_str(); 100]).is_ok());
        assert_eq!(parse(&[plain.as_str(); 101]), Err(Code::InvalidRequest));
        assert_eq!(parse(&[]), Err(Code::MalformedXML));
        for (rule, code) in [
            (GET.to_owned(), Code::MalformedXML),
            (ANY.to_owned(), Code::MalformedXML),
            (
                with("<AllowedMethod>PATCH</AllowedMethod>"),
                Code::InvalidRequest,
            ),
            (
                with("<AllowedMethod>get</AllowedMethod>"),
                Code::InvalidRequest,
            ),
            (
                with("<AllowedOrigin>*.*</AllowedOrigin>"),
                Code::InvalidRequest,
            ),
            (
                with("<AllowedHeader>*-*</AllowedHeader>"),
                Code::InvalidRequest,
            ),
            (
                with("<ExposeHeader>x-*</ExposeHeader>"),
                Code::InvalidRequest,
            ),
            (with("<ExposeHeader>a b</ExposeHeader>"), Code::MalformedXML),
            (
                with("<MaxAgeSeconds>-1</MaxAgeSeconds>"),
                Code::MalformedXML,
            ),
            (with("<MaxAgeSeconds>x</MaxAgeSeconds>"), Code::MalformedXML),
            (
                with(&format!("<ID>{}</ID>", "i".repeat(256))),
                Code::InvalidRequest,
            ),
            (with("<Other/>"), Code::MalformedXML),
        ] {
            assert_eq!(parse(&[&rule]), Err(code), "{rule:.120}");
        }
        let empty = parse_cors(b"").unwrap_err();
        assert_eq!(empty.code(), Code::MissingRequestBodyError);
    }
}
