# A round with rclone.
set -euo pipefail
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_C_TYPE=s3 RCLONE_CONFIG_C_PROVIDER=Other RCLONE_CONFIG_C_ENDPOINT=$ENDPOINT \
    RCLONE_CONFIG_C_ACCESS_KEY_ID=$ACCESS_KEY RCLONE_CONFIG_C_SECRET_ACCESS_KEY=$SECRET_KEY RCLONE_CONFIG_C_REGION=$REGION

mkdir -p tree/deep
head -c 250000000 /dev/zero >tree/large
head -c 1000 /dev/urandom >"tree/deep/ünd + & more"
: >tree/empty

rclone mkdir "c:$BUCKET"
rclone copy tree "c:$BUCKET/tree"
rclone check tree "c:$BUCKET/tree"
rclone check --download tree "c:$BUCKET/tree"
test "$(rclone lsf -R --files-only "c:$BUCKET" | wc -l)" = 3
echo more >>"tree/deep/ünd + & more"
rclone sync tree "c:$BUCKET/tree"
rclone move "c:$BUCKET/tree/deep" "c:$BUCKET/moved"
rclone cat "c:$BUCKET/moved/ünd + & more" | cmp - "tree/deep/ünd + & more"
echo streamed | rclone rcat "c:$BUCKET/streamed"
test "$(rclone cat "c:$BUCKET/streamed")" = streamed
rclone size "c:$BUCKET" | grep >/dev/null 'Total objects: 4'
rclone purge "c:$BUCKET"
