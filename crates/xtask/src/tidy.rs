//! `xtask tidy`: holds the rules of the architecture and of the house style that no other tool holds.
//!
//! Each check is a table or a rule whose message says why it is there, and each has tests on made-up trees that show it
//! fail. The checks read text, not types: they are cheap, they need no build, and a determined author can get around
//! them, but nobody does so by accident.

mod absences;
mod layers;
mod readme;
mod shape;
mod source;
mod top_level;
mod traces;
mod tree;

use std::fmt;

pub use tree::Tree;

/// One departure from a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn at_line(path: &str, line: usize, message: String) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message,
        }
    }

    /// About a file or folder as a whole.
    fn at(path: &str, message: String) -> Self {
        Self::at_line(path, 0, message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.message),
            line => write!(formatter, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Runs every check over a tree and returns what they found, sorted by file and line; empty when all is well.
///
/// Cost: a few passes over every file; CPU-bound, no I/O.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let checks = [
        layers::check,
        absences::check,
        shape::check,
        top_level::check,
        traces::check,
        readme::check,
    ];
    let mut found: Vec<Finding> = checks.iter().flat_map(|check| check(tree)).collect();
    found.sort();
    found.dedup();
    found
}
