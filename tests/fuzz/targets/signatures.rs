//! Heads of requests: where they go, and who signed them, in each of the ways there are. What is signed rightly is believed, and
//! nobody else is taken for its signer.

#![no_main]

use cairn_fuzz::{ACCESS_KEY, NOW, head, look_up, secret};
use cairn_s3::auth::{Authenticator, Caller, Purpose, sign_request};
use cairn_s3::body::BodyDeclaration;
use cairn_s3::dialect::Dialect;
use cairn_s3::operations::Operation;
use cairn_s3::query::Query;
use cairn_s3::route::Addressing;
use http::request::Parts;
use libfuzzer_sys::fuzz_target;

const PURPOSE: Purpose<'_> = Purpose {
    service: "s3",
    region: "us-east-1",
};

fuzz_target!(|input: &str| {
    let Some(mut parts) = head(input) else {
        return;
    };
    let addressing = || Addressing::new(["s3.localhost".to_owned(), "localhost".to_owned()]);
    let routed = addressing().speaking(Dialect::Ceph).route(&parts);
    let Ok(query) = Query::parse(parts.uri.query()) else {
        assert!(routed.is_err(), "a query that nobody can read was routed");
        return;
    };
    let strict = Authenticator::new("us-east-1", false);
    let lenient = Authenticator::new("eu-west-1", true).taking_version_two(addressing());
    for authenticator in [&strict, &lenient] {
        if let Ok(verified) = authenticator.verify(&parts, &query, NOW, look_up) {
            let is_named = input.contains(ACCESS_KEY) || input.contains('%');
            let is_anonymous = matches!(verified.caller(), Caller::Anonymous);
            assert!(is_anonymous || is_named, "{:?}", verified.caller());
            drop(BodyDeclaration::parse(
                Operation::PutObject,
                &parts.headers,
                &verified,
                Dialect::Ceph,
            ));
        }
    }
    if routed.is_ok() {
        sign_and_verify(&mut parts, &query, &strict);
    }
});

/// Signs a request over whatever signature it has, and proves the signer; any change of what was signed is found.
fn sign_and_verify(parts: &mut Parts, query: &Query, authenticator: &Authenticator) {
    if !parts.headers.contains_key("host") {
        return;
    }
    sign_request(parts, ACCESS_KEY, &secret(), PURPOSE, NOW);
    let verify = |parts: &Parts, query: &Query| {
        authenticator
            .verify(parts, query, NOW, look_up)
            .map(|verified| verified.caller().clone())
    };
    let Ok(caller) = verify(parts, query) else {
        // The rest of its head may be such that no signature helps: another one in the query, a header nobody signed.
        return;
    };
    assert!(matches!(caller, Caller::Signed(..)));
    let mut other = parts.clone();
    other.method = match parts.method {
        http::Method::GET => http::Method::PUT,
        _ => http::Method::GET,
    };
    assert!(verify(&other, query).is_err(), "another method");
    let mut other = parts.clone();
    other
        .headers
        .append("host", http::HeaderValue::from_static("elsewhere"));
    assert!(verify(&other, query).is_err(), "another host");
    let more = format!("{}&more=1", parts.uri.query().unwrap_or_default());
    if let Ok(more) = Query::parse(Some(&more)) {
        assert!(verify(parts, &more).is_err(), "another query");
    }
}
