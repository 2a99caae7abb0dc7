//! What a failed write did.

/// What is known of the effect of a write that was answered with an error.
///
/// A timeout is `Unknown`. Only what was certainly never proposed, or was proposed and refused, is `Refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The write certainly did not happen and never will.
    Refused,
    /// The write may have happened, or may still happen, wholly and at most once.
    Unknown,
}
