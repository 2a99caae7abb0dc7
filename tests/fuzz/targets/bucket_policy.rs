//! Policies of buckets and of identities: documents are understood or refused, and every question has an answer.

#![no_main]

use cairn_fuzz::NOW;
use cairn_iam::context::{Context, Value};
use cairn_iam::policy::{Attachment, Evaluation, Policy, PolicyRequest};
use cairn_iam::requester::{Principal, Requester, Standing};
use cairn_iam::{Action, CanonicalId, Resource};
use cairn_types::name::{BucketName, ObjectKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((flags, document)) = input.split_first() else {
        return;
    };
    let name = BucketName::parse("bucket").expect("a name of a bucket");
    let attachment = match flags % 4 {
        0 | 1 => Attachment::Bucket {
            name: &name,
            is_lax: flags % 4 == 1,
        },
        _ => Attachment::Identity,
    };
    let Ok(policy) = Policy::parse(document, attachment) else {
        return;
    };
    let public = policy.is_public();
    let names = policy.principals().count();
    let again = Policy::parse(document, attachment).expect("it was understood before");
    assert_eq!(policy, again);
    assert_eq!(
        (public, names),
        (again.is_public(), again.principals().count())
    );
    let text = String::from_utf8_lossy(document);
    let has_conditions = text.contains("Condition") || text.contains('\\');
    let is_of_identity = matches!(attachment, Attachment::Identity);
    ask(&policy, &name, public || has_conditions || is_of_identity);
});

fn ask(policy: &Policy, bucket: &BucketName, may_be_public: bool) {
    let id = CanonicalId::parse(&"a".repeat(64)).expect("64 hexadecimal digits");
    let arns = ["arn:aws:iam::111122223333:user/ann".to_owned()];
    let somebody = Requester::Principal(Principal {
        owner: &id,
        account: "111122223333",
        arns: &arns,
        standing: Standing::Account,
    });
    let key = ObjectKey::parse("a/b*?${aws:username}").expect("a key");
    let (full, empty) = (context(), Context::new());
    for requester in [
        Requester::Anonymous,
        somebody,
        Requester::Service("logging.s3.amazonaws.com"),
    ] {
        for (action, resource) in [
            ("s3:GetObject", Resource::Object(bucket, &key)),
            ("s3:ListBucket", Resource::Bucket(bucket)),
            ("s3:PutBucketPolicy", Resource::Bucket(bucket)),
            ("s3:ListAllMyBuckets", Resource::Service),
        ] {
            for context in [&full, &empty] {
                let evaluation = policy.evaluate(&PolicyRequest {
                    requester: &requester,
                    action: Action::new(action),
                    resource,
                    tenant: "",
                    context,
                });
                // Without conditions, only a public policy lets somebody in whom nobody knows.
                let lets_anybody = matches!(requester, Requester::Anonymous)
                    && matches!(evaluation, Evaluation::Allow(_));
                assert!(!lets_anybody || may_be_public);
            }
        }
    }
}

fn context() -> Context {
    let mut context = Context::new();
    context.add_text("aws:username", "ann");
    context.add_text("s3:prefix", "a/");
    context.add_text("s3:ExistingObjectTag/team", "one");
    context.add("s3:max-keys", Value::Number(7));
    context.add("aws:SecureTransport", Value::Flag(true));
    context.add("aws:CurrentTime", Value::Time(NOW));
    context.add("aws:SourceIp", Value::Address([192, 0, 2, 7].into()));
    context.add(
        "aws:SourceIp",
        Value::Address([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
    );
    context
}
