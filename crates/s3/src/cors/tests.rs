use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::new(text.to_owned()).unwrap()
}

fn rule(methods: &[CorsMethod], origins: &[&str], headers: &[&str]) -> Rule {
    Rule {
        id: None,
        allowed_headers: headers.iter().map(|text| pattern(text)).collect(),
        allowed_methods: methods.to_vec(),
        allowed_origins: origins.iter().map(|text| pattern(text)).collect(),
        expose_headers: Vec::new(),
        max_age_seconds: None,
    }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    pairs.collect()
}

fn rules() -> Rules {
    Rules::new(vec![
        rule(&[CorsMethod::Get], &["*suffix", "start*end"], &[]),
        rule(&[CorsMethod::Put], &["*.put"], &["x-amz-*"]),
    ])
    .unwrap()
}

const ORIGIN: &str = "access-control-allow-origin";
const METHODS: &str = "access-control-allow-methods";

#[test]
fn the_first_rule_that_is_about_a_request_adds_its_headers() {
    let of = |origin, method| {
        let headers = rules().actual(origin, method);
        let text = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        (text(ORIGIN), text(METHODS))
    };
    let both = |origin: &str, method: &str| (Some(origin.to_owned()), Some(method.to_owned()));
    assert_eq!(of("foo.suffix", CorsMethod::Get), both("foo.suffix", "GET"));
    assert_eq!(of("startend", CorsMethod::Get), both("startend", "GET"));
    assert_eq!(of("foo.put", CorsMethod::Put), both("foo.put", "PUT"));
    assert_eq!(of("foo.suffix", CorsMethod::Put), (None, None));
    assert_eq!(of("foo.bar", CorsMethod::Get), (None, None));
}

#[test]
fn an_answer_tells_all_that_its_rule_says() {
    let mut one = rule(&[CorsMethod::Get, CorsMethod::Head], &["https://a"], &["*"]);
    one.expose_headers = vec!["ETag".to_owned(), "x-amz-meta-a".to_owned()];
    one.max_age_seconds = Some(60);
    let rules = Rules::new(vec![one]).unwrap();
    let answer = rules
        .preflight("https://a", CorsMethod::Head, &["X-Amz-Date", "b"])
        .unwrap();
    let expected = headers(&[
        (ORIGIN, "https://a"),
        ("access-control-allow-credentials", "true"),
        (METHODS, "GET, HEAD"),
        ("access-control-expose-headers", "ETag, x-amz-meta-a"),
        ("access-control-max-age", "60"),
        ("access-control-allow-headers", "x-amz-date, b"),
        ("vary", VARY),
    ]);
    assert_eq!(answer, expected);
}

#[test]
fn everybody_is_told_a_star_and_may_send_no_cookies() {
    let rules = Rules::new(vec![rule(&[CorsMethod::Get], &["*"], &[])]).unwrap();
    let answer = rules.actual("https://a", CorsMethod::Get);
    assert_eq!(answer[ORIGIN], "*");
    assert!(!answer.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
}

#[test]
fn a_preflight_asks_for_headers_that_the_rule_must_allow() {
    let asked = |headers: &[&str]| {
        let answer = rules().preflight("a.put", CorsMethod::Put, headers);
        answer.is_some()
    };
    assert!(asked(&[]));
    assert!(asked(&["X-AMZ-date"]));
    assert!(!asked(&["x-amz-date", "content-type"]));
}

#[test]
fn what_is_no_preflight_request_is_bad_and_what_no_rule_allows_is_forbidden() {
    let refused = |rules: Option<&Rules>, pairs: &[(&'static str, &'static str)]| {
        preflight(rules, &headers(pairs), "OBJECT").map_err(|error| error.code())
    };
    let rules = rules();
    let (origin, get) = (
        ("origin", "a.suffix"),
        ("access-control-request-method", "GET"),
    );
    let patch = ("access-control-request-method", "PATCH");
    assert_eq!(refused(None, &[]), Err(Code::BadRequest));
    assert_eq!(refused(Some(&rules), &[get]), Err(Code::BadRequest));
    assert_eq!(refused(Some(&rules), &[origin]), Err(Code::BadRequest));
    assert_eq!(
        refused(Some(&rules), &[origin, patch]),
        Err(Code::BadRequest)
    );
    assert_eq!(refused(None, &[origin, get]), Err(Code::AccessForbidden));
    let stranger = [("origin", "a.bar"), get];
    assert_eq!(refused(Some(&rules), &stranger), Err(Code::AccessForbidden));
    let header = ("access-control-request-headers", "x-amz-meta-a");
    assert_eq!(
        refused(Some(&rules), &[origin, get, header]),
        Err(Code::AccessForbidden)
    );
    assert_eq!(
        refused(Some(&rules), &[origin, get]).unwrap()[METHODS],
        "GET"
    );
}

#[test]
fn the_method_that_is_asked_about_chooses_the_rule_only_in_the_ceph_dialect() {
    let request = headers(&[
        ("origin", "a.suffix"),
        ("access-control-request-method", "GET"),
    ]);
    let rules = rules();
    let aws = actual(&rules, &Method::PUT, &request, Dialect::Aws);
    assert!(aws.is_empty());
    let ceph = actual(&rules, &Method::PUT, &request, Dialect::Ceph);
    assert_eq!(ceph[METHODS], "GET");
    let plain = actual(
        &rules,
        &Method::GET,
        &headers(&[("origin", "a.suffix")]),
        Dialect::Aws,
    );
    assert_eq!(plain[ORIGIN], "a.suffix");
    assert!(actual(&rules, &Method::GET, &HeaderMap::new(), Dialect::Aws).is_empty());
}

#[test]
fn there_are_a_hundred_rules_at_most() {
    let many = |count| Rules::new(vec![rule(&[CorsMethod::Get], &["*"], &[]); count]);
    assert!(many(100).is_ok());
    assert_eq!(many(0), Err(RuleCountError));
    assert_eq!(many(101), Err(RuleCountError));
}
