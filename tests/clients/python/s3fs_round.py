"""A round with s3fs, the file system of pandas and dask."""

import os
import random

import s3fs

bucket = os.environ["BUCKET"]
fs = s3fs.S3FileSystem(
    key=os.environ["ACCESS_KEY"],
    secret=os.environ["SECRET_KEY"],
    client_kwargs={"endpoint_url": os.environ["ENDPOINT"], "region_name": os.environ["REGION"]},
)
large = random.Random(3).randbytes(60 * 1024 * 1024 + 3)

fs.mkdir(bucket)
with fs.open(f"{bucket}/deep/large", "wb") as file:
    file.write(large)
with fs.open(f"{bucket}/deep/large", "rb") as file:
    file.seek(50_000_000)
    assert file.read(1000) == large[50_000_000:50_001_000]
assert fs.cat(f"{bucket}/deep/large") == large
fs.pipe({f"{bucket}/many/{number}": b"x" * number for number in range(30)})
assert len(fs.ls(f"{bucket}/many")) == 30
assert fs.du(f"{bucket}/many") == sum(range(30))
assert sorted(fs.glob(f"{bucket}/many/1?")) == [f"{bucket}/many/{number}" for number in range(10, 20)]
fs.copy(f"{bucket}/deep", f"{bucket}/copied", recursive=True)
assert fs.info(f"{bucket}/copied/large")["size"] == len(large)
fs.mv(f"{bucket}/copied/large", f"{bucket}/moved")
assert not fs.exists(f"{bucket}/copied/large") and fs.exists(f"{bucket}/moved")
with fs.open(f"{bucket}/appended", "wb") as file:
    file.write(b"a" * 6_000_000)
with fs.open(f"{bucket}/appended", "ab") as file:
    file.write(b"b")
assert fs.tail(f"{bucket}/appended", 2) == b"ab"
fs.rm(bucket, recursive=True)
assert not fs.exists(bucket)
