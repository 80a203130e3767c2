"""Tables of records as other people write them: delimited text, JSON lines, Parquet. All stream."""
