//! Policies of buckets: kept as they came, and obeyed at once by everybody.

use cairn_conformance::{Bucket, assert_refused, endpoint, fresh_name, sdk};
use cairn_dev_tests::checksum::md5_base64;
use cairn_dev_tests::request::Request;
use cairn_dev_tests::wire::Answer;
use cairn_dev_tests::xml;

/// A statement for everybody. `resource` comes behind the name of the bucket.
fn statement(effect: &str, bucket: &Bucket, action: &str, resource: &str, more: &str) -> String {
    format!(
        "{{\"Effect\": \"{effect}\", \"Principal\": \"*\", \"Action\": {action}, \
         \"Resource\": \"arn:aws:s3:::{}{resource}\"{more}}}",
        bucket.name()
    )
}

fn allow(bucket: &Bucket, action: &str, resource: &str) -> String {
    statement("Allow", bucket, &format!("\"{action}\""), resource, "")
}

fn policy(statements: &[String]) -> String {
    let statements = statements.join(", ");
    format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{statements}]}}")
}

fn policy_request(method: &'static str, bucket: &Bucket) -> Request {
    Request::new(method, format!("/{}", bucket.name())).query("policy", "")
}

fn set(bucket: &Bucket, statements: &[String]) {
    let put = policy_request("PUT", bucket).body(policy(statements));
    let answer = endpoint().exchange(put);
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn unset(bucket: &Bucket) {
    let answer = endpoint().exchange(policy_request("DELETE", bucket));
    assert_eq!(answer.status, 204, "{}", answer.text());
}

/// As it is sent by nobody in particular.
fn unsigned(request: Request) -> Request {
    let request = request.host(&endpoint().host);
    if request.body.is_empty() {
        return request;
    }
    let len = request.body.len().to_string();
    request.header("content-length", len)
}

fn anonymous(request: Request) -> Answer {
    endpoint().connect().exchange(&unsigned(request))
}

fn key(method: &'static str, bucket: &Bucket, key: &str) -> Request {
    Request::key(method, bucket.name(), key)
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

fn put(bucket: &Bucket, name: &str) -> String {
    let answer = endpoint().exchange(key("PUT", bucket, name).body(name.to_owned()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let version = answer.header("x-amz-version-id");
    version.unwrap_or_default().to_owned()
}

#[test]
fn a_policy_is_told_byte_for_byte_until_it_is_taken_away() {
    let bucket = Bucket::create_blocking();
    let absent = (404, "NoSuchBucketPolicy".to_owned());
    let get = || endpoint().exchange(policy_request("GET", &bucket));
    assert_eq!(get().verdict(), absent);
    unset(&bucket);
    let statements = [allow(&bucket, "s3:GetObject", "/*")];
    let text = format!("\n {}\t", policy(&statements));
    let put = policy_request("PUT", &bucket).body(text.clone());
    // The first byte is a brace, or it is no policy.
    assert_eq!(endpoint().exchange(put).verdict().1, "MalformedPolicy");
    let text = policy(&statements).replace(", ", " ,\n\t");
    let put = policy_request("PUT", &bucket).body(text.clone());
    assert_eq!(endpoint().exchange(put).status, 204);
    assert_eq!(get().text(), text);
    assert_eq!(get().header("content-type"), Some("application/json"));
    unset(&bucket);
    assert_eq!(get().verdict(), absent);
}

#[test]
fn what_is_no_policy_of_the_bucket_is_refused_and_changes_nothing() {
    let (bucket, other) = (Bucket::create_blocking(), Bucket::create_blocking());
    let kept = [allow(&bucket, "s3:GetObject", "/*")];
    set(&bucket, &kept);
    for bad in [
        String::new(),
        "{}".to_owned(),
        "no".to_owned(),
        policy(&[]),
        policy(&[allow(&other, "s3:GetObject", "/*")]),
        policy(&[allow(&bucket, "s3:GetObject", "")]),
        policy(&[allow(&bucket, "s3:Fly", "/*")]),
    ] {
        let answer = endpoint().exchange(policy_request("PUT", &bucket).body(bad.clone()));
        let verdict = answer.verdict();
        assert_eq!(verdict.0, 400, "{bad}: {}", answer.text());
        assert_eq!(verdict.1, "MalformedPolicy", "{bad}");
    }
    let get = endpoint().exchange(policy_request("GET", &bucket));
    assert_eq!(get.text(), policy(&kept));
}

#[test]
fn everybody_may_do_what_a_policy_allows_and_nothing_else() {
    let bucket = Bucket::create_blocking();
    for name in ["public/a", "private/a"] {
        put(&bucket, name);
    }
    assert_eq!(
        anonymous(key("GET", &bucket, "public/a")).verdict(),
        denied()
    );
    set(&bucket, &[allow(&bucket, "s3:GetObject", "/public/*")]);
    assert_eq!(anonymous(key("GET", &bucket, "public/a")).body, b"public/a");
    assert_eq!(anonymous(key("HEAD", &bucket, "public/a")).status, 200);
    let list = || Request::new("GET", format!("/{}", bucket.name()));
    for refused in [
        key("GET", &bucket, "private/a"),
        key("PUT", &bucket, "public/a").body("x"),
        key("DELETE", &bucket, "public/a"),
        key("POST", &bucket, "public/a").query("uploads", ""),
        list(),
        list().query("versions", ""),
        list().query("uploads", ""),
        list().query("location", ""),
        policy_request("GET", &bucket),
        policy_request("DELETE", &bucket),
        Request::new("DELETE", format!("/{}", bucket.name())),
    ] {
        let name = format!("{} {}", refused.method, refused.target());
        assert_eq!(anonymous(refused).verdict(), denied(), "{name}");
    }
    // The owner may all the same.
    assert_eq!(bucket_keys(&bucket), ["private/a", "public/a"]);
    unset(&bucket);
    assert_eq!(
        anonymous(key("GET", &bucket, "public/a")).verdict(),
        denied()
    );
}

fn bucket_keys(bucket: &Bucket) -> Vec<String> {
    let list = endpoint().exchange(Request::new("GET", format!("/{}", bucket.name())));
    xml::texts(&list.body, "Key")
}

#[test]
fn every_change_of_a_policy_holds_from_the_next_request_on() {
    let bucket = Bucket::create_blocking();
    put(&bucket, "key");
    let statements = [allow(&bucket, "s3:GetObject", "/*")];
    for round in 0..10 {
        set(&bucket, &statements);
        let get = anonymous(key("GET", &bucket, "key"));
        assert_eq!(get.status, 200, "round {round}");
        unset(&bucket);
        let get = anonymous(key("GET", &bucket, "key"));
        assert_eq!(get.verdict(), denied(), "round {round}");
    }
}

#[test]
fn only_who_may_list_is_told_that_a_key_is_not_there() {
    let bucket = Bucket::create_blocking();
    set(&bucket, &[allow(&bucket, "s3:GetObject", "/*")]);
    let get = || anonymous(key("GET", &bucket, "absent")).verdict();
    assert_eq!(get(), denied());
    assert_eq!(anonymous(key("HEAD", &bucket, "absent")).status, 403);
    let absent = (404, "NoSuchKey".to_owned());
    let listed = ", \"Condition\": {\"StringLike\": {\"s3:prefix\": \"abs*\"}}";
    let list = statement("Allow", &bucket, "\"s3:ListBucket\"", "", listed);
    set(&bucket, std::slice::from_ref(&list));
    assert_eq!(get(), absent);
    assert_eq!(anonymous(key("HEAD", &bucket, "absent")).status, 404);
    assert_eq!(anonymous(key("GET", &bucket, "other")).verdict(), denied());
    let deny = statement("Deny", &bucket, "\"s3:GetObject\"", "/*", "");
    set(&bucket, &[list, deny]);
    assert_eq!(get(), denied());
}

#[test]
fn a_denial_outweighs_what_the_owner_may() {
    let bucket = Bucket::create_blocking();
    put(&bucket, "key");
    let all = "[\"s3:GetObject\", \"s3:DeleteObject\"]";
    set(&bucket, &[statement("Deny", &bucket, all, "/key", "")]);
    for method in ["GET", "DELETE"] {
        let answer = endpoint().exchange(key(method, &bucket, "key"));
        assert_eq!(answer.verdict(), denied(), "{method}");
    }
    // But for the policy itself: nobody locks himself out for good.
    let deny = statement("Deny", &bucket, "\"s3:*\"", "", "");
    set(&bucket, &[deny]);
    let list = endpoint().exchange(Request::new("GET", format!("/{}", bucket.name())));
    assert_eq!(list.verdict(), denied());
    assert_eq!(
        endpoint().exchange(policy_request("GET", &bucket)).status,
        200
    );
    unset(&bucket);
    assert_eq!(bucket_keys(&bucket), ["key"]);
}

#[test]
fn versions_are_allowed_by_actions_of_their_own() {
    let bucket = Bucket::versioned_blocking();
    let version = put(&bucket, "key");
    let get = || key("GET", &bucket, "key");
    let named = || get().query("versionId", version.clone());
    set(&bucket, &[allow(&bucket, "s3:GetObject", "/*")]);
    assert_eq!(anonymous(get()).status, 200);
    assert_eq!(anonymous(named()).verdict(), denied());
    set(&bucket, &[allow(&bucket, "s3:GetObjectVersion", "/*")]);
    assert_eq!(anonymous(get()).verdict(), denied());
    assert_eq!(anonymous(named()).status, 200);
    let condition = ", \"Condition\": {\"StringEquals\": {\"s3:VersionId\": \"null\"}}";
    let null = statement("Allow", &bucket, "\"s3:GetObjectVersion\"", "/*", condition);
    set(&bucket, &[null]);
    assert_eq!(anonymous(named()).verdict(), denied());
    set(&bucket, &[allow(&bucket, "s3:DeleteObject", "/*")]);
    let delete = key("DELETE", &bucket, "key");
    let delete = anonymous(delete.query("versionId", version.clone()));
    assert_eq!(delete.verdict(), denied());
    assert_eq!(anonymous(key("DELETE", &bucket, "key")).status, 204);
}

#[test]
fn conditions_see_where_a_request_comes_from_and_what_it_says() {
    let bucket = Bucket::create_blocking();
    put(&bucket, "key");
    let get = || key("GET", &bucket, "key");
    let verdict = |condition: &str, request: Request| {
        let condition = format!(", \"Condition\": {{{condition}}}");
        let action = "[\"s3:GetObject\", \"s3:PutObject\"]";
        set(
            &bucket,
            &[statement("Allow", &bucket, action, "/*", &condition)],
        );
        anonymous(request).status
    };
    let from = |range: &str| format!("\"IpAddress\": {{\"aws:SourceIp\": \"{range}\"}}");
    for (condition, request, status) in [
        (from("127.0.0.0/8"), get(), 200),
        (from("192.0.2.0/24"), get(), 403),
        // What a header says of the way is anybody's word.
        (
            from("192.0.2.0/24"),
            get().header("x-forwarded-for", "192.0.2.1"),
            403,
        ),
        (
            "\"Bool\": {\"aws:SecureTransport\": \"true\"}".to_owned(),
            get(),
            403,
        ),
        (
            "\"StringLike\": {\"aws:Referer\": \"http://example.com/*\"}".to_owned(),
            get().header("referer", "http://example.com/a"),
            200,
        ),
        (
            "\"StringLike\": {\"aws:UserAgent\": \"tool*\"}".to_owned(),
            get().header("user-agent", "tool/1"),
            200,
        ),
        (
            "\"StringLike\": {\"aws:UserAgent\": \"tool*\"}".to_owned(),
            get().header("user-agent", "other"),
            403,
        ),
        (
            "\"DateGreaterThan\": {\"aws:CurrentTime\": \"2020-01-01T00:00:00Z\"}".to_owned(),
            get(),
            200,
        ),
    ] {
        let name = condition.clone();
        assert_eq!(verdict(&condition, request), status, "{name}");
    }
}

#[test]
fn listings_are_allowed_by_what_they_ask_for() {
    let bucket = Bucket::create_blocking();
    put(&bucket, "public/a");
    let condition = ", \"Condition\": {\"StringLike\": {\"s3:prefix\": \"public/*\"}, \
                     \"NumericLessThanEquals\": {\"s3:max-keys\": \"10\"}}";
    let list = statement("Allow", &bucket, "\"s3:ListBucket\"", "", condition);
    set(&bucket, &[list]);
    let list = |prefix: &str, limit: &str| {
        let list = Request::new("GET", format!("/{}", bucket.name()));
        let list = list.query("list-type", "2").query("max-keys", limit);
        anonymous(list.query("prefix", prefix)).status
    };
    assert_eq!(list("public/", "10"), 200);
    assert_eq!(list("public/", "11"), 403);
    assert_eq!(list("", "10"), 403);
}

#[test]
fn each_line_of_a_deletion_is_decided_alone() {
    let bucket = Bucket::create_blocking();
    for name in ["public/a", "private/a"] {
        put(&bucket, name);
    }
    let document = "<Delete><Object><Key>public/a</Key></Object>\
                    <Object><Key>private/a</Key></Object></Delete>";
    let delete = || {
        let delete = Request::new("POST", format!("/{}", bucket.name())).query("delete", "");
        let delete = delete.header("content-md5", md5_base64(document.as_bytes()));
        anonymous(delete.body(document))
    };
    assert_eq!(delete().verdict(), denied());
    set(&bucket, &[allow(&bucket, "s3:DeleteObject", "/public/*")]);
    let answer = delete();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(xml::texts(&answer.body, "Key"), ["public/a", "private/a"]);
    assert_eq!(xml::texts(&answer.body, "Code"), ["AccessDenied"]);
    assert_eq!(bucket_keys(&bucket), ["private/a"]);
}

#[test]
fn a_copy_needs_to_read_what_it_is_of() {
    let (from, to) = (Bucket::create_blocking(), Bucket::create_blocking());
    for name in ["public/a", "private/a"] {
        put(&from, name);
    }
    let copy = |name: &str| {
        let source = format!("{}/{name}", from.name());
        anonymous(key("PUT", &to, "copy").header("x-amz-copy-source", source))
    };
    set(&to, &[allow(&to, "s3:PutObject", "/*")]);
    assert_eq!(copy("public/a").verdict(), denied());
    set(&from, &[allow(&from, "s3:GetObject", "/public/*")]);
    assert_eq!(copy("public/a").status, 200);
    assert_eq!(copy("private/a").verdict(), denied());
    assert_eq!(copy("public/absent").verdict(), denied());
    let source = format!("{}/public/*", from.name());
    let condition =
        format!(", \"Condition\": {{\"StringLike\": {{\"s3:x-amz-copy-source\": \"{source}\"}}}}");
    let put = statement("Allow", &to, "\"s3:PutObject\"", "/*", &condition);
    set(&to, &[put]);
    assert_eq!(copy("public/a").status, 200);
    let plain = anonymous(key("PUT", &to, "copy").body("x"));
    assert_eq!(plain.verdict(), denied());
}

/// Sends a write whose body is still on its way while `meanwhile` happens.
fn written_while(bucket: &Bucket, len: usize, meanwhile: impl FnOnce()) -> Answer {
    let body = vec![b'x'; len];
    let request = unsigned(key("PUT", bucket, "key").body(body.clone()));
    let mut wire = endpoint().connect();
    wire.send(&request.head());
    wire.send(&body[..len / 2]);
    // Once it was let in, and before it is committed.
    let refused = anonymous(key("PUT", bucket, "other").body("x"));
    assert_eq!(refused.status, 200, "{}", refused.text());
    meanwhile();
    wire.send(&body[len / 2..]);
    wire.read_answer("PUT").unwrap()
}

#[test]
fn a_write_is_decided_again_when_the_policy_changes_under_it() {
    let bucket = Bucket::create_blocking();
    for len in [1_000, 3_000_000] {
        set(&bucket, &[allow(&bucket, "s3:PutObject", "/*")]);
        let refused = written_while(&bucket, len, || unset(&bucket));
        assert_eq!(refused.verdict(), denied());
        let get = endpoint().exchange(key("GET", &bucket, "key"));
        assert_eq!(get.status, 404);

        set(&bucket, &[allow(&bucket, "s3:PutObject", "/*")]);
        let other = [
            allow(&bucket, "s3:PutObject", "/key"),
            allow(&bucket, "s3:GetObject", "/nothing"),
        ];
        let stored = written_while(&bucket, len, || set(&bucket, &other));
        assert_eq!(stored.status, 200, "{}", stored.text());
        let get = endpoint().exchange(key("GET", &bucket, "key"));
        assert_eq!(get.body.len(), len);
        let delete = endpoint().exchange(key("DELETE", &bucket, "key"));
        assert_eq!(delete.status, 204);
    }
}

#[test]
fn nobody_in_particular_is_told_of_a_bucket_that_is_not_there() {
    let get = anonymous(Request::key("GET", &fresh_name(), "key"));
    assert_eq!(get.verdict(), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn an_absent_bucket_has_no_policy() {
    let get = sdk().get_bucket_policy().bucket(fresh_name());
    assert_refused(get.send().await, 404, "NoSuchBucket");
}
