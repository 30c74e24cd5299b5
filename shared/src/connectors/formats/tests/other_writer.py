#!/usr/bin/env python3
"""Writes other_writer.parquet, the file of another writer that the tests read. Ran with pyarrow 22.0.0 and pandas 2.2.3."""

import datetime
import decimal
import pathlib

import pandas
import pyarrow
import pyarrow.parquet

ROWS = 40

frame = pandas.DataFrame(
    {
        "user_id": [f"u{row % 10}" for row in range(ROWS)],
        "at": [datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=row) for row in range(ROWS)],
        "kind": pandas.Categorical([["view", "buy"][row % 2] for row in range(ROWS)]),
        "amount": [decimal.Decimal(row).scaleb(-2) for row in range(ROWS)],
        "items": [[row, None] if row % 3 else None for row in range(ROWS)],
        "place": [{"city": "H", "zip": row} if row % 4 else None for row in range(ROWS)],
    }
)
table = pyarrow.Table.from_pandas(frame)
field = table.schema.field("user_id").with_metadata({b"PARQUET:field_id": b"7"})
table = table.cast(table.schema.set(0, field))
pyarrow.parquet.write_table(
    table,
    pathlib.Path(__file__).with_name("other_writer.parquet"),
    row_group_size=15,
    compression="zstd",
    use_compliant_nested_type=False,
    write_page_index=True,
)
