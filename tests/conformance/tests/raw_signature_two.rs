//! Requests signed by Signature Version 2.

use cairn_conformance::{Bucket, endpoint};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::sign::{Moment, encode};
use cairn_dev_tests::wire::Answer;

/// A request for a key, signed in its headers. `amazon`: its headers of Amazon, sorted.
fn signed(method: &'static str, bucket: &Bucket, amazon: &[(&str, &str)], body: &[u8]) -> Request {
    signed_at(Moment::now().http_date(), method, bucket, amazon, body)
}

fn signed_at(
    date: String,
    method: &'static str,
    bucket: &Bucket,
    amazon: &[(&str, &str)],
    body: &[u8],
) -> Request {
    let signer = &endpoint().signer;
    let dated = amazon.iter().any(|(name, _)| *name == "x-amz-date");
    let lines: Vec<String> = amazon
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let signed_date = if dated { "" } else { &date };
    let text = format!(
        "{method}\n\n\n{signed_date}\n{}/{}/key",
        lines.concat(),
        bucket.name()
    );
    let signature = signer.version_two(&text);
    let mut request = Request::key(method, bucket.name(), "key")
        .header("host", endpoint().host.clone())
        .header("date", date)
        .header("content-length", body.len().to_string())
        .header(
            "authorization",
            format!("AWS {}:{signature}", signer.access_key),
        )
        .body(body.to_vec());
    for (name, value) in amazon {
        request = request.header(name, *value);
    }
    request
}

fn exchange(request: &Request) -> Answer {
    endpoint().connect().exchange(request)
}

#[test]
fn requests_signed_by_version_two_are_done() {
    let bucket = Bucket::create_blocking();
    let put = signed("PUT", &bucket, &[("x-amz-meta-a", "b")], b"content");
    let answer = exchange(&put);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = exchange(&signed("GET", &bucket, &[], b""));
    assert_eq!(answer.body, b"content");
    assert_eq!(answer.header("x-amz-meta-a"), Some("b"));
    let forged = put.header("x-amz-meta-c", "d");
    let answer = exchange(&forged);
    assert_eq!(answer.verdict(), (403, "SignatureDoesNotMatch".to_owned()));
}

#[test]
fn links_signed_by_version_two_are_good_until_they_expire() {
    let bucket = Bucket::create_blocking();
    assert_eq!(
        exchange(&signed("PUT", &bucket, &[], b"content")).status,
        200
    );
    let signer = &endpoint().signer;
    let link = |expires: &str| {
        let text = format!("GET\n\n\n{expires}\n/{}/key", bucket.name());
        let signature = encode(signer.version_two(&text).as_bytes(), false);
        let path = format!(
            "/{}/key?AWSAccessKeyId={}&Expires={expires}&Signature={signature}",
            bucket.name(),
            signer.access_key
        );
        exchange(&Request::new("GET", path).header("host", endpoint().host.clone()))
    };
    assert_eq!(link("4102444800").body, b"content");
    let expired = link("1175139620");
    assert_eq!(expired.verdict(), (403, "AccessDenied".to_owned()));
    assert!(expired.text().contains("Request has expired"));
    assert_eq!(link("soon").verdict(), (403, "AccessDenied".to_owned()));
}

#[test]
fn dates_that_are_none_or_of_another_day_are_refused() {
    let bucket = Bucket::create_blocking();
    for (date, code) in [
        ("Bad Date", "AccessDenied"),
        ("", "AccessDenied"),
        ("Tue, 07 Jul 1950 21:53:04 GMT", "AccessDenied"),
        ("Tue, 07 Jul 2010 21:53:04 GMT", "RequestTimeTooSkewed"),
        ("Tue, 07 Jul 9999 21:53:04 GMT", "RequestTimeTooSkewed"),
    ] {
        let refused = (403, code.to_owned());
        let put = signed("PUT", &bucket, &[("x-amz-date", date)], b"content");
        assert_eq!(exchange(&put).verdict(), refused, "{date}");
        let put = signed_at(date.to_owned(), "PUT", &bucket, &[], b"content");
        assert_eq!(exchange(&put).verdict(), refused, "{date}");
    }
}
