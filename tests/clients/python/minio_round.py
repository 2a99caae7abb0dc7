"""A round with minio-py."""

import io
import os
import random
from datetime import timedelta
from urllib.request import urlopen

from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

bucket = os.environ["BUCKET"]
client = Minio(
    endpoint=os.environ["ENDPOINT"].removeprefix("http://"),
    access_key=os.environ["ACCESS_KEY"],
    secret_key=os.environ["SECRET_KEY"],
    region=os.environ["REGION"],
    secure=False,
)


def read(key, **more):
    answer = client.get_object(bucket_name=bucket, object_name=key, **more)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


client.make_bucket(bucket_name=bucket)
assert client.bucket_exists(bucket_name=bucket)
small, large = random.Random(1).randbytes(1000), random.Random(2).randbytes(12 * 1024 * 1024 + 7)
client.put_object(bucket_name=bucket, object_name="small & ü", data=io.BytesIO(small), length=len(small), metadata={"Color": "red"})
assert read("small & ü") == small
assert client.stat_object(bucket_name=bucket, object_name="small & ü").metadata["x-amz-meta-color"] == "red"
# Of a length that is not known, in parts.
client.put_object(bucket_name=bucket, object_name="large", data=io.BytesIO(large), length=-1, part_size=5 * 1024 * 1024)
assert read("large") == large
assert read("large", offset=5_000_000, length=1000) == large[5_000_000:5_001_000]
client.copy_object(bucket_name=bucket, object_name="copy", source=CopySource(bucket_name=bucket, object_name="large"))
assert read("copy") == large
url = client.presigned_get_object(bucket_name=bucket, object_name="copy", expires=timedelta(minutes=1))
with urlopen(url) as answer:
    assert answer.read() == large
try:
    client.stat_object(bucket_name=bucket, object_name="absent")
    raise AssertionError("an absent object has a head")
except S3Error as error:
    assert error.code == "NoSuchKey", error
keys = [one.object_name for one in client.list_objects(bucket_name=bucket, recursive=True)]
assert keys == ["copy", "large", "small & ü"], keys
errors = client.remove_objects(bucket_name=bucket, delete_object_list=[DeleteObject(name=key) for key in keys])
assert list(errors) == []
client.remove_bucket(bucket_name=bucket)
