//! The files of a repository, read once and handed to every check.

use std::fs;
use std::io;

use super::source::Source;

/// Directories that hold no source, at any depth.
const SKIPPED_DIRECTORIES: &[&str] = &["target", "node_modules", "__pycache__"];
/// The dot-directories that are part of the project; others belong to tools, or are data of `make run`.
const DOT_DIRECTORIES: &[&str] = &[".ci", ".cargo", ".config"];

/// Every file under a root, in the order of their paths.
#[derive(Debug)]
pub struct Tree {
    files: Vec<File>,
}

/// One file, by its path from the root.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/` between components.
    pub(super) path: String,
    /// Empty when the file is not UTF-8.
    pub(super) text: String,
    /// `Some` for `*.rs`.
    pub(super) source: Option<Source>,
}

impl Tree {
    /// Reads everything under `root` but version control, build output and the data of running servers.
    ///
    /// Cost: reads every file whole; blocking.
    ///
    /// # Errors
    /// What the file system says about the first directory or file that cannot be read.
    pub fn read(root: &std::path::Path) -> io::Result<Self> {
        let mut files = Vec::new();
        read_directory(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A tree made of paths and texts.
    #[cfg(test)]
    pub(super) fn made_of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| File::new((*path).to_owned(), (*text).to_owned()))
                .collect(),
        }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files with their parsed forms.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files
            .iter()
            .filter_map(|file| file.source.as_ref().map(|source| (file, source)))
    }

    /// The folder names under `crates/`, each once.
    pub(super) fn crate_folders(&self) -> Vec<&str> {
        let mut folders: Vec<&str> = self.files.iter().filter_map(File::crate_folder).collect();
        folders.dedup();
        folders
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let is_rust = path
            .rsplit('/')
            .next()
            .and_then(|name| name.rsplit_once('.'))
            .is_some_and(|(_, end)| end == "rs");
        let source = is_rust.then(|| Source::parse(&text));
        Self { path, text, source }
    }

    /// `storage` for `crates/storage/src/disk.rs`; `None` for a file that lies in no crate folder.
    pub(super) fn crate_folder(&self) -> Option<&str> {
        self.path
            .strip_prefix("crates/")?
            .split_once('/')
            .map(|(folder, _)| folder)
    }

    /// Whether the whole file is test code: under `tests`, `benches` or `examples` of a crate, or the out-of-line body
    /// of a `mod tests`.
    pub(super) fn is_test(&self) -> bool {
        let mut components = self.path.split('/').skip(1);
        components
            .any(|component| matches!(component, "tests" | "benches" | "examples" | "tests.rs"))
    }
}

fn read_directory(
    directory: &std::path::Path,
    prefix: &str,
    files: &mut Vec<File>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        if entry.file_type()?.is_dir() {
            let is_foreign = name.starts_with('.') && !DOT_DIRECTORIES.contains(&name.as_str());
            if !is_foreign && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
                read_directory(&entry.path(), &path, files)?;
            }
        } else if entry.file_type()?.is_file() {
            files.push(File::new(
                path,
                String::from_utf8(fs::read(entry.path())?).unwrap_or_default(),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_skips_build_output_and_server_data_but_not_the_ci_scripts() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "crates/a/src/lib.rs",
            "target/x.rs",
            ".git/config",
            ".cairn/data",
            ".ci/run",
            ".gitignore",
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }

        let tree = Tree::read(root.path()).unwrap();

        let paths: Vec<&str> = tree.files().iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".ci/run", ".gitignore", "crates/a/src/lib.rs"]);
        assert_eq!(tree.rust().count(), 1);
        assert_eq!(tree.crate_folders(), ["a"]);
    }

    #[test]
    fn a_file_that_is_not_text_is_listed_with_an_empty_text() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("golden.bin"), [0xff, 0xfe]).unwrap();

        let tree = Tree::read(root.path()).unwrap();

        assert_eq!(tree.file("golden.bin").unwrap().text, "");
    }

    #[test]
    fn test_code_is_known_by_its_path() {
        let is_test = |path: &str| Tree::made_of(&[(path, "")]).file(path).unwrap().is_test();

        assert!(is_test("crates/a/tests/all.rs"));
        assert!(is_test("crates/a/benches/encode.rs"));
        assert!(is_test("crates/a/src/disk/tests.rs"));
        assert!(is_test("tests/dev/tests/all.rs"));
        assert!(!is_test("tests/dev/src/lib.rs"));
        assert!(!is_test("crates/a/src/lib.rs"));
    }
}
