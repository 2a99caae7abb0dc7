//! The README's table of S3 operations is the table the server routes by.

use super::{Finding, Tree};
use crate::readme;

const README: &str = "README.md";

/// The table in the README against the one in the code.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let text = tree.file(README).map_or("", |file| file.text.as_str());
    let message = match readme::with_operations(text) {
        None => format!(
            "needs `{}` and `{}` once each",
            readme::OPERATIONS_BEGIN,
            readme::OPERATIONS_END
        ),
        Some(current) if current != text => {
            "its table of operations is not the code's: run `xtask readme`".to_owned()
        }
        Some(_) => return Vec::new(),
    };
    vec![Finding::at(README, message)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(readme: &str) -> usize {
        check(&Tree::made_of(&[(README, readme)])).len()
    }

    #[test]
    fn a_table_that_is_not_the_codes_is_found() {
        let place = format!("{}\n{}\n", readme::OPERATIONS_BEGIN, readme::OPERATIONS_END);
        let current = readme::with_operations(&place).unwrap();

        assert_eq!(findings(&current), 0);
        assert_eq!(findings(&current.replace("PutObject", "StoreObject")), 1);
        assert_eq!(findings(&place), 1);
    }

    #[test]
    fn a_readme_without_a_place_for_the_table_or_no_readme_is_found() {
        assert_eq!(findings("# Cairn\n"), 1);
        assert_eq!(check(&Tree::made_of(&[])).len(), 1);
    }
}
