#!/usr/bin/env python3
"""Erases people from Parquet objects the way Amazon S3 Find and Forget does it, to measure Habeas against.

Reproduces the work of one deletion task as read in release v0.76 (2026-07-07) of
https://github.com/awslabs/amazon-s3-find-and-forget, backend/ecs_tasks/delete_files/parquet_handler.py and main.py:

- the whole object is read into memory, and opened from there;
- the schema is taken over, the file's own metadata is not;
- row group after row group is read with all its columns;
- the column that leads to the person is turned into a Python list, and each value is looked up in a set of ids;
- the result is a NumPy mask, by which the row group is filtered;
- every row group is encoded and written, those without a match too, with pyarrow's default settings;
- the whole new object stands in memory before it is saved.

Left out because it is not the work itself: finding the objects, versions, ACLs, tags, nested and composite ids. None of its
code is used. It runs with pyarrow 22.0.0, as that release pins it.

Usage: parquet_s3f2_way.py ENDPOINT BUCKET FROM TO COLUMN ID[,ID...]
FROM and TO are prefixes of keys. Prints a line of JSON: seconds, peak resident memory in MiB, rows and rows deleted.
"""

import io
import json
import resource
import sys
import time

import boto3
import botocore.config
import numpy
import pyarrow
import pyarrow.parquet


# The checksum that the store asks for.
EXTRA = {"ChecksumAlgorithm": "CRC32"}


def matching(table: pyarrow.Table, column: str, ids: set) -> numpy.ndarray:
    """Which rows are to go, value by value."""
    return numpy.array([value in ids for value in table.column(column).to_pylist()], dtype=bool)


def erase(data: bytes, column: str, ids: set) -> tuple[pyarrow.BufferOutputStream, int, int]:
    """The new object, how many rows there were and how many are gone."""
    file = pyarrow.parquet.ParquetFile(io.BytesIO(data), memory_map=False)
    schema = file.metadata.schema.to_arrow_schema().remove_metadata()
    deleted = 0
    with pyarrow.BufferOutputStream() as out:
        with pyarrow.parquet.ParquetWriter(out, schema) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                kept = table.filter(pyarrow.array(~matching(table, column, ids)))
                deleted += table.num_rows - kept.num_rows
                writer.write_table(kept)
        return out, file.metadata.num_rows, deleted


def main() -> None:
    endpoint, bucket, source, target, column, ids = sys.argv[1:]
    wanted = set(ids.split(","))
    path_style = botocore.config.Config(s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=path_style)
    rows = deleted = 0
    begun = time.monotonic()
    for listed in s3.list_objects_v2(Bucket=bucket, Prefix=source)["Contents"]:
        data = s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read()
        out, here, gone = erase(data, column, wanted)
        s3.upload_fileobj(io.BytesIO(out.getvalue()), bucket, target + listed["Key"].removeprefix(source), EXTRA)
        rows += here
        deleted += gone
    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": round(seconds, 2), "peak_mib": round(peak), "rows": rows, "deleted": deleted}))


if __name__ == "__main__":
    main()
