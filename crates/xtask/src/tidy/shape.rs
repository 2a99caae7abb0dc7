//! The shape of the code: file lengths, module names, and the few words that have no place in it.

use super::source::{Source, Token};
use super::tree::File;
use super::{Finding, Tree};

/// Lines of a file before its tests.
const LINES_LIMIT: usize = 800;

/// Folders whose code may say `unsafe`: a crate made for it, with its proofs.
const UNSAFE_ALLOWED: &[&str] = &[];

/// Names that say nothing about what is inside, so that everything ends up there.
const EMPTY_NAMES: &[&str] = &[
    "common",
    "core",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "util",
    "utilities",
    "utils",
];

/// Marks of work put off.
const PUT_OFF: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Files that are not written by hand, or quoted as they are.
const NOT_OURS: &[&str] = &["Cargo.lock", "LICENSE"];

/// Every file against the rules.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for folder in tree
        .crate_folders()
        .into_iter()
        .filter(|folder| EMPTY_NAMES.contains(folder))
    {
        found.push(Finding::at(&format!("crates/{folder}"), empty_name(folder)));
    }
    for file in tree
        .files()
        .iter()
        .filter(|file| !NOT_OURS.contains(&file.path.as_str()))
    {
        let prose = file
            .source
            .as_ref()
            .map_or(file.text.as_str(), Source::prose);
        found.extend(put_off(&file.path, prose));
    }
    for (file, source) in tree.rust() {
        found.extend(length(file, source));
        found.extend(module_file(file));
        found.extend(globs(file, source));
        found.extend(
            source
                .tokens()
                .windows(3)
                .filter_map(|tokens| forbidden_tokens(file, tokens)),
        );
    }
    found
}

fn put_off<'a>(path: &'a str, prose: &'a str) -> impl Iterator<Item = Finding> + 'a {
    prose.lines().enumerate().flat_map(move |(index, line)| {
        let words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words
            .filter(|word| PUT_OFF.contains(word))
            .map(move |word| {
                Finding::at_line(
                    path,
                    index + 1,
                    format!("{word}: do it, or write the test that asks for it"),
                )
            })
    })
}

fn length(file: &File, source: &Source) -> Option<Finding> {
    let is_all_tests = file.is_test();
    let lines = source.len_before_tests();
    (!is_all_tests && lines > LINES_LIMIT).then(|| {
        let message = format!(
            "{lines} lines before its tests, the limit is {LINES_LIMIT}: a file has one subject"
        );
        Finding::at(&file.path, message)
    })
}

/// `mod.rs`, and files and folders named after nothing.
fn module_file(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    let components: Vec<&str> = file.path.split('/').collect();
    for component in components.iter().skip(2) {
        let name = component.strip_suffix(".rs").unwrap_or(component);
        if name == "mod" {
            found.push(Finding::at(
                &file.path,
                "a module is foo.rs beside foo/, never foo/mod.rs".to_owned(),
            ));
        }
        if EMPTY_NAMES.contains(&name) {
            found.push(Finding::at(&file.path, empty_name(name)));
        }
    }
    found
}

fn empty_name(name: &str) -> String {
    format!("`{name}` says nothing about what is inside: name a module after its subject")
}

/// Glob imports, except `use super::*` and proptest's prelude, which is made for that, in tests.
fn globs(file: &File, source: &Source) -> Vec<Finding> {
    let imports = source
        .paths()
        .into_iter()
        .filter(|path| path.segments.last() == Some(&"*"));
    let found = imports.filter(|path| {
        let is_test = file.is_test() || source.is_test_line(path.line);
        let is_usual =
            path.segments == ["super", "*"] || path.segments == ["proptest", "prelude", "*"];
        !(is_test && is_usual)
    });
    found
        .map(|path| {
            let message = format!(
                "`use {}`: import by name, so that a reader finds where it comes from",
                path.display()
            );
            Finding::at_line(&file.path, path.line, message)
        })
        .collect()
}

/// What three tokens in a row may not say.
fn forbidden_tokens(file: &File, tokens: &[Token<'_>]) -> Option<Finding> {
    let [first, second, third] = tokens else {
        return None;
    };
    let may_be_unsafe = file
        .crate_folder()
        .is_some_and(|folder| UNSAFE_ALLOWED.contains(&folder));
    let message = match (first.text, second.text, third.text) {
        ("dbg", "!", _) => "a debugging aid left behind: use tracing".to_owned(),
        ("unsafe", _, _) if !may_be_unsafe => {
            "`unsafe` lives in a crate made for it; none is listed".to_owned()
        }
        ("mod", name, "{") if EMPTY_NAMES.contains(&name) => empty_name(name),
        _ => return None,
    };
    Some(Finding::at_line(&file.path, first.line, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Tree::made_of(&[(path, text)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_file_may_have_800_lines_and_its_tests_are_not_counted() {
        let limit = "fn f() {}\n".repeat(800);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{limit}}}\n");

        assert!(findings("crates/a/src/lib.rs", &format!("{limit}{tests}")).is_empty());
        assert!(findings("crates/a/tests/all.rs", &format!("{limit}fn g() {{}}\n")).is_empty());
        assert_eq!(
            findings(
                "crates/a/src/lib.rs",
                &format!("{limit}fn g() {{}}\n{tests}")
            )
            .len(),
            1
        );
        assert_eq!(
            findings("tests/bench/src/main.rs", &format!("{limit}fn g() {{}}\n")).len(),
            1
        );
    }

    #[test]
    fn marks_of_work_put_off_are_found_in_code_comments_and_other_files_but_not_in_literals() {
        for mark in PUT_OFF {
            assert_eq!(
                findings("crates/a/src/lib.rs", &format!("// {mark}: later\n")).len(),
                1
            );
            assert_eq!(
                findings("deploy/compose.yaml", &format!("# {mark}(name)\n")).len(),
                1
            );
            assert!(findings("crates/a/src/lib.rs", &format!("let a = \"{mark}\";\n")).is_empty());
        }
        assert!(findings(".ci/run", "mktemp -d cairn.XXXXXX\n").is_empty());
        assert!(findings("Cargo.lock", "# HACK\n").is_empty());
    }

    #[test]
    fn module_files_and_names_that_say_nothing_are_found() {
        for path in [
            "crates/a/src/b/mod.rs",
            "crates/a/src/utils.rs",
            "crates/a/src/common/b.rs",
            "crates/core/src/lib.rs",
        ] {
            assert_eq!(findings(path, "").len(), 1, "{path}");
        }
        assert_eq!(findings("tests/dev/tests/common/mod.rs", "").len(), 2);
        assert_eq!(findings("crates/a/src/lib.rs", "mod helpers {}").len(), 1);
        assert!(findings("crates/a/src/modify.rs", "mod core_count {}").is_empty());
    }

    #[test]
    fn glob_imports_are_found_but_super_in_tests_is_not() {
        assert_eq!(findings("crates/a/src/lib.rs", "use super::*;").len(), 1);
        assert_eq!(
            findings("crates/a/src/lib.rs", "pub use b::{c, d::*};").len(),
            1
        );
        assert_eq!(
            findings("crates/a/tests/all.rs", "use other::prelude::*;").len(),
            1
        );
        assert!(findings("crates/a/src/b/tests.rs", "use super::*;").is_empty());
        assert!(findings("crates/a/tests/all.rs", "use proptest::prelude::*;").is_empty());
        assert!(
            findings(
                "crates/a/src/lib.rs",
                "let a = b * c;\n#[cfg(test)]\nmod tests {\n    use super::*;\n}"
            )
            .is_empty()
        );
    }

    #[test]
    fn unsafe_and_debugging_aids_are_found() {
        assert_eq!(
            findings("crates/a/src/lib.rs", "unsafe { call() }").len(),
            1
        );
        assert_eq!(findings("crates/a/src/lib.rs", "dbg!(x)").len(), 1);
        assert!(
            findings(
                "crates/a/src/lib.rs",
                "#![deny(unsafe_code)] // unsafe, dbg!"
            )
            .is_empty()
        );
    }
}
