//! Traces of how or where a file was made: they mean nothing to its next reader.

use super::{Finding, Tree};

/// Paths of one person's machine. Split here, so that this file does not contain them.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

/// Authoring tools, in lower case.
const AUTHORING_TOOLS: &[&str] = &[
    concat!("anth", "ropic"),
    concat!("chat", "gpt"),
    concat!("cla", "ude"),
    concat!("cod", "ex"),
    concat!("copi", "lot"),
    concat!("open", "ai"),
    concat!("sub", "agent"),
];

/// What stands before a number of a tracker that a reader of the file does not have, in lower case.
const TRACKER_WORDS: &[&str] = &["issue", "issues", "pr", "pull request", "ticket"];

/// Registry data, not prose of ours.
const NOT_OURS: &[&str] = &["Cargo.lock"];

/// Every line of every text file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree
        .files()
        .iter()
        .filter(|file| !NOT_OURS.contains(&file.path.as_str()))
    {
        for (index, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let reasons = [
                has_machine_path(line)
                    .then_some("a path of one machine: use a relative path or a variable"),
                has_tool(&lower).then_some("names an authoring tool: the text stands for itself"),
                has_tracker_number(&lower).then_some("a tracker's number: say what it says"),
            ];
            for reason in reasons.into_iter().flatten() {
                found.push(Finding::at_line(&file.path, index + 1, reason.to_owned()));
            }
        }
    }
    found
}

/// An absolute path: what follows a name or a dot is the middle of another path.
fn has_machine_path(line: &str) -> bool {
    MACHINE_PATHS.iter().any(|path| {
        line.match_indices(path).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            !before.is_some_and(|letter| {
                letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '}' | '/' | '*')
            })
        })
    })
}

fn has_tool(lower: &str) -> bool {
    lower
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| AUTHORING_TOOLS.contains(&word))
}

fn has_tracker_number(lower: &str) -> bool {
    lower.match_indices('#').any(|(at, _)| {
        let is_number = lower
            .get(at + 1..)
            .is_some_and(|after| after.starts_with(|letter: char| letter.is_ascii_digit()));
        let before = lower.get(..at).unwrap_or_default().trim_end();
        is_number
            && TRACKER_WORDS
                .iter()
                .any(|word| ends_with_word(before, word))
    })
}

fn ends_with_word(text: &str, word: &str) -> bool {
    text.strip_suffix(word)
        .is_some_and(|before| !before.ends_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(line: &str) -> bool {
        !check(&Tree::made_of(&[("crates/a/src/lib.rs", line)])).is_empty()
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for path in MACHINE_PATHS {
            assert!(is_found(&format!("let a = \"{path}x\";")), "{path}");
            assert!(is_found(&format!("{path}x")), "{path}");
        }
    }

    #[test]
    fn paths_that_only_end_alike_are_not_found() {
        for path in MACHINE_PATHS {
            assert!(!is_found(&format!("photos{path}x")), "{path}");
            assert!(!is_found(&format!("${{DIR}}{path}x")), "{path}");
        }
        assert!(!is_found("$HOME/.cache/cairn"));
    }

    #[test]
    fn authoring_tools_are_found_as_words() {
        for tool in AUTHORING_TOOLS {
            assert!(
                is_found(&format!("// written by {}.", tool.to_uppercase())),
                "{tool}"
            );
            assert!(!is_found(&format!("x{tool}x")), "{tool}");
        }
    }

    #[test]
    fn tracker_numbers_are_found() {
        for word in TRACKER_WORDS {
            assert!(is_found(&format!("// see {word} #12")), "{word}");
        }
        assert!(!is_found("// the reissue #of 12"));
        assert!(!is_found("color: #123456"));
        assert!(!is_found("// spr #12"));
    }

    #[test]
    fn files_of_others_are_exempt() {
        let line = format!("source = \"{}x\"", MACHINE_PATHS.first().unwrap());

        assert!(check(&Tree::made_of(&[("Cargo.lock", &line)])).is_empty());
    }
}
