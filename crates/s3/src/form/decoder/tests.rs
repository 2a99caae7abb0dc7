use proptest::prelude::{any, prop, proptest};

use super::*;

/// What a form decodes to when it is fed in pieces that end at these places; data is joined.
fn decode(
    form: &[u8],
    boundary: &str,
    cuts: &[usize],
) -> Result<(Vec<FormEvent>, bool), FormError> {
    let mut decoder = FormDecoder::new(boundary);
    let mut events: Vec<FormEvent> = Vec::new();
    let mut from = 0;
    for end in cuts.iter().copied().chain([form.len()]) {
        let mut input = Bytes::copy_from_slice(&form[from..end]);
        from = end;
        while let Some(event) = decoder.next(&mut input)? {
            match (events.last_mut(), event) {
                (Some(FormEvent::Data(before)), FormEvent::Data(data)) => {
                    *before = [before.as_ref(), data.as_ref()].concat().into();
                }
                (_, event) => events.push(event),
            }
        }
    }
    Ok((events, decoder.is_complete()))
}

fn field(name: &str, value: &str) -> FormEvent {
    FormEvent::Field {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn file(filename: &str) -> FormEvent {
    FormEvent::File {
        filename: filename.to_owned(),
    }
}

const FORM: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"key\"; filename=\"key\"\r\n\r\na\r\nb\r\n--B\r\n\
    content-disposition: form-data; name=empty\r\nContent-Type: text/plain\r\n\r\n\r\n--B  \r\n\
    Content-Disposition: form-data; name=\"file\"; filename=\"C:\\x\\\"y.txt\"\r\nContent-Type: a/b\r\n\r\n\
    data\r\n--\r\n-B\r\r\n--B--\r\nafter\r\n--B\r\n";

#[test]
fn what_comes_byte_by_byte_is_searched_once() {
    let padding = " ".repeat(500);
    let head = "Content-Disposition: form-data; name=a; ";
    let form = format!("preamble\r\n--B{padding}\r\n{head}{padding}\r\n\r\n{padding}");
    let mut decoder = FormDecoder::new("B");
    for byte in form.bytes() {
        let mut input = Bytes::copy_from_slice(&[byte]);
        assert_eq!(decoder.next(&mut input), Ok(None));
        // Of what is kept nothing is looked at again, but what may be the beginning of a line's end.
        let kept = decoder.buffer.len();
        assert!(decoder.searched == kept || kept < 4, "{decoder:?}");
    }
    assert_eq!(
        decoder.state,
        State::Value {
            name: "a".to_owned()
        }
    );
    let events = decoder.next(&mut Bytes::from_static(b"\r\n--B\r\n"));
    assert_eq!(events, Ok(Some(field("a", &padding))));
}

#[test]
fn a_form_comes_apart_and_what_follows_its_file_is_passed_over() {
    let (events, is_complete) = decode(FORM, "B", &[]).unwrap();
    let expected = [
        field("key", "a\r\nb"),
        field("empty", ""),
        file("C:\\x\"y.txt"),
        FormEvent::Data(Bytes::from_static(b"data\r\n--\r\n-B\r")),
        FormEvent::End,
    ];
    assert_eq!(events, expected);
    assert!(is_complete);
}

#[test]
fn an_empty_file_is_a_file() {
    let form = b"preamble\r\n--B\r\nContent-Disposition: form-data; name=\"FILE\"\r\n\r\n\r\n--B--";
    let (events, is_complete) = decode(form, "B", &[]).unwrap();
    assert_eq!(events, [file(""), FormEvent::End]);
    assert!(is_complete);
}

#[test]
fn a_file_that_breaks_off_has_no_end() {
    let cut = FORM.len() - 20;
    let (events, is_complete) = decode(&FORM[..cut], "B", &[]).unwrap();
    assert!(!is_complete);
    assert!(!events.contains(&FormEvent::End));
}

#[test]
fn what_is_malformed_or_too_much_is_refused() {
    let disposition = "Content-Disposition: form-data; name=\"a\"";
    let long = format!("--B\r\n{disposition}\r\n\r\n{}", "x".repeat(FIELDS_LIMIT));
    let endless_head = format!("--B\r\n{}", "x".repeat(FIELDS_LIMIT));
    let many = format!("--B\r\n{disposition}\r\n\r\n\r\n").repeat(FIELD_COUNT_LIMIT + 1);
    let preamble = "x".repeat(FIELDS_LIMIT);
    for (form, error) in [
        ("--B--\r\n", FormError::NoFile),
        ("--Bx\r\n", FormError::Malformed),
        ("--B\r\n\r\nvalue\r\n--B", FormError::Malformed),
        ("--B\r\nno colon\r\n\r\n", FormError::Malformed),
        (
            "--B\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n",
            FormError::Malformed,
        ),
        (
            "--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\n",
            FormError::Malformed,
        ),
        (&long, FormError::FieldsTooLong),
        (&endless_head, FormError::FieldsTooLong),
        (&many, FormError::FieldsTooLong),
        (&preamble, FormError::FieldsTooLong),
    ] {
        assert_eq!(decode(form.as_bytes(), "B", &[]), Err(error), "{form:.60}");
    }
    let not_text = b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xff\r\n--B";
    assert_eq!(decode(not_text, "B", &[]), Err(FormError::Malformed));
}

#[test]
fn a_boundary_is_named_by_the_content_type() {
    let code = |text: &str| boundary(text).map_err(|error| error.code());
    assert_eq!(
        code("multipart/form-data; boundary=abc"),
        Ok("abc".to_owned())
    );
    assert_eq!(
        code("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""),
        Ok("a b".to_owned())
    );
    let long = format!("multipart/form-data; boundary={}", "x".repeat(129));
    for text in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        &long,
    ] {
        assert_eq!(code(text), Err(Code::MalformedPOSTRequest), "{text}");
    }
    for text in [
        "",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=a",
    ] {
        assert_eq!(
            code(text),
            Err(Code::RequestIsNotMultiPartContent),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn how_a_form_is_cut_changes_nothing(cuts in prop::collection::vec(0..=FORM.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        assert_eq!(decode(FORM, "B", &cuts), decode(FORM, "B", &[]));
    }

    #[test]
    fn a_file_of_any_bytes_comes_out_as_it_went_in(
        content in prop::collection::vec(prop::sample::select(b"\r\n-Bx".to_vec()), 0..80),
        more in prop::collection::vec(any::<u8>(), 0..20),
        cut in 0..200usize,
    ) {
        let content = [content, more].concat();
        let boundary = "BxBx7391";
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n");
        let tail = format!("\r\n--{boundary}--\r\n");
        let form = [head.as_bytes(), &content, tail.as_bytes()].concat();
        let (events, is_complete) = decode(&form, boundary, &[cut.min(form.len())]).unwrap();
        let data: Vec<u8> = events.iter().flat_map(|event| match event {
            FormEvent::Data(data) => data.to_vec(),
            _ => Vec::new(),
        }).collect();
        assert_eq!(data, content);
        assert!(is_complete);
    }
}
