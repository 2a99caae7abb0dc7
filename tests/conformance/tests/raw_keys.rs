//! Keys byte by byte, in paths and in listings.

use cairn_conformance::{Bucket, endpoint, url_decoded};
use cairn_dev_tests::request::Request;
use cairn_dev_tests::xml;

#[test]
fn every_character_below_u_0800_is_a_character_like_any_other() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    // U+0000 is left out: what S3 does with it is nowhere documented.
    let characters = (1..0x800).filter_map(char::from_u32);
    let mut keys: Vec<String> = characters
        .map(|character| format!("k{character}k"))
        .collect();
    // The SDK takes a key of white space for none.
    keys.push(" ".to_owned());
    // One connection: two thousand requests are mostly round trips.
    let mut wire = endpoint.connect();
    for key in &keys {
        let put = endpoint.sign(Request::key("PUT", bucket.name(), key).body(key.clone()));
        assert_eq!(wire.exchange(&put).status, 200, "{key:?}");
    }
    for key in &keys {
        let get = endpoint.sign(Request::key("GET", bucket.name(), key));
        assert_eq!(wire.exchange(&get).body, key.as_bytes(), "{key:?}");
    }
    keys.sort();
    assert_eq!(listed(&bucket), keys);
}

fn listed(bucket: &Bucket) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let list = Request::new("GET", format!("/{}", bucket.name()));
        let mut list = list.query("list-type", "2").query("encoding-type", "url");
        if let Some(token) = token {
            list = list.query("continuation-token", token);
        }
        let page = endpoint().exchange(list);
        assert_eq!(page.status, 200);
        found.extend(
            xml::texts(&page.body, "Key")
                .iter()
                .map(|key| url_decoded(key)),
        );
        token = xml::text(&page.body, "NextContinuationToken");
        if token.is_none() {
            return found;
        }
    }
}

#[test]
fn a_key_that_is_no_utf_8_is_refused() {
    let bucket = Bucket::create_blocking();
    for key in [
        b"\xff".as_slice(),
        b"a\xc3",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ] {
        let answer = endpoint().exchange(Request::key_bytes("PUT", bucket.name(), key));
        assert_eq!(answer.status, 400, "{key:?}: {}", answer.text());
    }
    assert_eq!(listed(&bucket), Vec::<String>::new());
}

#[test]
fn a_key_of_1_024_bytes_is_the_longest() {
    let bucket = Bucket::create_blocking();
    let put = |len: usize| {
        let key = "k".repeat(len);
        endpoint().exchange(Request::key("PUT", bucket.name(), &key).body("x"))
    };
    assert_eq!(put(1_024).status, 200);
    for len in [1_025, 8_000] {
        let answer = put(len);
        assert_eq!(
            answer.verdict(),
            (400, "KeyTooLongError".to_owned()),
            "{len}"
        );
    }
    for method in ["GET", "DELETE"] {
        let answer = endpoint().exchange(Request::key(method, bucket.name(), &"k".repeat(1_025)));
        assert_eq!(
            answer.verdict(),
            (400, "KeyTooLongError".to_owned()),
            "{method}"
        );
    }
    assert_eq!(listed(&bucket).len(), 1);
}

#[test]
fn a_path_may_be_encoded_more_or_less_and_names_the_same_key() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    let key = "a!b$c'd(e)f*g,h:i;j=k@l+m~n-o_p.q";
    let put = Request::key("PUT", bucket.name(), key).body("body");
    assert_eq!(endpoint.exchange(put).status, 200);
    let canonical = endpoint.sign(Request::key("GET", bucket.name(), key));
    let plain = format!("/{}/{key}", bucket.name());
    let lower: String = canonical.path.replace("%2A", "%2a").replace("%3A", "%3a");
    let excessive = canonical.path.replace("/a%", "/%61%");
    for path in [plain, lower, excessive] {
        // The signature covers the key and not how the sender has written it.
        let mut request = canonical.clone();
        request.path.clone_from(&path);
        let answer = endpoint.connect().exchange(&request);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.body, b"body");
    }
}

#[test]
fn a_path_that_is_wrongly_encoded_is_refused() {
    let endpoint = endpoint();
    let bucket = Bucket::create_blocking();
    for tail in ["%", "%4", "%zz", "a%"] {
        let mut request = endpoint.sign(Request::key("PUT", bucket.name(), "key"));
        request.path = format!("/{}/{tail}", bucket.name());
        let answer = endpoint.connect().exchange(&request);
        assert!(
            matches!(answer.status, 400 | 403),
            "{tail}: {}",
            answer.status
        );
    }
    assert_eq!(listed(&bucket), Vec::<String>::new());
}

#[test]
fn dots_and_slashes_reach_no_other_bucket_and_no_other_key() {
    let endpoint = endpoint();
    let (bucket, other) = (Bucket::create_blocking(), Bucket::create_blocking());
    let secret = Request::key("PUT", other.name(), "secret").body("secret");
    assert_eq!(endpoint.exchange(secret).status, 200);
    for key in [
        format!("../{}/secret", other.name()),
        format!("x/../../{}/secret", other.name()),
        format!("/{}/secret", other.name()),
        format!("..%2f{}%2fsecret", other.name()),
        "../../../../etc/passwd".to_owned(),
    ] {
        let get = Request::key("GET", bucket.name(), &key);
        let answer = endpoint.exchange(get);
        assert_eq!(answer.verdict(), (404, "NoSuchKey".to_owned()), "{key}");
        let put = Request::key("PUT", bucket.name(), &key).body(key.clone());
        assert_eq!(endpoint.exchange(put).status, 200, "{key}");
        let get = endpoint.exchange(Request::key("GET", bucket.name(), &key));
        assert_eq!(get.body, key.as_bytes());
    }
    let get = endpoint.exchange(Request::key("GET", other.name(), "secret"));
    assert_eq!(get.body, b"secret");
}
