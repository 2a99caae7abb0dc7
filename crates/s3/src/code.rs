//! Every error code of S3: its name, its HTTP status and the message that AWS writes when nothing more can be said.
//!
//! Source: AWS, "Error responses" of the S3 API reference, and answers recorded from S3.

use http::StatusCode;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal)+) => {
        /// An error code of S3.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", stringify!($name), "`, ", stringify!($status), ": ", $message)] $name,)+
        }

        impl Code {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as it stands in an answer.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// The message when there is nothing more particular to say.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)+
                }
            }

            const fn status_number(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs"
    AccessDenied 403 "Access Denied"
    AccessForbidden 403 "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
    AccessPointAlreadyOwnedByYou 409 "An access point with an identical name already exists in your account."
    AccountProblem 403 "There is a problem with your AWS account that prevents the action from completing successfully."
    AllAccessDisabled 403 "All access to this Amazon S3 resource has been disabled."
    AmbiguousGrantByEmailAddress 400 "The email address you provided is associated with more than one account."
    AuthorizationHeaderMalformed 400 "The authorization header you provided is invalid."
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid."
    BadDigest 400 "The Content-MD5 you specified did not match what we received."
    BadRequest 400 "An error occurred when parsing the HTTP request."
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it."
    BucketNotEmpty 409 "The bucket you tried to delete is not empty"
    ClientTokenConflict 409 "Your Multi-Region Access Point idempotency token was already used for a different request."
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource."
    ConnectionClosedByRequester 400 "Returned to the original caller when an error is encountered while reading the WriteGetObjectResponse body."
    CredentialsNotSupported 400 "This request does not support credentials."
    CrossLocationLoggingProhibited 403 "Cross-location logging not allowed. Buckets in one geographic location cannot log information to a bucket in another location."
    DeviceNotActiveError 400 "The device that generated the token is not active."
    EndpointNotFound 400 "Direct requests to the correct endpoint."
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size"
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size"
    ExpiredToken 400 "The provided token has expired."
    IllegalLocationConstraintException 400 "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
    IllegalVersioningConfigurationException 400 "The versioning configuration specified in the request is invalid."
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header"
    IncorrectEndpoint 400 "The specified bucket exists in another Region. Direct requests to the correct endpoint."
    IncorrectNumberOfFilesInPostRequest 400 "POST requires exactly one file upload per request."
    InlineDataTooLarge 400 "Inline data exceeds the maximum allowed size."
    InternalError 500 "We encountered an internal error. Please try again."
    InvalidAccessKeyId 403 "The AWS Access Key Id you provided does not exist in our records."
    InvalidAccessPoint 400 "The specified access point name or account is not valid."
    InvalidAccessPointAliasError 400 "The specified access point alias name is not valid."
    InvalidAddressingHeader 400 "You must specify the Anonymous role."
    InvalidArgument 400 "Invalid Argument"
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    InvalidBucketName 400 "The specified bucket is not valid."
    InvalidBucketOwnerAWSAccountID 400 "The value of the expected bucket owner parameter must be an AWS account ID."
    InvalidBucketState 409 "The request is not valid for the current state of the bucket."
    InvalidChunkSizeError 403 "Only the last chunk is allowed to have a size less than 8192 bytes"
    InvalidDigest 400 "The Content-MD5 you specified was invalid."
    InvalidEncryptionAlgorithmError 400 "The encryption request you specified is not valid. The valid value is AES256."
    InvalidHostHeader 400 "The host headers provided in the request used the incorrect style addressing."
    InvalidHttpMethod 400 "The request is made using an unexpected HTTP method."
    InvalidLocationConstraint 400 "The specified location-constraint is not valid"
    InvalidObjectState 403 "The operation is not valid for the object's storage class"
    InvalidPart 400 "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    InvalidPartNumber 416 "The requested partnumber is not satisfiable"
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number."
    InvalidPayer 403 "All access to this object has been disabled."
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document."
    InvalidRange 416 "The requested range is not satisfiable"
    InvalidRedirectLocation 400 "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
    InvalidRegion 403 "You've attempted to create a Multi-Region Access Point in a Region that you haven't opted in to."
    InvalidRequest 400 "Invalid Request"
    InvalidRetentionPeriod 400 "The retention period is not valid."
    InvalidSOAPRequest 400 "The SOAP request body is invalid."
    InvalidSecurity 403 "The provided security credentials are not valid."
    InvalidSessionException 400 "Returned if the session doesn't exist anymore because it timed out or expired."
    InvalidSignature 400 "The server cannot process the request because the request signature is not valid."
    InvalidStorageClass 400 "The storage class you specified is not valid"
    InvalidTag 400 "The tag provided was not a valid tag."
    InvalidTargetBucketForLogging 400 "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group."
    InvalidToken 400 "The provided token is malformed or otherwise invalid."
    InvalidURI 400 "Couldn't parse the specified URI."
    KeyTooLongError 400 "Your key is too long"
    MalformedACLError 400 "The XML you provided was not well-formed or did not validate against our published schema"
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data."
    MalformedPolicy 400 "This policy contains invalid Json"
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema."
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema"
    MaxMessageLengthExceeded 400 "Your request was too large."
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large."
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size"
    MethodNotAllowed 405 "The specified method is not allowed against this resource."
    MissingAttachment 400 "A SOAP attachment was expected, but none were found."
    MissingAuthenticationToken 403 "The request was not signed."
    MissingContentLength 411 "You must provide the Content-Length HTTP header."
    MissingRequestBodyError 400 "Request Body is empty"
    MissingSecurityElement 400 "The SOAP 1.1 request is missing a security element."
    MissingSecurityHeader 400 "Your request was missing a required header."
    NoLoggingStatusForKey 400 "There is no such thing as a logging status sub-resource for a key."
    NoSuchAccessPoint 404 "The specified accesspoint does not exist"
    NoSuchAsyncRequest 404 "The specified request was not found."
    NoSuchBucket 404 "The specified bucket does not exist"
    NoSuchBucketPolicy 404 "The bucket policy does not exist"
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist"
    NoSuchConfiguration 404 "The specified configuration does not exist."
    NoSuchKey 404 "The specified key does not exist."
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist"
    NoSuchMultiRegionAccessPoint 404 "The specified Multi-Region Access Point does not exist."
    NoSuchObjectLockConfiguration 404 "The specified object does not have a ObjectLock configuration"
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found"
    NoSuchTagSet 404 "The TagSet does not exist"
    NoSuchTagSetError 404 "There is no tag set associated with the bucket."
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    NoSuchVersion 404 "The specified version does not exist."
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration"
    NotImplemented 501 "A header or query you provided requested a function that is not implemented."
    NotModified 304 "Not Modified"
    NotSignedUp 403 "Your account is not signed up for the S3 service. You must sign up before you can use S3."
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket"
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again."
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found"
    PermanentRedirect 301 "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint."
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold"
    QuotaExceeded 403 "The quota of the bucket or account is exceeded."
    Redirect 307 "Temporary redirect. You are being redirected to the bucket while the DNS server is being updated."
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found"
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed request header section size."
    RequestIsNotMultiPartContent 400 "A bucket POST request must be of the enclosure-type multipart/form-data."
    RequestTimeTooSkewed 403 "The difference between the request time and the current time is too large."
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period."
    RequestTorrentOfBucketError 400 "Requesting the torrent file of a bucket is not permitted."
    ResponseInterrupted 400 "Returned to the original caller when an error is encountered while reading the WriteGetObjectResponse body."
    RestoreAlreadyInProgress 409 "Object restore is already in progress"
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found"
    ServiceUnavailable 503 "Service is unable to handle request."
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    SlowDown 503 "Please reduce your request rate."
    TagPolicyException 400 "The tag policy does not allow the specified value for the following tag key."
    TemporaryRedirect 307 "Please re-send this request to the specified temporary endpoint. Continue to use the original request endpoint for future requests."
    TokenCodeInvalidError 400 "The serial number and/or token code you provided is not valid."
    TokenRefreshRequired 400 "The provided token must be refreshed."
    TooManyAccessPoints 400 "You have attempted to create more access points than are allowed for an account."
    TooManyBuckets 400 "You have attempted to create more buckets than allowed"
    TooManyMultiRegionAccessPointregionsError 400 "You have attempted to create a Multi-Region Access Point with more Regions than are allowed for an account."
    TooManyMultiRegionAccessPoints 400 "You have attempted to create more Multi-Region Access Points than are allowed for an account."
    UnauthorizedAccessError 403 "You do not have permission to perform this operation in this Region."
    UnexpectedContent 400 "This request does not support content"
    UnresolvableGrantByEmailAddress 400 "The email address you provided does not match any account on record."
    UnsupportedArgument 400 "The request contained an unsupported argument."
    UnsupportedSignature 400 "The provided request is signed with an unsupported STS Token version or the signature version is not supported."
    UserKeyMustBeSpecified 400 "The bucket POST must contain the specified field name. If it is specified, check the order of the fields."
    XAmzContentChecksumMismatch 400 "The provided checksum does not match the calculated checksum."
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed."
}

impl Code {
    /// Its HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).expect("every row has a status of three digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_has_a_status_and_a_name_of_its_own() {
        let names: HashSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let status = code.status();
            assert!(!status.is_success() && status.as_u16() >= 300, "{code:?}");
            assert!(!code.message().is_empty(), "{code:?}");
        }
    }
}
