//! What the README says about the code, taken from the code.

/// What stands before and after a table in `README.md`.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Before it.
    pub begin: &'static str,
    /// After it.
    pub end: &'static str,
}

/// The place of the table of S3 operations.
pub const OPERATIONS: Place = Place {
    begin: "<!-- operations:begin -->",
    end: "<!-- operations:end -->",
};

/// The place of the summary of the compatibility page.
pub const COMPATIBILITY: Place = Place {
    begin: "<!-- compatibility:begin -->",
    end: "<!-- compatibility:end -->",
};

/// A README with the table of S3 operations as the code has it, or `None` when the text has no place for one. The rest of the
/// text stays as it is.
pub fn with_operations(readme: &str) -> Option<String> {
    OPERATIONS.fill(readme, &cairn_s3::operations::compatibility_markdown())
}

impl Place {
    /// A text with `table` at this place, or `None` when the text has no such place: both marks, each once and in order.
    pub fn fill(self, text: &str, table: &str) -> Option<String> {
        let Self { begin, end } = self;
        let (before, rest) = text.split_once(begin)?;
        let (old, after) = rest.split_once(end)?;
        if old.contains(begin) || after.contains(begin) || after.contains(end) {
            return None;
        }
        let table = table.trim();
        Some(format!("{before}{begin}\n{table}\n{end}{after}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_between_the_marks_and_writing_it_again_changes_nothing() {
        let Place { begin, end } = OPERATIONS;
        let readme = format!("# Cairn\n{begin}\nold\n{end}\nMore.\n");

        let written = OPERATIONS.fill(&readme, "| new |\n").unwrap();

        assert_eq!(
            written,
            format!("# Cairn\n{begin}\n| new |\n{end}\nMore.\n")
        );
        assert_eq!(OPERATIONS.fill(&written, "| new |\n").unwrap(), written);
    }

    #[test]
    fn a_text_without_one_clear_place_is_refused() {
        let Place { begin, end } = OPERATIONS;
        for readme in [
            String::new(),
            format!("{begin} only"),
            format!("{end} {begin}"),
            format!("{begin} {end} {begin}"),
            format!("{begin} {begin} {end}"),
            format!("{begin} {end} {end}"),
        ] {
            assert_eq!(OPERATIONS.fill(&readme, "table"), None, "{readme}");
        }
    }

    #[test]
    fn the_table_of_the_code_names_operations() {
        let Place { begin, end } = OPERATIONS;
        let written = with_operations(&format!("{begin}{end}")).unwrap();

        assert!(written.contains("PutObject"), "{written}");
    }
}
