//! Forms that upload objects: `multipart/form-data` as browsers send it, and the policies that sign it.
//!
//! Source: AWS, "POST Object" and "Creating a POST policy" of the S3 API reference; RFC 7578; RFC 2046, 5.1.

mod decoder;
mod error;
mod fields;
mod file;
mod policy;
mod tagging;
mod upload;

pub use decoder::{FormDecoder, FormEvent, boundary};
pub use error::FormError;
pub use fields::Fields;
pub use file::{FormFile, read_form};
pub use policy::{LengthRange, PostPolicy};
pub use upload::{PostAnswer, PostUpload};
