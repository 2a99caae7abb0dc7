# A round with boto3: the one that the process tests do as well.
export AWS_ACCESS_KEY_ID=$ACCESS_KEY AWS_SECRET_ACCESS_KEY=$SECRET_KEY AWS_DEFAULT_REGION=$REGION
exec python "$(dirname "$0")/../../dev/tests/boto3_round.py" "$ENDPOINT" "$PWD"
