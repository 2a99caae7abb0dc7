"""A round with pyarrow's S3 file system: a dataset of Parquet files, written and read in parts."""

import os

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

bucket = os.environ["BUCKET"]
s3 = fs.S3FileSystem(
    access_key=os.environ["ACCESS_KEY"],
    secret_key=os.environ["SECRET_KEY"],
    region=os.environ["REGION"],
    endpoint_override=os.environ["ENDPOINT"].removeprefix("http://"),
    scheme="http",
    allow_bucket_creation=True,
    allow_bucket_deletion=True,
)
table = pa.table({"number": pa.array(range(1_000_000)), "part": pa.array([number % 7 for number in range(1_000_000)])})

s3.create_dir(bucket)
pq.write_table(table, f"{bucket}/one.parquet", filesystem=s3, row_group_size=100_000)
assert pq.read_table(f"{bucket}/one.parquet", filesystem=s3).equals(table)
assert pq.ParquetFile(f"{bucket}/one.parquet", filesystem=s3).read_row_group(3)["number"][0].as_py() == 300_000
ds.write_dataset(table, f"{bucket}/set", filesystem=s3, format="parquet", partitioning=["part"])
read = ds.dataset(f"{bucket}/set", filesystem=s3, format="parquet", partitioning=["part"])
assert read.count_rows(filter=ds.field("part") == 3) == len(range(3, 1_000_000, 7))
files = [one.path for one in s3.get_file_info(fs.FileSelector(f"{bucket}/set", recursive=True)) if one.is_file]
assert len(files) == 7, files
with s3.open_output_stream(f"{bucket}/stream") as stream:
    for _ in range(20):
        stream.write(b"x" * 1_000_000)
with s3.open_input_file(f"{bucket}/stream") as file:
    assert file.size() == 20_000_000 and file.read_at(5, 19_999_995) == b"xxxxx"
s3.copy_file(f"{bucket}/stream", f"{bucket}/copy")
s3.move(f"{bucket}/copy", f"{bucket}/moved")
assert s3.get_file_info(f"{bucket}/moved").size == 20_000_000
s3.delete_dir(bucket)
assert s3.get_file_info(bucket).type == fs.FileType.NotFound
