//! Why a text is no policy.

/// Why a document was refused, in the words that AWS answers with: code `MalformedPolicy` for a bucket's policy,
/// `MalformedPolicyDocument` for an identity's.
///
/// Source: answers of S3 and IAM as their clients quote them. Where none is on record, the nearest of them is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than 20 KiB without the white space between its elements.
    #[error("Policy exceeds the maximum allowed document size.")]
    Size,
    /// It does not begin with a brace.
    #[error("Policies must be valid JSON and the first byte must be '{{'")]
    FirstByte,
    /// No JSON, a key twice in one object, or nested deeper than any policy.
    #[error("This policy contains invalid Json")]
    Json,
    /// JSON, but a text where an object belongs, or the like; two elements that exclude each other.
    #[error("Invalid policy syntax.")]
    Syntax,
    /// An element that the language does not know.
    #[error("Unknown field {0}")]
    UnknownField(String),
    /// A version that does not exist.
    #[error("The policy must contain a valid version string")]
    Version,
    /// An element that must be there is not.
    #[error("Missing required field {0}")]
    Missing(&'static str),
    /// An element that must have something in it has nothing.
    #[error("Missing required field {0} cannot be empty!")]
    Empty(&'static str),
    /// A list of statements without any.
    #[error("Could not parse the policy: Statement is empty!")]
    NoStatement,
    /// The same `Sid` twice in an identity's policy.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    SameSid,
    /// An effect other than `Allow` and `Deny`.
    #[error("Invalid effect: {0}")]
    Effect(String),
    /// A principal in an identity's policy: it is the identity.
    #[error("Policy document should not specify a principal.")]
    PrincipalInIdentityPolicy,
    /// `Allow` for everybody but some.
    #[error("Allow with NotPrincipal is not allowed.")]
    AllowNotPrincipal,
    /// A principal of no known form.
    #[error("Invalid principal in policy")]
    Principal,
    /// An action that S3 does not have, or of another service.
    #[error("Policy has invalid action")]
    Action,
    /// A resource that is no ARN of S3, or not the bucket that the policy is for.
    #[error("Policy has invalid resource")]
    Resource,
    /// An action on objects with none but buckets beside it, or the other way round.
    #[error("Action does not apply to any resource(s) in statement")]
    ActionWithoutResource,
    /// An operator that does not exist.
    #[error("Invalid Condition type : {0}")]
    ConditionType(String),
    /// A condition key that does not exist.
    #[error("Policy has an invalid condition key")]
    ConditionKey,
    /// A condition key that no request for these actions has.
    #[error("Conditions do not apply to combination of actions and resources in statement")]
    ConditionWithoutAction,
    /// An address or a range of addresses that is none.
    #[error("Invalid IP address in Conditions")]
    IpAddress,
    /// A number, date, truth or base64 text that is none.
    #[error("Invalid value in Conditions for operator {0}")]
    ConditionValue(&'static str),
}
