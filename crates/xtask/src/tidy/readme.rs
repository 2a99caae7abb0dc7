//! The README's table of S3 operations is the table the server routes by, and the compatibility page is that of the results.

use super::{Finding, Tree};
use crate::compatibility::{self, Compatibility};
use crate::readme::{self, Place};

const README: &str = "README.md";

/// The tables in the README and the page beside it against what they are made from.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.file(README).map_or("", |file| file.text.as_str());
    let mut found = Vec::new();
    let operations = readme::with_operations(text);
    found.extend(fault(readme::OPERATIONS, text, operations));
    let file = |path| tree.file(path).map_or("", |file| file.text.as_str());
    let results = (file(compatibility::PUBLISHED), file(compatibility::RESULTS));
    match Compatibility::read(results.0, results.1) {
        // A tree without results has no page either.
        None if results.1.is_empty() => {}
        None => found.push(Finding::at(
            compatibility::RESULTS,
            "it is no table of results".to_owned(),
        )),
        Some(read) => {
            let place = readme::COMPATIBILITY;
            found.extend(fault(place, text, place.fill(text, &read.summary())));
            if file(compatibility::PAGE) != read.page() {
                let message = "it is not that of the results: run `xtask readme`".to_owned();
                found.push(Finding::at(compatibility::PAGE, message));
            }
        }
    }
    found
}

fn fault(place: Place, text: &str, current: Option<String>) -> Option<Finding> {
    let Place { begin, end } = place;
    let message = match current {
        None => format!("needs `{begin}` and `{end}` once each"),
        Some(current) if current != text => {
            format!("what is behind `{begin}` is out of date: run `xtask readme`")
        }
        Some(_) => return None,
    };
    Some(Finding::at(README, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(readme: &str) -> usize {
        check(&Tree::made_of(&[(README, readme)])).len()
    }

    #[test]
    fn a_table_that_is_not_the_codes_is_found() {
        let Place { begin, end } = readme::OPERATIONS;
        let place = format!("{begin}\n{end}\n");
        let current = readme::with_operations(&place).unwrap();

        assert_eq!(findings(&current), 0);
        assert_eq!(findings(&current.replace("PutObject", "StoreObject")), 1);
        assert_eq!(findings(&place), 1);
    }

    #[test]
    fn a_page_that_is_not_of_the_results_is_found() {
        let published = "category\ttest\ts3_gw_2021\taws_2021\tcurrent_test\n";
        let results = "test\tresult\treason\ntest_a\tpass\t\n";
        let read = Compatibility::read(published, results).unwrap();
        let places = [readme::OPERATIONS, readme::COMPATIBILITY]
            .map(|place| place.begin.to_owned() + place.end);
        let text = readme::with_operations(&places.concat()).unwrap();
        let text = readme::COMPATIBILITY.fill(&text, &read.summary()).unwrap();
        let page = read.page();
        let found = |page: &str, results: &str| {
            let files = [
                (README, text.as_str()),
                (compatibility::PUBLISHED, published),
                (compatibility::RESULTS, results),
                (compatibility::PAGE, page),
            ];
            check(&Tree::made_of(&files)).len()
        };

        assert_eq!(found(&page, results), 0);
        assert_eq!(found("", results), 1);
        assert_eq!(found(&page, &results.replace("pass", "fail")), 2);
        assert_eq!(found(&page, "nothing"), 1);
    }

    #[test]
    fn a_readme_without_a_place_for_the_table_or_no_readme_is_found() {
        assert_eq!(findings("# Cairn\n"), 1);
        assert_eq!(check(&Tree::made_of(&[])).len(), 1);
    }
}
