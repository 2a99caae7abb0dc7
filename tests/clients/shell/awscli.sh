# A round with the AWS CLI's high and low level commands.
set -euo pipefail
export AWS_ACCESS_KEY_ID=$ACCESS_KEY AWS_SECRET_ACCESS_KEY=$SECRET_KEY AWS_DEFAULT_REGION=$REGION
# As version 2 does by itself; version 1 presigns with version 2 of the signatures in us-east-1.
export AWS_CONFIG_FILE=$PWD/config
printf '[default]\ns3 =\n    signature_version = s3v4\n' >config
aws() { command aws --endpoint-url "$ENDPOINT" "$@"; }

mkdir -p tree/deep
head -c 20000000 /dev/urandom >tree/large
head -c 100 /dev/urandom >"tree/deep/a name with ü & +"
: >tree/empty

aws s3 mb "s3://$BUCKET"
aws s3 cp --recursive --only-show-errors tree "s3://$BUCKET/tree"
aws s3 sync --only-show-errors "s3://$BUCKET/tree" back
diff -r tree back
test "$(aws s3 ls --recursive "s3://$BUCKET/" | wc -l)" = 3
aws s3 cp --only-show-errors "s3://$BUCKET/tree/large" "s3://$BUCKET/copy"
aws s3 mv --only-show-errors "s3://$BUCKET/copy" moved
cmp tree/large moved
printf streamed | aws s3 cp --only-show-errors - "s3://$BUCKET/streamed"
test "$(aws s3 cp "s3://$BUCKET/streamed" -)" = streamed
aws s3api head-object --bucket "$BUCKET" --key streamed --checksum-mode ENABLED | grep >/dev/null ChecksumCRC
aws s3api put-object --bucket "$BUCKET" --key streamed --body tree/empty --if-none-match '*' 2>refused && exit 1
grep -q PreconditionFailed refused
aws s3api list-objects-v2 --bucket "$BUCKET" --max-items 1 | grep >/dev/null NextToken
url=$(aws s3 presign "s3://$BUCKET/tree/deep/a name with ü & +")
curl -fsS "$url" | cmp - "tree/deep/a name with ü & +"
aws s3 rb --force "s3://$BUCKET" >/dev/null
