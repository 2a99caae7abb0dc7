//! Who filled in a form: the fields that sign its policy.
//!
//! Source: AWS, "Authenticating requests in browser-based uploads using POST" (versions 4 and 2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cairn_iam::Credential;
use subtle::ConstantTimeEq;

use super::claim::{self, Claim, Place, parse_credential, parse_signature};
use super::version_two::hmac_sha1;
use super::{Authenticator, Caller, Proof, ProofPlace, SignatureVersion, Verified, holder};
use crate::body::PayloadForm;
use crate::code::Code;
use crate::date;
use crate::error::S3Error;
use crate::form::Fields;

impl Authenticator {
    /// Proves who signed the policy of a form. `look_up` gives what an access key stands for. What the policy demands is not
    /// looked at, nor when it ends: that is `PostPolicy::check`.
    ///
    /// A form without any of the fields that sign it is anonymous.
    ///
    /// # Errors
    /// As `verify`; `InvalidArgument` naming a field that is missing.
    pub fn verify_form(
        &self,
        fields: &Fields,
        look_up: impl Fn(&str) -> Option<Credential>,
    ) -> Result<Verified, S3Error> {
        let four = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"];
        let two = ["awsaccesskeyid", "signature"];
        let has = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
        let (caller, version) = if has(&four) {
            let caller = self.signer_by_version_four(fields, look_up)?;
            (caller, SignatureVersion::Four)
        } else if has(&two) {
            let caller = self.signer_by_version_two(fields, look_up)?;
            (caller, SignatureVersion::Two)
        } else if fields.get("policy").is_some() {
            return Err(missing("AWSAccessKeyId"));
        } else {
            return Ok(Verified::of_form(Caller::Anonymous, None));
        };
        Ok(Verified::of_form(caller, Some(version)))
    }

    fn signer_by_version_two(
        &self,
        fields: &Fields,
        look_up: impl Fn(&str) -> Option<Credential>,
    ) -> Result<Caller, S3Error> {
        if !self.terms.takes_version_two() {
            return Err(claim::version_two());
        }
        let access_key = required(fields, "AWSAccessKeyId")?;
        let policy = required(fields, "policy")?;
        let provided = required(fields, "signature")?;
        let (access_key, credential) = holder(access_key, look_up)?;
        let expected = hmac_sha1(&credential.secret, policy.as_bytes());
        let signature = STANDARD.decode(provided.trim()).unwrap_or_default();
        if !bool::from(expected.as_slice().ct_eq(&signature)) {
            return Err(mismatch(access_key.as_str(), policy, provided));
        }
        Ok(Caller::Signed(access_key, credential.identity))
    }

    fn signer_by_version_four(
        &self,
        fields: &Fields,
        look_up: impl Fn(&str) -> Option<Credential>,
    ) -> Result<Caller, S3Error> {
        if required(fields, "X-Amz-Algorithm")? != claim::ALGORITHM {
            return Err(claim::malformed_query(
                "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
            ));
        }
        let policy = required(fields, "policy")?;
        let provided = required(fields, "X-Amz-Signature")?;
        let (access_key, scope) =
            parse_credential(required(fields, "X-Amz-Credential")?).map_err(|message| {
                claim::malformed_query(&format!(
                    "Error parsing the X-Amz-Credential parameter; {message}"
                ))
            })?;
        let time = date::parse_amz_date(required(fields, "X-Amz-Date")?).ok_or_else(|| {
            claim::malformed_query(
                "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
            )
        })?;
        let claim = Claim {
            access_key,
            scope,
            time,
            signed_headers: Vec::new(),
            signature: parse_signature(provided).unwrap_or_default(),
            payload: String::new(),
            place: Place::Query { expires_secs: 0 },
        };
        self.check_scope(&claim)?;
        let (access_key, credential) = holder(&claim.access_key, look_up)?;
        let key = self
            .keys
            .get(&claim.access_key, &credential.secret, &claim.scope);
        if !bool::from(key.sign(policy.as_bytes()).ct_eq(&claim.signature)) {
            return Err(mismatch(&claim.access_key, policy, provided));
        }
        self.keys
            .remember(&claim.access_key, &credential.secret, &claim.scope, &key);
        Ok(Caller::Signed(access_key, credential.identity))
    }
}

impl Verified {
    /// The sender of a form, whose file nothing signs.
    fn of_form(caller: Caller, version: Option<SignatureVersion>) -> Self {
        Self {
            caller,
            proof: version.map(|version| Proof {
                version,
                place: ProofPlace::Form,
            }),
            payload: PayloadForm::Unsigned,
            chunks: None,
        }
    }
}

fn required<'a>(fields: &'a Fields, name: &'static str) -> Result<&'a str, S3Error> {
    let value = fields.get(&name.to_ascii_lowercase());
    value.ok_or_else(|| missing(name))
}

fn missing(name: &'static str) -> S3Error {
    S3Error::invalid_argument(
        name,
        "",
        format!(
            "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
        ),
    )
}

fn mismatch(access_key: &str, policy: &str, provided: &str) -> S3Error {
    let shortened: String = provided.chars().take(256).collect();
    S3Error::new(Code::SignatureDoesNotMatch)
        .detail("AWSAccessKeyId", access_key)
        .detail("StringToSign", policy)
        .detail("SignatureProvided", shortened)
}

#[cfg(test)]
mod tests;
