//! What the README says about the code, taken from the code.

/// Stands before the table of S3 operations in `README.md`.
pub const OPERATIONS_BEGIN: &str = "<!-- operations:begin -->";
/// Stands after it.
pub const OPERATIONS_END: &str = "<!-- operations:end -->";

/// A README with the table of S3 operations as the code has it, or `None` when the text has no place for one: the two
/// marks, each once and in order. The rest of the text stays as it is.
pub fn with_operations(readme: &str) -> Option<String> {
    with_table(readme, &cairn_s3::operations::compatibility_markdown())
}

fn with_table(readme: &str, table: &str) -> Option<String> {
    let (before, rest) = readme.split_once(OPERATIONS_BEGIN)?;
    let (old, after) = rest.split_once(OPERATIONS_END)?;
    if old.contains(OPERATIONS_BEGIN)
        || after.contains(OPERATIONS_BEGIN)
        || after.contains(OPERATIONS_END)
    {
        return None;
    }
    let table = table.trim();
    Some(format!(
        "{before}{OPERATIONS_BEGIN}\n{table}\n{OPERATIONS_END}{after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_between_the_marks_and_writing_it_again_changes_nothing() {
        let readme = format!("# Cairn\n{OPERATIONS_BEGIN}\nold\n{OPERATIONS_END}\nMore.\n");

        let written = with_table(&readme, "| new |\n").unwrap();

        assert_eq!(
            written,
            format!("# Cairn\n{OPERATIONS_BEGIN}\n| new |\n{OPERATIONS_END}\nMore.\n")
        );
        assert_eq!(with_table(&written, "| new |\n").unwrap(), written);
    }

    #[test]
    fn a_text_without_one_clear_place_is_refused() {
        let (begin, end) = (OPERATIONS_BEGIN, OPERATIONS_END);
        for readme in [
            String::new(),
            format!("{begin} only"),
            format!("{end} {begin}"),
            format!("{begin} {end} {begin}"),
            format!("{begin} {begin} {end}"),
            format!("{begin} {end} {end}"),
        ] {
            assert_eq!(with_table(&readme, "table"), None, "{readme}");
        }
    }

    #[test]
    fn the_table_of_the_code_names_operations() {
        let written = with_operations(&format!("{OPERATIONS_BEGIN}{OPERATIONS_END}")).unwrap();

        assert!(written.contains("PutObject"), "{written}");
    }
}
