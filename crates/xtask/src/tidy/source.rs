//! One Rust file as the checks see it: code, code with comments, the names in it, and where its tests begin.

use std::iter::Peekable;

/// A Rust file with literals and comments blanked out. Lines keep their numbers in every view.
#[derive(Debug)]
pub(super) struct Source {
    /// Code alone: comments and the contents of string and character literals are spaces.
    code: String,
    /// Code and comments: only literals are spaces.
    prose: String,
    /// The first line (from 1) of the file's test module; past the end when it has none.
    tests_from: usize,
}

/// A name as written: `std::env::var` is three segments, `Bucket` is one; each branch of a `use` tree is a path of its
/// own, and a glob import ends in the segment `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// Never empty.
    pub(super) segments: Vec<&'a str>,
    /// From 1.
    pub(super) line: usize,
}

/// An identifier, `::`, or one character of punctuation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// As written.
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Literal,
}

impl Source {
    /// Splits a file; never fails: a file that is not Rust gives views that make no sense, as the compiler will say.
    pub(super) fn parse(text: &str) -> Self {
        let mut code = String::with_capacity(text.len());
        let mut prose = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let (kind, len) = first_piece(rest);
            let (piece, tail) = rest.split_at(len);
            match kind {
                Piece::Code => {
                    code.push_str(piece);
                    prose.push_str(piece);
                }
                Piece::Comment => {
                    blank(piece, &mut code);
                    prose.push_str(piece);
                }
                Piece::Literal => {
                    blank(piece, &mut code);
                    blank(piece, &mut prose);
                }
            }
            rest = tail;
        }
        let tests_from = first_test_line(&code);
        Self {
            code,
            prose,
            tests_from,
        }
    }

    /// Whether a line (from 1) lies in the test module at the end of the file.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        line >= self.tests_from
    }

    /// The number of lines before the test module.
    pub(super) fn len_before_tests(&self) -> usize {
        self.code
            .lines()
            .count()
            .min(self.tests_from.saturating_sub(1))
    }

    /// Code and comments, without what stands in literals.
    pub(super) fn prose(&self) -> &str {
        &self.prose
    }

    /// Every token of the code, in order.
    pub(super) fn tokens(&self) -> Vec<Token<'_>> {
        let mut found = Vec::new();
        for (index, line) in self.code.lines().enumerate() {
            let mut rest = line.trim_start();
            while let Some(first) = rest.chars().next() {
                let len = if is_word(first) {
                    word_len(rest)
                } else if rest.starts_with("::") {
                    2
                } else {
                    first.len_utf8()
                };
                let (text, tail) = rest.split_at(len);
                found.push(Token {
                    text,
                    line: index + 1,
                });
                rest = tail.trim_start();
            }
        }
        found
    }

    /// Every path of the code, in order, with `use` trees spread out. Keywords are paths of one segment.
    pub(super) fn paths(&self) -> Vec<Path<'_>> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        let mut rest = tokens.into_iter().peekable();
        while let Some(token) = rest.next() {
            if token.text == "use" && rest.peek().is_some_and(|next| next.text != "<") {
                use_tree(&mut rest, &[], &mut found);
            } else if token.text.starts_with(is_word) {
                let mut segments = vec![token.text];
                while rest.next_if(|next| next.text == "::").is_some() {
                    segments.extend(
                        rest.next_if(|next| next.text.starts_with(is_word))
                            .map(|next| next.text),
                    );
                }
                found.push(Path {
                    segments,
                    line: token.line,
                });
            }
        }
        found
    }
}

impl Path<'_> {
    /// Whether these segments stand in the path, side by side and in this order.
    pub(super) fn contains(&self, sequence: &[&str]) -> bool {
        self.segments
            .windows(sequence.len())
            .any(|window| window == sequence)
    }

    /// As it would be written in full.
    pub(super) fn display(&self) -> String {
        self.segments.join("::")
    }
}

/// The lower-case words of an identifier: `BucketName` and `bucket_name` are both `bucket`, `name`. A single letter is
/// joined to its neighbour as well, so that `ETag` and `e_tag` contain the word `etag`.
pub(super) fn words(identifier: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in identifier.split('_').filter(|part| !part.is_empty()) {
        let letters: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (at, letter) in letters.iter().enumerate() {
            let before_lower = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
            let after_lower = at
                .checked_sub(1)
                .and_then(|before| letters.get(before))
                .is_some_and(|c| !c.is_uppercase());
            if letter.is_uppercase() && !word.is_empty() && (after_lower || before_lower) {
                found.push(std::mem::take(&mut word));
            }
            word.extend(letter.to_lowercase());
        }
        found.push(word);
    }
    let joined: Vec<String> = found
        .iter()
        .zip(found.iter().skip(1))
        .filter(|(first, _)| first.len() == 1)
        .map(|(a, b)| format!("{a}{b}"))
        .collect();
    found.extend(joined);
    found
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word_len(text: &str) -> usize {
    text.find(|letter| !is_word(letter)).unwrap_or(text.len())
}

/// The kind and length in bytes of the piece a non-empty text begins with.
fn first_piece(text: &str) -> (Piece, usize) {
    if text.starts_with("//") {
        return (Piece::Comment, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (Piece::Comment, block_comment_len(text));
    }
    if let Some(len) = raw_string_len(text) {
        return (Piece::Literal, len);
    }
    if text.starts_with('"') {
        return (Piece::Literal, quoted_len(text, '"'));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        return match (rest.chars().next(), rest.chars().nth(1)) {
            (Some('\\'), _) => (Piece::Literal, quoted_len(text, '\'')),
            (Some(letter), Some('\'')) => (Piece::Literal, letter.len_utf8() + 2),
            _ => (Piece::Code, 1), // a lifetime
        };
    }
    // A word is taken whole, so that the `r` of `for"` does not begin a raw string.
    let len = word_len(text);
    (
        Piece::Code,
        if len > 0 {
            len
        } else {
            text.chars().next().map_or(1, char::len_utf8)
        },
    )
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`, or `None` when the text begins otherwise.
fn raw_string_len(text: &str) -> Option<usize> {
    let after_prefix = ["r", "br", "cr"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))?;
    let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
    let body = after_prefix.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let body_len = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(text.len() - body.len() + body_len)
}

/// The length of a literal that begins and ends with `quote` and escapes by backslash.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if !escaped && letter == quote {
            return at + 1;
        }
        escaped = !escaped && letter == '\\';
    }
    text.len()
}

fn blank(piece: &str, into: &mut String) {
    into.extend(
        piece
            .chars()
            .map(|letter| if letter == '\n' { '\n' } else { ' ' }),
    );
}

/// The line of the `#[cfg(test)]` that stands on a module with a body.
fn first_test_line(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate() {
        if !(line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test")) {
            continue;
        }
        let item = lines
            .iter()
            .skip(index + 1)
            .find(|next| !next.is_empty() && !next.starts_with("#["));
        if item.is_some_and(|item| {
            (item.starts_with("mod ") || item.contains(" mod ")) && item.ends_with('{')
        }) {
            return index + 1;
        }
    }
    usize::MAX
}

/// Reads one `use` tree up to the `;`, `,` or `}` that ends it.
fn use_tree<'a>(
    rest: &mut Peekable<impl Iterator<Item = Token<'a>>>,
    prefix: &[&'a str],
    found: &mut Vec<Path<'a>>,
) {
    let mut segments = prefix.to_vec();
    let mut line = 0;
    while let Some(token) = rest.next_if(|next| !matches!(next.text, ";" | "," | "}")) {
        line = token.line;
        match token.text {
            "::" => {}
            "as" => {
                rest.next();
            }
            "{" => {
                while rest
                    .peek()
                    .is_some_and(|next| !matches!(next.text, "}" | ";"))
                {
                    use_tree(rest, &segments, found);
                    rest.next_if(|next| next.text == ",");
                }
                rest.next_if(|next| next.text == "}");
                return;
            }
            segment => segments.push(segment),
        }
    }
    if segments.len() > prefix.len() {
        found.push(Path { segments, line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        Source::parse(text)
            .paths()
            .iter()
            .map(Path::display)
            .collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = r##"
            // slash bucket
            /* block /* nested bucket */ bucket */
            let a = "bucket \" bucket"; let b = r#"bucket " bucket"#; let c = 'b'; let d = '\'';
            fn kept<'life>(x: &'life str) {}
        "##;

        let source = Source::parse(text);

        assert!(!source.code.contains("bucket"));
        assert!(source.code.contains("kept") && source.code.contains("'life"));
        assert_eq!(source.prose.matches("bucket").count(), 3);
        assert_eq!(source.code.lines().count(), text.lines().count());
    }

    #[test]
    fn a_literal_over_lines_keeps_the_line_numbers() {
        let source = Source::parse("let a = \"one\ntwo\nthree\";\nfn found() {}\n");

        let found = source
            .tokens()
            .into_iter()
            .find(|token| token.text == "found")
            .unwrap();

        assert_eq!(found.line, 4);
    }

    #[test]
    fn use_trees_are_spread_out() {
        assert_eq!(
            paths("use std::{env, time::{Instant, SystemTime as Wall}, fs::*};"),
            [
                "std::env",
                "std::time::Instant",
                "std::time::SystemTime",
                "std::fs::*"
            ]
        );
        assert_eq!(paths("pub use super::*;"), ["pub", "super::*"]);
        assert_eq!(paths("use ::tokio::spawn; x"), ["tokio::spawn", "x"]);
    }

    #[test]
    fn a_path_over_lines_is_one_path() {
        assert_eq!(
            paths("let now =\n    std::time::Instant\n    ::now();"),
            ["let", "now", "std::time::Instant::now"]
        );
    }

    #[test]
    fn captured_lifetimes_are_no_import() {
        assert_eq!(
            paths("fn f() -> impl Sized + use<'a> {}")
                .first()
                .map(String::as_str),
            Some("fn")
        );
    }

    #[test]
    fn the_test_module_begins_at_its_attribute() {
        let source = Source::parse(
            "#[cfg(test)]\nuse a::b;\nfn f() {}\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests {\n}\n",
        );

        assert!(!source.is_test_line(3));
        assert!(source.is_test_line(4));
        assert_eq!(source.len_before_tests(), 3);
    }

    #[test]
    fn a_file_without_tests_counts_whole() {
        let source = Source::parse("fn f() {}\n#[cfg(test)]\nmod tests;\n");

        assert!(!source.is_test_line(3));
        assert_eq!(source.len_before_tests(), 3);
    }

    #[test]
    fn identifiers_fall_into_words() {
        assert_eq!(words("BucketName"), ["bucket", "name"]);
        assert_eq!(words("put_in_bucket"), ["put", "in", "bucket"]);
        assert_eq!(words("HTTPServer"), ["http", "server"]);
        assert!(words("ETag").contains(&"etag".to_owned()));
        assert!(words("e_tag").contains(&"etag".to_owned()));
        assert!(!words("metag").contains(&"etag".to_owned()));
        assert_eq!(words("S3Error"), ["s3", "error"]);
    }
}
