"""An ordinary round of work with boto3, checked at each step. Arguments: endpoint, directory for files."""

import filecmp
import hashlib
import os
import random
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, MissingDependencyException

ENDPOINT, DIRECTORY = sys.argv[1], sys.argv[2]
MIB = 1024 * 1024
BUCKET = "boto3-round"


def check(condition, what):
    if not condition:
        sys.exit(f"boto3 round: {what}")


def refused(call, status, code):
    try:
        call()
    except ClientError as error:
        found = (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
        check(found == (status, code), f"refused with {found} instead of {(status, code)}")
    else:
        sys.exit(f"boto3 round: not refused with {code}")


def write_file(name, length):
    path = os.path.join(DIRECTORY, name)
    with open(path, "wb") as file:
        file.write(random.Random(name).randbytes(length))
    return path


def main():
    s3 = boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        # By itself boto3 still presigns with version 2 in us-east-1.
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    s3.create_bucket(Bucket=BUCKET)
    check(BUCKET in [one["Name"] for one in s3.list_buckets()["Buckets"]], "bucket is not listed")
    refused(lambda: s3.get_object(Bucket=BUCKET, Key="absent"), 404, "NoSuchKey")
    refused(lambda: s3.head_object(Bucket=BUCKET, Key="absent"), 404, "404")

    # Bodies in memory, from a file, and of a length that is known only at the end.
    body = random.Random("body").randbytes(100_000)
    put = s3.put_object(Bucket=BUCKET, Key="memory", Body=body, ContentType="text/x-own", Metadata={"color": "red"})
    check(put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"', "etag is not the md5")
    got = s3.get_object(Bucket=BUCKET, Key="memory")
    check(got["Body"].read() == body, "memory differs")
    check(got["ContentType"] == "text/x-own" and got["Metadata"] == {"color": "red"}, "headers differ")
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
        try:
            s3.put_object(Bucket=BUCKET, Key="memory", Body=body, ChecksumAlgorithm=algorithm)
        except MissingDependencyException:  # boto3 needs the optional awscrt for some algorithms.
            continue
        got = s3.get_object(Bucket=BUCKET, Key="memory", ChecksumMode="ENABLED")
        check(got["Body"].read() == body, f"{algorithm} differs")
        check(f"Checksum{algorithm}" in got, f"{algorithm} is not told")

    # A file in parts, up by several threads and down by several threads.
    big = write_file("big", 40 * MIB + 12_345)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    s3.upload_file(big, BUCKET, "big", Config=config)
    check(s3.head_object(Bucket=BUCKET, Key="big")["ETag"].endswith('-6"'), "big is not in six parts")
    back = os.path.join(DIRECTORY, "back")
    s3.download_file(BUCKET, "big", back, Config=config)
    check(filecmp.cmp(big, back, shallow=False), "big differs")
    ranged = s3.get_object(Bucket=BUCKET, Key="big", Range="bytes=8388600-8388620")
    with open(big, "rb") as file:
        file.seek(8388600)
        check(ranged["Body"].read() == file.read(21), "range differs")

    # Copies, small and in parts.
    s3.copy({"Bucket": BUCKET, "Key": "memory"}, BUCKET, "copies/memory")
    s3.copy({"Bucket": BUCKET, "Key": "big"}, BUCKET, "copies/big", Config=config)
    s3.download_file(BUCKET, "copies/big", back, Config=config)
    check(filecmp.cmp(big, back, shallow=False), "copy of big differs")

    # Listing with pages and levels.
    for number in range(25):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number:02}/ü +&.txt", Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="many/", PaginationConfig={"PageSize": 4})
    keys = [one["Key"] for page in pages for one in page["Contents"]]
    check(keys == [f"many/{number:02}/ü +&.txt" for number in range(25)], f"listed {keys}")
    pages = s3.get_paginator("list_objects").paginate(Bucket=BUCKET, Delimiter="/", PaginationConfig={"PageSize": 2})
    levels = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
    check(levels == ["copies/", "many/"], f"levels {levels}")

    # Presigned, without this library on the other side.
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "memory"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        check(answer.read() == body, "presigned get differs")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "presigned"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(url, data=b"put by url", method="PUT")) as answer:
        check(answer.status == 200, "presigned put")
    check(s3.get_object(Bucket=BUCKET, Key="presigned")["Body"].read() == b"put by url", "presigned put differs")

    # Conditions.
    refused(lambda: s3.put_object(Bucket=BUCKET, Key="memory", Body=b"", IfNoneMatch="*"), 412, "PreconditionFailed")
    refused(lambda: s3.get_object(Bucket=BUCKET, Key="memory", IfMatch='"x"'), 412, "PreconditionFailed")

    # The resource interface empties the bucket in batches.
    bucket = boto3.resource("s3", endpoint_url=ENDPOINT, region_name="us-east-1").Bucket(BUCKET)
    refused(bucket.delete, 409, "BucketNotEmpty")
    bucket.objects.all().delete()
    check(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0, "bucket is not empty")
    bucket.delete()
    refused(lambda: s3.list_objects_v2(Bucket=BUCKET), 404, "NoSuchBucket")
    print("boto3 round: done")


main()
