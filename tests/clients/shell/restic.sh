# A round with restic: two backups, a check that reads everything, a restore, and forgetting.
set -euo pipefail
export AWS_ACCESS_KEY_ID=$ACCESS_KEY AWS_SECRET_ACCESS_KEY=$SECRET_KEY AWS_DEFAULT_REGION=$REGION RESTIC_PASSWORD=round
repository=s3:$ENDPOINT/$BUCKET/backups

mkdir -p tree
head -c 60000000 /dev/urandom >tree/large
for number in $(seq 200); do echo "$number" >"tree/file-$number"; done

restic -q -r "$repository" init
restic -q -r "$repository" backup tree
echo changed >tree/file-7
restic -q -r "$repository" backup tree
restic -q -r "$repository" check --read-data
restic -q -r "$repository" restore latest --target back
diff -r tree "back$PWD/tree" 2>/dev/null || diff -r tree back/tree
test "$(restic -q -r "$repository" snapshots --json | grep -o '"short_id"' | wc -l)" = 2
restic -q -r "$repository" forget --keep-last 1 --prune
restic -q -r "$repository" check
