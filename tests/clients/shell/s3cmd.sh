# A round with s3cmd.
set -euo pipefail
host=${ENDPOINT#http://}
s3cmd() {
    command s3cmd --config /dev/null --access_key "$ACCESS_KEY" --secret_key "$SECRET_KEY" --host "$host" --host-bucket "$host" \
        --region "$REGION" --no-ssl --no-progress "$@"
}

mkdir -p tree/deep
head -c 40000000 /dev/urandom >tree/large
echo deep >"tree/deep/a file"

s3cmd mb "s3://$BUCKET"
s3cmd put tree/large "s3://$BUCKET/large"
s3cmd get "s3://$BUCKET/large" back
cmp tree/large back
s3cmd sync tree/ "s3://$BUCKET/tree/"
s3cmd sync "s3://$BUCKET/tree/" synced/
diff -r tree synced
test "$(s3cmd ls --recursive "s3://$BUCKET/tree/" | wc -l)" = 2
s3cmd cp "s3://$BUCKET/large" "s3://$BUCKET/copy"
s3cmd mv "s3://$BUCKET/copy" "s3://$BUCKET/moved"
# Not in a pipe: grep would leave before s3cmd has said everything.
s3cmd info "s3://$BUCKET/moved" >info
grep -q 'File size: *40000000' info
s3cmd get "s3://$BUCKET/absent" nothing 2>refused && exit 1
s3cmd del --recursive --force "s3://$BUCKET"
s3cmd rb "s3://$BUCKET"
