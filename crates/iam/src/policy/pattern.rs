//! Text with wildcards and variables, as resources and the values of conditions have it.

use std::borrow::Cow;

use crate::context::{Context, folded};

/// What a text of a policy means, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// This character.
    Letter(char),
    /// `?`: any one character.
    One,
    /// `*`: any characters, also none, also `/` and `:`.
    Run,
    /// `${key}` or `${key, 'default'}`: what the request has under the key, letter by letter.
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// What a text is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// `*` and `?` are wildcards.
    pub(super) has_wildcards: bool,
    /// `${…}` is a variable: since version 2012-10-17 of the language.
    pub(super) has_variables: bool,
}

/// A pattern: what it was written as, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    source: String,
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Reads a pattern. `${*}`, `${?}` and `${$}` are those characters themselves; what begins like a variable and does
    /// not end is text.
    ///
    /// Source: AWS, "IAM policy elements: Variables and tags".
    pub(super) fn parse(text: &str, reading: Reading) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if reading.has_variables
                && let Some((piece, length)) = variable(rest)
            {
                pieces.push(piece);
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            match letter {
                // A run after a run matches nothing more; one is enough.
                '*' if reading.has_wildcards => {
                    if pieces.last() != Some(&Piece::Run) {
                        pieces.push(Piece::Run);
                    }
                }
                '?' if reading.has_wildcards => pieces.push(Piece::One),
                letter => pieces.push(Piece::Letter(letter)),
            }
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
        Self {
            source: text.to_owned(),
            pieces,
        }
    }

    /// As it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it stands for one text whatever the request: no wildcard, no variable.
    pub(super) fn is_fixed(&self) -> bool {
        self.pieces
            .iter()
            .all(|piece| matches!(piece, Piece::Letter(_)))
    }

    /// Whether the text is what the pattern says. `None`: a variable of it has no value, or several, in this request, so
    /// that the pattern says nothing.
    ///
    /// Cost: at most `pattern.len() * text.len()` steps; a copy of the pattern if it has variables.
    pub(super) fn matches(&self, text: &str, context: &Context, case: Case) -> Option<bool> {
        let pieces = self.resolve(context)?;
        Some(is_match(&pieces, text, case))
    }

    fn resolve(&self, context: &Context) -> Option<Cow<'_, [Piece]>> {
        let is_variable = |piece: &Piece| matches!(piece, Piece::Variable { .. });
        if !self.pieces.iter().any(is_variable) {
            return Some(Cow::Borrowed(&self.pieces));
        }
        let mut resolved = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let Piece::Variable { key, default } = piece else {
                resolved.push(piece.clone());
                continue;
            };
            let value = match context.get_folded(key) {
                [] => Cow::Borrowed(default.as_deref()?),
                [value] => value.text()?,
                // A variable stands for one value; AWS lets only single-valued keys be variables.
                _ => return None,
            };
            resolved.extend(value.chars().map(Piece::Letter));
        }
        Some(Cow::Owned(resolved))
    }
}

/// Whether capital letters differ from small ones. Without case only ASCII letters are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

impl Case {
    fn same(self, left: char, right: char) -> bool {
        match self {
            Self::Matters => left == right,
            Self::Ignored => left.eq_ignore_ascii_case(&right),
        }
    }
}

/// `${…}` at the start of the text, and how long it is.
fn variable(text: &str) -> Option<(Piece, usize)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find('}')?;
    let inner = inner.get(..end)?;
    let length = end + "${}".len();
    if let "*" | "?" | "$" = inner {
        let letter = inner.chars().next()?;
        return Some((Piece::Letter(letter), length));
    }
    let (key, default) = match inner.split_once(',') {
        Some((key, default)) => {
            let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            (key, Some(default.to_owned()))
        }
        None => (inner, None),
    };
    let key = folded(key.trim());
    Some((Piece::Variable { key, default }, length))
}

/// Glob matching that goes back to the last run only, so that the work is bounded by the product of the lengths.
fn is_match(pieces: &[Piece], text: &str, case: Case) -> bool {
    let mut rest = text.chars();
    let mut next = 0;
    // Where to go on if what follows the last run does not fit: the piece behind it, and the text it has not eaten.
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let before = rest.clone();
        let letter = rest.next();
        match (pieces.get(next), letter) {
            (None, None) => return true,
            (Some(Piece::Run), _) => {
                next += 1;
                retry = Some((next, before.clone()));
                rest = before;
                continue;
            }
            (Some(Piece::One), Some(_)) => {
                next += 1;
                continue;
            }
            (Some(Piece::Letter(wanted)), Some(letter)) if case.same(*wanted, letter) => {
                next += 1;
                continue;
            }
            _ => {}
        }
        // It does not fit here: the last run takes one character more, if there is a run and a character.
        let Some((piece, uneaten)) = retry.as_mut() else {
            return false;
        };
        if uneaten.next().is_none() {
            return false;
        }
        next = *piece;
        rest = uneaten.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    const FULL: Reading = Reading {
        has_wildcards: true,
        has_variables: true,
    };

    fn fits(pattern: &str, text: &str) -> bool {
        let pattern = Pattern::parse(pattern, FULL);
        pattern.matches(text, &Context::new(), Case::Matters) == Some(true)
    }

    /// The definition, without care for cost.
    fn fits_by_definition(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', pattern)) => {
                (0..=text.len()).any(|eaten| fits_by_definition(pattern, &text[eaten..]))
            }
            Some(('?', pattern)) => !text.is_empty() && fits_by_definition(pattern, &text[1..]),
            Some((letter, pattern)) => {
                text.first() == Some(letter) && fits_by_definition(pattern, &text[1..])
            }
        }
    }

    #[test]
    fn wildcards_are_stars_and_question_marks() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "a/b:c"),
            ("a*", "a"),
            ("*/x/*", "a/b/x/y/z"),
            ("a?c", "aéc"),
            ("*.jpg", "a.jpg.jpg"),
            ("a**b", "ab"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("a*b", "abc"),
            ("A", "a"),
            ("*.jpg", "jpg"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn variables_stand_for_letters_and_never_for_wildcards() {
        let pattern = Pattern::parse("home/${aws:UserName}/*", FULL);
        let mut context = Context::new();
        assert_eq!(pattern.matches("home/x/y", &context, Case::Matters), None);
        context.add_text("aws:username", "*");
        assert_eq!(
            pattern.matches("home/*/y", &context, Case::Matters),
            Some(true)
        );
        assert_eq!(
            pattern.matches("home/x/y", &context, Case::Matters),
            Some(false)
        );
        context.add_text("aws:username", "second");
        assert_eq!(pattern.matches("home/*/y", &context, Case::Matters), None);
    }

    #[test]
    fn a_variable_may_have_a_default() {
        let pattern = Pattern::parse("${aws:PrincipalTag/team, 'company-wide'}", FULL);
        let mut context = Context::new();
        assert_eq!(
            pattern.matches("company-wide", &context, Case::Matters),
            Some(true)
        );
        context.add_text("aws:PrincipalTag/team", "red");
        assert_eq!(pattern.matches("red", &context, Case::Matters), Some(true));
    }

    #[test]
    fn special_characters_are_written_in_braces() {
        assert!(fits("${*}${?}${$}", "*?$"));
        assert!(!fits("${*}", "x"));
        assert!(fits("${open", "${open"));
        assert!(
            fits("${a, b}", "${a, b}"),
            "a default without quotes is no variable"
        );
    }

    #[test]
    fn the_old_version_knows_no_variables() {
        let old = Reading {
            has_wildcards: true,
            has_variables: false,
        };
        let pattern = Pattern::parse("${aws:username}", old);
        let context = Context::new();
        assert_eq!(
            pattern.matches("${aws:username}", &context, Case::Matters),
            Some(true)
        );
        assert!(pattern.is_fixed());
    }

    #[test]
    fn case_can_be_ignored() {
        let pattern = Pattern::parse("s3:Get*", FULL);
        let context = Context::new();
        assert_eq!(
            pattern.matches("S3:gETx", &context, Case::Ignored),
            Some(true)
        );
        assert_eq!(
            pattern.matches("S3:gETx", &context, Case::Matters),
            Some(false)
        );
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_the_product_of_the_lengths() {
        let pattern = "*a".repeat(5_000) + "b";
        let text = "a".repeat(10_000);
        assert!(!fits(&pattern, &text));
    }

    proptest! {
        #[test]
        fn matching_is_what_its_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let letters: Vec<char> = pattern.chars().collect();
            let wanted: Vec<char> = text.chars().collect();
            prop_assert_eq!(fits(&pattern, &text), fits_by_definition(&letters, &wanted));
        }

        #[test]
        fn a_text_without_special_characters_matches_itself_alone(text in "[a-z/:é]{0,20}", other in "[a-z/:é]{0,20}") {
            prop_assert_eq!(fits(&text, &other), text == other);
        }
    }
}
