use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

fn rule(origins: &[&str], methods: &[&str]) -> CorsRule {
    let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    let rule = CorsRule::builder().set_allowed_origins(list(origins));
    rule.set_allowed_methods(list(methods)).build().unwrap()
}

async fn set(bucket: &Bucket, rules: Vec<CorsRule>) {
    let rules = CorsConfiguration::builder().set_cors_rules(Some(rules));
    let put = bucket.client().put_bucket_cors().bucket(bucket.name());
    let put = put.cors_configuration(rules.build().unwrap());
    put.send().await.unwrap();
}

/// Sends a request that is not signed, with these headers.
fn send(method: &'static str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::new(method, path).host(&endpoint().host);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    endpoint().connect().exchange(&request)
}

fn allowed(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    let header = |name| answer.header(name);
    (
        answer.status,
        header("access-control-allow-origin"),
        header("access-control-allow-methods"),
    )
}

#[tokio::test]
async fn rules_are_what_they_were_set_to_and_absent_once_they_are_removed() {
    let bucket = Bucket::create().await;
    let client = bucket.client();
    let get = || client.get_bucket_cors().bucket(bucket.name()).send();
    assert_refused(get().await, 404, "NoSuchCORSConfiguration");
    let full = CorsRule::builder()
        .id("first")
        .allowed_origins("http://*.example.com")
        .allowed_origins("https://localhost:4200")
        .allowed_methods("GET")
        .allowed_methods("PUT")
        .allowed_headers("x-AMZ-*")
        .expose_headers("ETag")
        .max_age_seconds(3000)
        .build()
        .unwrap();
    for rules in [
        vec![full, rule(&["*"], &["HEAD"])],
        vec![rule(&["a"], &["DELETE", "POST"])],
    ] {
        set(&bucket, rules.clone()).await;
        assert_eq!(get().await.unwrap().cors_rules, Some(rules));
    }
    for _ in 0..2 {
        let delete = client.delete_bucket_cors().bucket(bucket.name());
        delete.send().await.unwrap();
        assert_refused(get().await, 404, "NoSuchCORSConfiguration");
    }
    let get = sdk().get_bucket_cors().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let bucket = Bucket::create_blocking();
    let put = |inner: &str| {
        let put = Request::new("PUT", format!("/{}", bucket.name())).query("cors", "");
        let document = format!("<CORSConfiguration>{inner}</CORSConfiguration>");
        endpoint().exchange(put.body(document))
    };
    let rule = |inner: &str| {
        format!(
            "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>{inner}</CORSRule>"
        )
    };
    assert_eq!(put(&rule("").repeat(100)).status, 200);
    for (inner, message) in [
        (
            rule("").repeat(101),
            "The number of CORS rules should not exceed allowed limit of 100 rules.",
        ),
        (
            rule("<AllowedMethod>PATCH</AllowedMethod>"),
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            rule("<AllowedOrigin>http://*.*</AllowedOrigin>"),
            "AllowedOrigin \"http://*.*\" can not have more than one wildcard.",
        ),
        (
            rule("<AllowedHeader>*a*</AllowedHeader>"),
            "AllowedHeader \"*a*\" can not have more than one wildcard.",
        ),
    ] {
        let answer = put(&inner);
        assert_eq!(
            answer.verdict(),
            (400, "InvalidRequest".to_owned()),
            "{inner:.90}"
        );
        assert_eq!(xml::text(&answer.body, "Message").as_deref(), Some(message));
    }
    for inner in [
        "",
        "<CORSRule/>",
        "<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>",
    ] {
        assert_eq!(
            put(inner).verdict(),
            (400, "MalformedXML".to_owned()),
            "{inner}"
        );
    }
}

#[tokio::test]
async fn browsers_are_told_what_a_page_may_without_a_signature() {
    let bucket = Bucket::create().await;
    let page = CorsRule::builder()
        .allowed_origins("https://*.example.com")
        .allowed_methods("GET")
        .allowed_methods("PUT")
        .allowed_headers("x-amz-*")
        .expose_headers("ETag")
        .max_age_seconds(60);
    set(
        &bucket,
        vec![page.build().unwrap(), rule(&["*"], &["HEAD"])],
    )
    .await;
    let origin = ("origin", "https://a.example.com");
    let path = format!("/{}/key", bucket.name());
    let asked = [
        origin,
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "X-Amz-Date, x-amz-acl"),
    ];
    let answer = send("OPTIONS", &path, &asked);
    assert_eq!(
        allowed(&answer),
        (200, Some("https://a.example.com"), Some("GET, PUT"))
    );
    for (name, value) in [
        ("access-control-allow-headers", "x-amz-date, x-amz-acl"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "ETag"),
        ("access-control-max-age", "60"),
        ("vary", VARY),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    // Whatever else the address says, as of one that is presigned.
    let presigned = format!("{path}?X-Amz-Signature=x&X-Amz-Expires=5");
    assert_eq!(send("OPTIONS", &presigned, &asked).status, 200);
    let any = [
        ("origin", "null"),
        ("access-control-request-method", "HEAD"),
    ];
    let answer = send("OPTIONS", &format!("/{}", bucket.name()), &any);
    assert_eq!(allowed(&answer), (200, Some("*"), Some("HEAD")));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn browsers_are_told_that_a_page_may_not() {
    let bucket = Bucket::create().await;
    let path = format!("/{}/key", bucket.name());
    let method = ("access-control-request-method", "GET");
    let asked = [("origin", "https://b.example.com"), method];
    let refused = |answer: &Answer| {
        let text = |element| xml::text(&answer.body, element).unwrap_or_default();
        assert_eq!(allowed(answer).1, None);
        let (status, code) = answer.verdict();
        assert_eq!((status, code.as_str()), (403, "AccessForbidden"));
        assert_eq!(text("Method"), "GET");
        (text("Message"), text("ResourceType"))
    };
    let off = refused(&send("OPTIONS", &path, &asked));
    let expected = "CORSResponse: CORS is not enabled for this bucket.";
    assert_eq!(off, (expected.to_owned(), "OBJECT".to_owned()));
    let absent = refused(&send("OPTIONS", &format!("/{}", fresh_name()), &asked));
    let expected = "CORSResponse: Bucket not found";
    assert_eq!(absent, (expected.to_owned(), "BUCKET".to_owned()));
    set(&bucket, vec![rule(&["https://a.example.com"], &["GET"])]).await;
    let (message, _) = refused(&send("OPTIONS", &path, &asked));
    assert!(
        message.starts_with("CORSResponse: This CORS request is not allowed."),
        "{message}"
    );
    let origin = ("origin", "https://a.example.com");
    let with_header = [
        origin,
        method,
        ("access-control-request-headers", "x-other"),
    ];
    refused(&send("OPTIONS", &path, &with_header));
    for (headers, message) in [
        (
            &[method][..],
            "Insufficient information. Origin request header needed.",
        ),
        (&[origin], "Invalid Access-Control-Request-Method: null"),
        (
            &[origin, ("access-control-request-method", "PATCH")],
            "Invalid Access-Control-Request-Method: PATCH",
        ),
    ] {
        let answer = send("OPTIONS", &path, headers);
        assert_eq!(
            answer.verdict(),
            (400, "BadRequest".to_owned()),
            "{headers:?}"
        );
        assert_eq!(xml::text(&answer.body, "Message").as_deref(), Some(message));
    }
}

#[tokio::test]
async fn answers_and_refusals_of_requests_let_the_page_read_them() {
    let bucket = Bucket::create().await;
    bucket.put("key", b"body".to_vec()).await;
    set(
        &bucket,
        vec![rule(&["https://a.example.com"], &["GET", "PUT"])],
    )
    .await;
    let signed = |method, key: &str, origin: &str| {
        let request = Request::key(method, bucket.name(), key).header("origin", origin);
        endpoint().exchange(request)
    };
    let page = "https://a.example.com";
    let yes = (Some(page), Some("GET, PUT"));
    let told = |answer: Answer| {
        let (status, origin, methods) = allowed(&answer);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (status, owned(origin), owned(methods))
    };
    let owned = |status, (origin, methods): (Option<&str>, Option<&str>)| {
        (
            status,
            origin.map(str::to_owned),
            methods.map(str::to_owned),
        )
    };
    assert_eq!(told(signed("GET", "key", page)), owned(200, yes));
    assert_eq!(told(signed("GET", "absent", page)), owned(404, yes));
    assert_eq!(
        told(signed("GET", "key", "https://b.example.com")),
        owned(200, (None, None))
    );
    assert_eq!(told(signed("HEAD", "key", page)), owned(200, (None, None)));
    let path = format!("/{}/key", bucket.name());
    assert_eq!(
        told(send("PUT", &path, &[("origin", page)])),
        owned(403, yes)
    );
    assert_eq!(told(send("GET", &path, &[])), owned(403, (None, None)));
    // Another bucket's rules are another's.
    let other = Bucket::create().await;
    other.put("key", b"body".to_vec()).await;
    let request = Request::key("GET", other.name(), "key").header("origin", page);
    assert_eq!(told(endpoint().exchange(request)), owned(200, (None, None)));
}
