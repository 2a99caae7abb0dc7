//! Every operation of S3: one row each. What is not built is a row too, and answers 501.
//!
//! The rows feed routing, authorization, body limits, metric labels and the compatibility table. Two operations of the
//! API reference that are older spellings of others (`PutBucketLifecycle`, `PutBucketNotification`) have no rows of
//! their own: they are the same requests.
//! Source: AWS, "Amazon S3 API Reference", and the requests that its SDK makes.

use std::fmt::Write;

use cairn_iam::Action;
use http::{HeaderMap, Method};

use crate::query::Query;

/// What the path of a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Nothing: the service itself.
    Service,
    /// A bucket.
    Bucket,
    /// An object in a bucket.
    Object,
}

/// What tells an operation from others with the same method and form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// A query parameter, whatever its value.
    Parameter(&'static str),
    /// A query parameter with this value.
    Value(&'static str, &'static str),
    /// A header, whatever its value.
    Header(&'static str),
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// Nothing that anybody reads.
    None,
    /// An XML document of at most this many bytes.
    Document(usize),
    /// The bytes of an object or part: streamed, with limits of its own.
    Object,
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The operation.
    pub operation: Operation,
    /// Its name in the API reference.
    pub name: &'static str,
    /// Its method.
    pub method: Method,
    /// What its path names.
    pub form: Form,
    /// What else tells it from others.
    pub marks: &'static [Mark],
    /// What its caller must be allowed to do.
    pub action: Action,
    /// What its body is.
    pub body: BodyKind,
    /// Whether it is built.
    pub is_built: bool,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

macro_rules! operations {
    ($($name:ident: $method:ident $form:ident [$($mark:ident($($text:literal),+)),*] $action:literal
        $body:ident$(($limit:expr))? $built:ident;)+) => {
        /// An operation of S3.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name,)+
        }

        static ROWS: &[Row] = &[$(Row {
            operation: Operation::$name,
            name: stringify!($name),
            method: Method::$method,
            form: Form::$form,
            marks: &[$(Mark::$mark($($text),+)),*],
            action: Action::new($action),
            body: BodyKind::$body$(($limit))?,
            is_built: operations!(@ $built),
        }),+];
    };
    (@ yes) => { true };
    (@ no) => { false };
}

operations! {
    ListBuckets: GET Service [] "s3:ListAllMyBuckets" None yes;
    ListDirectoryBuckets: GET Service [Value("x-id", "ListDirectoryBuckets")] "s3express:ListAllMyDirectoryBuckets" None no;
    WriteGetObjectResponse: POST Service [Value("x-id", "WriteGetObjectResponse")] "s3-object-lambda:WriteGetObjectResponse" Object no;
    CreateBucket: PUT Bucket [] "s3:CreateBucket" Document(64 * KIB) yes;
    DeleteBucket: DELETE Bucket [] "s3:DeleteBucket" None yes;
    HeadBucket: HEAD Bucket [] "s3:ListBucket" None yes;
    GetBucketLocation: GET Bucket [Parameter("location")] "s3:GetBucketLocation" None yes;
    ListObjects: GET Bucket [] "s3:ListBucket" None yes;
    ListObjectsV2: GET Bucket [Value("list-type", "2")] "s3:ListBucket" None yes;
    ListObjectVersions: GET Bucket [Parameter("versions")] "s3:ListBucketVersions" None yes;
    ListMultipartUploads: GET Bucket [Parameter("uploads")] "s3:ListBucketMultipartUploads" None yes;
    DeleteObjects: POST Bucket [Parameter("delete")] "s3:DeleteObject" Document(2 * MIB) yes;
    PostObject: POST Bucket [] "s3:PutObject" Object yes;
    OptionsBucket: OPTIONS Bucket [] "s3:GetBucketCORS" None yes;
    CreateSession: GET Bucket [Parameter("session")] "s3express:CreateSession" None no;
    GetBucketAbac: GET Bucket [Parameter("abac")] "s3:GetBucketAbac" None no;
    PutBucketAbac: PUT Bucket [Parameter("abac")] "s3:PutBucketAbac" Document(MIB) no;
    GetBucketAccelerateConfiguration: GET Bucket [Parameter("accelerate")] "s3:GetAccelerateConfiguration" None yes;
    PutBucketAccelerateConfiguration: PUT Bucket [Parameter("accelerate")] "s3:PutAccelerateConfiguration" Document(MIB) yes;
    GetBucketAcl: GET Bucket [Parameter("acl")] "s3:GetBucketAcl" None yes;
    PutBucketAcl: PUT Bucket [Parameter("acl")] "s3:PutBucketAcl" Document(MIB) yes;
    GetBucketCors: GET Bucket [Parameter("cors")] "s3:GetBucketCORS" None yes;
    PutBucketCors: PUT Bucket [Parameter("cors")] "s3:PutBucketCORS" Document(MIB) yes;
    DeleteBucketCors: DELETE Bucket [Parameter("cors")] "s3:PutBucketCORS" None yes;
    GetBucketEncryption: GET Bucket [Parameter("encryption")] "s3:GetEncryptionConfiguration" None no;
    PutBucketEncryption: PUT Bucket [Parameter("encryption")] "s3:PutEncryptionConfiguration" Document(MIB) no;
    DeleteBucketEncryption: DELETE Bucket [Parameter("encryption")] "s3:PutEncryptionConfiguration" None no;
    GetBucketLifecycleConfiguration: GET Bucket [Parameter("lifecycle")] "s3:GetLifecycleConfiguration" None no;
    PutBucketLifecycleConfiguration: PUT Bucket [Parameter("lifecycle")] "s3:PutLifecycleConfiguration" Document(MIB) no;
    DeleteBucketLifecycle: DELETE Bucket [Parameter("lifecycle")] "s3:PutLifecycleConfiguration" None no;
    GetBucketLogging: GET Bucket [Parameter("logging")] "s3:GetBucketLogging" None yes;
    PutBucketLogging: PUT Bucket [Parameter("logging")] "s3:PutBucketLogging" Document(MIB) yes;
    GetBucketNotificationConfiguration: GET Bucket [Parameter("notification")] "s3:GetBucketNotification" None no;
    PutBucketNotificationConfiguration: PUT Bucket [Parameter("notification")] "s3:PutBucketNotification" Document(MIB) no;
    GetBucketOwnershipControls: GET Bucket [Parameter("ownershipControls")] "s3:GetBucketOwnershipControls" None yes;
    PutBucketOwnershipControls: PUT Bucket [Parameter("ownershipControls")] "s3:PutBucketOwnershipControls" Document(MIB) yes;
    DeleteBucketOwnershipControls: DELETE Bucket [Parameter("ownershipControls")] "s3:PutBucketOwnershipControls" None yes;
    GetBucketPolicy: GET Bucket [Parameter("policy")] "s3:GetBucketPolicy" None yes;
    PutBucketPolicy: PUT Bucket [Parameter("policy")] "s3:PutBucketPolicy" Document(MIB) yes;
    DeleteBucketPolicy: DELETE Bucket [Parameter("policy")] "s3:DeleteBucketPolicy" None yes;
    GetBucketPolicyStatus: GET Bucket [Parameter("policyStatus")] "s3:GetBucketPolicyStatus" None yes;
    GetBucketReplication: GET Bucket [Parameter("replication")] "s3:GetReplicationConfiguration" None no;
    PutBucketReplication: PUT Bucket [Parameter("replication")] "s3:PutReplicationConfiguration" Document(MIB) no;
    DeleteBucketReplication: DELETE Bucket [Parameter("replication")] "s3:PutReplicationConfiguration" None no;
    GetBucketRequestPayment: GET Bucket [Parameter("requestPayment")] "s3:GetBucketRequestPayment" None yes;
    PutBucketRequestPayment: PUT Bucket [Parameter("requestPayment")] "s3:PutBucketRequestPayment" Document(MIB) yes;
    GetBucketTagging: GET Bucket [Parameter("tagging")] "s3:GetBucketTagging" None yes;
    PutBucketTagging: PUT Bucket [Parameter("tagging")] "s3:PutBucketTagging" Document(MIB) yes;
    DeleteBucketTagging: DELETE Bucket [Parameter("tagging")] "s3:PutBucketTagging" None yes;
    GetBucketVersioning: GET Bucket [Parameter("versioning")] "s3:GetBucketVersioning" None yes;
    PutBucketVersioning: PUT Bucket [Parameter("versioning")] "s3:PutBucketVersioning" Document(MIB) yes;
    GetBucketWebsite: GET Bucket [Parameter("website")] "s3:GetBucketWebsite" None no;
    PutBucketWebsite: PUT Bucket [Parameter("website")] "s3:PutBucketWebsite" Document(MIB) no;
    DeleteBucketWebsite: DELETE Bucket [Parameter("website")] "s3:DeleteBucketWebsite" None no;
    GetObjectLockConfiguration: GET Bucket [Parameter("object-lock")] "s3:GetBucketObjectLockConfiguration" None yes;
    PutObjectLockConfiguration: PUT Bucket [Parameter("object-lock")] "s3:PutBucketObjectLockConfiguration" Document(MIB) yes;
    GetPublicAccessBlock: GET Bucket [Parameter("publicAccessBlock")] "s3:GetBucketPublicAccessBlock" None yes;
    PutPublicAccessBlock: PUT Bucket [Parameter("publicAccessBlock")] "s3:PutBucketPublicAccessBlock" Document(MIB) yes;
    DeletePublicAccessBlock: DELETE Bucket [Parameter("publicAccessBlock")] "s3:PutBucketPublicAccessBlock" None yes;
    ListBucketAnalyticsConfigurations: GET Bucket [Parameter("analytics")] "s3:GetAnalyticsConfiguration" None no;
    GetBucketAnalyticsConfiguration: GET Bucket [Parameter("analytics"), Parameter("id")] "s3:GetAnalyticsConfiguration" None no;
    PutBucketAnalyticsConfiguration: PUT Bucket [Parameter("analytics"), Parameter("id")] "s3:PutAnalyticsConfiguration" Document(MIB) no;
    DeleteBucketAnalyticsConfiguration: DELETE Bucket [Parameter("analytics"), Parameter("id")] "s3:PutAnalyticsConfiguration" None no;
    ListBucketIntelligentTieringConfigurations: GET Bucket [Parameter("intelligent-tiering")] "s3:GetIntelligentTieringConfiguration" None no;
    GetBucketIntelligentTieringConfiguration: GET Bucket [Parameter("intelligent-tiering"), Parameter("id")] "s3:GetIntelligentTieringConfiguration" None no;
    PutBucketIntelligentTieringConfiguration: PUT Bucket [Parameter("intelligent-tiering"), Parameter("id")] "s3:PutIntelligentTieringConfiguration" Document(MIB) no;
    DeleteBucketIntelligentTieringConfiguration: DELETE Bucket [Parameter("intelligent-tiering"), Parameter("id")] "s3:PutIntelligentTieringConfiguration" None no;
    ListBucketInventoryConfigurations: GET Bucket [Parameter("inventory")] "s3:GetInventoryConfiguration" None no;
    GetBucketInventoryConfiguration: GET Bucket [Parameter("inventory"), Parameter("id")] "s3:GetInventoryConfiguration" None no;
    PutBucketInventoryConfiguration: PUT Bucket [Parameter("inventory"), Parameter("id")] "s3:PutInventoryConfiguration" Document(MIB) no;
    DeleteBucketInventoryConfiguration: DELETE Bucket [Parameter("inventory"), Parameter("id")] "s3:PutInventoryConfiguration" None no;
    ListBucketMetricsConfigurations: GET Bucket [Parameter("metrics")] "s3:GetMetricsConfiguration" None no;
    GetBucketMetricsConfiguration: GET Bucket [Parameter("metrics"), Parameter("id")] "s3:GetMetricsConfiguration" None no;
    PutBucketMetricsConfiguration: PUT Bucket [Parameter("metrics"), Parameter("id")] "s3:PutMetricsConfiguration" Document(MIB) no;
    DeleteBucketMetricsConfiguration: DELETE Bucket [Parameter("metrics"), Parameter("id")] "s3:PutMetricsConfiguration" None no;
    CreateBucketMetadataConfiguration: POST Bucket [Parameter("metadataConfiguration")] "s3:CreateBucketMetadataTableConfiguration" Document(MIB) no;
    GetBucketMetadataConfiguration: GET Bucket [Parameter("metadataConfiguration")] "s3:GetBucketMetadataTableConfiguration" None no;
    DeleteBucketMetadataConfiguration: DELETE Bucket [Parameter("metadataConfiguration")] "s3:DeleteBucketMetadataTableConfiguration" None no;
    CreateBucketMetadataTableConfiguration: POST Bucket [Parameter("metadataTable")] "s3:CreateBucketMetadataTableConfiguration" Document(MIB) no;
    GetBucketMetadataTableConfiguration: GET Bucket [Parameter("metadataTable")] "s3:GetBucketMetadataTableConfiguration" None no;
    DeleteBucketMetadataTableConfiguration: DELETE Bucket [Parameter("metadataTable")] "s3:DeleteBucketMetadataTableConfiguration" None no;
    UpdateBucketMetadataAnnotationTableConfiguration: PUT Bucket [Parameter("metadataAnnotationTable")] "s3:UpdateBucketMetadataAnnotationTableConfiguration" Document(MIB) no;
    UpdateBucketMetadataInventoryTableConfiguration: PUT Bucket [Parameter("metadataInventoryTable")] "s3:UpdateBucketMetadataInventoryTableConfiguration" Document(MIB) no;
    UpdateBucketMetadataJournalTableConfiguration: PUT Bucket [Parameter("metadataJournalTable")] "s3:UpdateBucketMetadataJournalTableConfiguration" Document(MIB) no;
    PutObject: PUT Object [] "s3:PutObject" Object yes;
    CopyObject: PUT Object [Header("x-amz-copy-source")] "s3:PutObject" None yes;
    GetObject: GET Object [] "s3:GetObject" None yes;
    HeadObject: HEAD Object [] "s3:GetObject" None yes;
    DeleteObject: DELETE Object [] "s3:DeleteObject" None yes;
    CreateMultipartUpload: POST Object [Parameter("uploads")] "s3:PutObject" None yes;
    UploadPart: PUT Object [Parameter("partNumber"), Parameter("uploadId")] "s3:PutObject" Object yes;
    UploadPartCopy: PUT Object [Parameter("partNumber"), Parameter("uploadId"), Header("x-amz-copy-source")] "s3:PutObject" None yes;
    CompleteMultipartUpload: POST Object [Parameter("uploadId")] "s3:PutObject" Document(4 * MIB) yes;
    AbortMultipartUpload: DELETE Object [Parameter("uploadId")] "s3:AbortMultipartUpload" None yes;
    ListParts: GET Object [Parameter("uploadId")] "s3:ListMultipartUploadParts" None yes;
    OptionsObject: OPTIONS Object [] "s3:GetBucketCORS" None yes;
    GetObjectAcl: GET Object [Parameter("acl")] "s3:GetObjectAcl" None yes;
    PutObjectAcl: PUT Object [Parameter("acl")] "s3:PutObjectAcl" Document(MIB) yes;
    ListObjectAnnotations: GET Object [Parameter("annotation")] "s3:ListObjectAnnotations" None no;
    GetObjectAnnotation: GET Object [Parameter("annotation"), Parameter("annotationName")] "s3:GetObjectAnnotation" None no;
    PutObjectAnnotation: PUT Object [Parameter("annotation"), Parameter("annotationName")] "s3:PutObjectAnnotation" Document(MIB) no;
    DeleteObjectAnnotation: DELETE Object [Parameter("annotation"), Parameter("annotationName")] "s3:DeleteObjectAnnotation" None no;
    GetObjectAttributes: GET Object [Parameter("attributes")] "s3:GetObjectAttributes" None yes;
    UpdateObjectEncryption: PUT Object [Parameter("encryption")] "s3:UpdateObjectEncryption" Document(MIB) no;
    GetObjectLegalHold: GET Object [Parameter("legal-hold")] "s3:GetObjectLegalHold" None yes;
    PutObjectLegalHold: PUT Object [Parameter("legal-hold")] "s3:PutObjectLegalHold" Document(MIB) yes;
    RenameObject: PUT Object [Parameter("renameObject")] "s3express:RenameObject" None no;
    RestoreObject: POST Object [Parameter("restore")] "s3:RestoreObject" Document(MIB) no;
    GetObjectRetention: GET Object [Parameter("retention")] "s3:GetObjectRetention" None yes;
    PutObjectRetention: PUT Object [Parameter("retention")] "s3:PutObjectRetention" Document(MIB) yes;
    SelectObjectContent: POST Object [Parameter("select"), Value("select-type", "2")] "s3:GetObject" Document(MIB) no;
    GetObjectTagging: GET Object [Parameter("tagging")] "s3:GetObjectTagging" None yes;
    PutObjectTagging: PUT Object [Parameter("tagging")] "s3:PutObjectTagging" Document(MIB) yes;
    DeleteObjectTagging: DELETE Object [Parameter("tagging")] "s3:DeleteObjectTagging" None yes;
    GetObjectTorrent: GET Object [Parameter("torrent")] "s3:GetObjectTorrent" None no;
}

impl Operation {
    /// All rows, in the order of the table.
    pub fn rows() -> &'static [Row] {
        ROWS
    }

    /// Its row. Cost: one index.
    pub fn row(self) -> &'static Row {
        ROWS.get(self as usize)
            .expect("the enumeration and the table are made of the same rows")
    }

    /// Its name in the API reference: also its label in metrics and its name in audit records.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The operation that a request asks for: of the rows whose method, form and marks it has, the one with most marks
    /// in the query, and among these with most marks in the headers. `None`: the method does not exist for this form.
    ///
    /// Cost: one pass over the table.
    pub(crate) fn find(
        method: &Method,
        form: Form,
        query: &Query,
        headers: &HeaderMap,
    ) -> Option<Self> {
        ROWS.iter()
            .filter(|row| row.method == *method && row.form == form)
            .filter(|row| row.marks.iter().all(|mark| mark.is_in(query, headers)))
            .max_by_key(|row| row.rank())
            .map(|row| row.operation)
    }
}

impl Row {
    /// Whether the operation asks for this query parameter.
    pub(crate) fn has_parameter(&self, name: &str) -> bool {
        self.marks.iter().any(|mark| mark.parameter() == Some(name))
    }

    fn rank(&self) -> (usize, usize) {
        let in_query = self.marks.iter().filter(|mark| mark.parameter().is_some());
        let in_query = in_query.count();
        (in_query, self.marks.len() - in_query)
    }
}

impl Mark {
    /// The query parameter it looks at.
    pub(crate) const fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Parameter(name) | Self::Value(name, _) => Some(name),
            Self::Header(_) => None,
        }
    }

    fn is_in(self, query: &Query, headers: &HeaderMap) -> bool {
        match self {
            Self::Parameter(name) => query.contains(name),
            Self::Value(name, value) => query.get(name) == Some(value),
            // A presigned request may carry its headers in the query.
            Self::Header(name) => headers.contains_key(name) || query.contains(name),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Parameter(name) => format!("?{name}"),
            Self::Value(name, value) => format!("?{name}={value}"),
            Self::Header(name) => format!("{name}:"),
        }
    }
}

/// The compatibility table of the README: a Markdown table with a row per operation, built ones first, by name.
pub fn compatibility_markdown() -> String {
    let mut rows: Vec<&Row> = ROWS.iter().collect();
    rows.sort_by_key(|row| (!row.is_built, row.name));
    let built = rows.iter().filter(|row| row.is_built).count();
    let mut text = format!(
        "{built} of {} operations are built; the others answer 501 `NotImplemented`.\n\n\
         | operation | request | built |\n|---|---|---|\n",
        rows.len()
    );
    for row in rows {
        let path = match row.form {
            Form::Service => "/",
            Form::Bucket => "/bucket",
            Form::Object => "/bucket/key",
        };
        let marks: Vec<String> = row.marks.iter().map(|mark| mark.text()).collect();
        let separator = if marks.is_empty() { "" } else { " " };
        let built = if row.is_built { "yes" } else { "no" };
        writeln!(
            text,
            "| {} | `{} {path}{separator}{}` | {built} |",
            row.name,
            row.method,
            marks.join(" ")
        )
        .expect("writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// A request with exactly a row's marks.
    fn request_of(row: &Row) -> (Query, HeaderMap) {
        let mut headers = HeaderMap::new();
        let mut query = Vec::new();
        for mark in row.marks {
            match *mark {
                Mark::Parameter(name) => query.push(name.to_owned()),
                Mark::Value(name, value) => query.push(format!("{name}={value}")),
                Mark::Header(name) => {
                    headers.insert(name, "x".parse().unwrap());
                }
            }
        }
        (Query::parse(Some(&query.join("&"))).unwrap(), headers)
    }

    #[test]
    fn every_row_is_found_by_its_own_marks_and_by_nothing_else() {
        let mut seen = HashSet::new();
        for row in Operation::rows() {
            let (query, headers) = request_of(row);
            let found = Operation::find(&row.method, row.form, &query, &headers);
            assert_eq!(found, Some(row.operation));
            assert!(
                seen.insert((row.method.clone(), row.form, row.marks)),
                "{row:?}"
            );
            assert_eq!(row.operation.row().operation, row.operation);
        }
    }

    #[test]
    fn no_request_is_for_two_operations_at_once() {
        for row in Operation::rows() {
            let (query, headers) = request_of(row);
            let best = row.rank();
            let rivals = Operation::rows().iter().filter(|other| {
                other.operation != row.operation
                    && other.method == row.method
                    && other.form == row.form
                    && other.marks.iter().all(|mark| mark.is_in(&query, &headers))
                    && other.rank() >= best
            });
            assert_eq!(rivals.count(), 0, "{row:?}");
        }
    }

    #[test]
    fn every_method_and_form_without_marks_has_at_most_one_operation() {
        let empty = (Query::default(), HeaderMap::new());
        for (method, form, expected) in [
            (Method::GET, Form::Service, Some(Operation::ListBuckets)),
            (Method::GET, Form::Bucket, Some(Operation::ListObjects)),
            (Method::GET, Form::Object, Some(Operation::GetObject)),
            (Method::HEAD, Form::Service, None),
            (Method::HEAD, Form::Bucket, Some(Operation::HeadBucket)),
            (Method::HEAD, Form::Object, Some(Operation::HeadObject)),
            (Method::PUT, Form::Service, None),
            (Method::PUT, Form::Bucket, Some(Operation::CreateBucket)),
            (Method::PUT, Form::Object, Some(Operation::PutObject)),
            (Method::POST, Form::Service, None),
            (Method::POST, Form::Bucket, Some(Operation::PostObject)),
            (Method::POST, Form::Object, None),
            (Method::DELETE, Form::Service, None),
            (Method::DELETE, Form::Bucket, Some(Operation::DeleteBucket)),
            (Method::DELETE, Form::Object, Some(Operation::DeleteObject)),
            (Method::PATCH, Form::Object, None),
        ] {
            let found = Operation::find(&method, form, &empty.0, &empty.1);
            assert_eq!(found, expected, "{method} {form:?}");
        }
    }

    #[test]
    fn the_table_for_people_names_every_operation() {
        let table = compatibility_markdown();
        for row in Operation::rows() {
            assert!(table.contains(&format!("| {} |", row.name)), "{row:?}");
        }
        let built = Operation::rows().iter().filter(|row| row.is_built).count();
        let all = Operation::rows().len();
        let counted = format!("{built} of {all} operations are built");
        assert!(table.starts_with(&counted), "{table}");
        assert!(table.contains("| ListObjectsV2 | `GET /bucket ?list-type=2` | yes |"));
    }
}
