//! Why something asked of the catalog did not happen.

use cairn_types::namespace::Refusal;

use crate::store::StoreError;

/// Why a mutation or query did not happen.
#[derive(Debug)]
pub(crate) enum Failure {
    /// By the rules: this is the answer.
    Refused(Refusal),
    /// By accident: there is none.
    Store(StoreError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
