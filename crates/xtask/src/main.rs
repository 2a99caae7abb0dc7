//! The `xtask` binary: `xtask tidy`, `xtask readme` and `xtask rocksdb`.
//!
//! Exit codes: 0 done; 1 findings, or a failure; 2 a wrong command line; 3 no RocksDB archive, but the stock build of
//! the crate may do (`STOCK_BUILD`).

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cairn_xtask::compatibility::{self, Compatibility};
use cairn_xtask::readme;
use cairn_xtask::rocksdb::{self, Toolchain};
use cairn_xtask::tidy::{self, Tree};

const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const STOCK_BUILD: u8 = 3;

const HELP: &str = "\
usage: cargo run --release -p cairn-xtask -- <command>

  tidy      check the architecture and the house rules that no other tool checks
  readme    write the table of S3 operations and the results of the S3 suite into README.md and its page
  rocksdb   build RocksDB's archive once into $CAIRN_CACHE (default $HOME/.cache/cairn); prints its path";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["tidy"] => workspace().and_then(|root| run_tidy(&root)),
        ["readme"] => workspace().and_then(|root| run_readme(&root)),
        ["rocksdb"] => workspace().and_then(|root| run_rocksdb(&root)),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(USAGE);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {}", chain(error.as_ref()));
        ExitCode::from(FAILURE)
    })
}

fn run_tidy(root: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let found = tidy::check(&Tree::read(root)?);
    for finding in &found {
        println!("{finding}");
    }
    eprintln!("tidy: {} findings", found.len());
    Ok(if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILURE)
    })
}

fn run_readme(root: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let path = root.join("README.md");
    let text = fs::read_to_string(&path)?;
    let mut current =
        readme::with_operations(&text).ok_or("README.md has no place for the operations")?;
    let read = |file: &str| fs::read_to_string(root.join(file));
    if root.join(compatibility::RESULTS).exists() {
        let (published, results) = (
            read(compatibility::PUBLISHED)?,
            read(compatibility::RESULTS)?,
        );
        let tables = Compatibility::read(&published, &results).ok_or("the results are no table")?;
        current = readme::COMPATIBILITY
            .fill(&current, &tables.summary())
            .ok_or("README.md has no place for the results")?;
        write_changed(&root.join(compatibility::PAGE), &tables.page())?;
    }
    write_changed(&path, &current)?;
    Ok(ExitCode::SUCCESS)
}

/// Leaves a file alone that has this text already.
fn write_changed(path: &Path, text: &str) -> std::io::Result<()> {
    match fs::read_to_string(path) {
        Ok(there) if there == text => Ok(()),
        _ => fs::write(path, text),
    }
}

fn run_rocksdb(root: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let progress = |line: &str| eprintln!("rocksdb: {line}");
    match rocksdb::archive(root, &cache()?, &Toolchain::default(), &progress) {
        Ok(archive) => {
            println!("{}", archive.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.leaves_the_stock_build() => {
            eprintln!(
                "rocksdb: {}; librocksdb-sys will build its own, which takes long",
                chain(&error)
            );
            Ok(ExitCode::from(STOCK_BUILD))
        }
        Err(error) => Err(error.into()),
    }
}

/// The folder of the workspace that contains the current directory.
fn workspace() -> Result<PathBuf, Box<dyn Error>> {
    let here = env::current_dir()?;
    let found = here
        .ancestors()
        .find(|folder| folder.join("crates/xtask/Cargo.toml").is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| "run this inside the repository".into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a developer's tool, configured like the Makefile that calls it"
)]
fn cache() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(cache) = env::var_os("CAIRN_CACHE").filter(|cache| !cache.is_empty()) {
        return Ok(cache.into());
    }
    let home = env::home_dir().ok_or("neither CAIRN_CACHE nor HOME is set")?;
    Ok(home.join(".cache/cairn"))
}

fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    std::iter::once(error.to_string())
        .chain(causes.map(ToString::to_string))
        .collect::<Vec<_>>()
        .join(": ")
}
