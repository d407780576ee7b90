"""A catalog's file as version 1 of the schema left it, made from the SQL of its time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_INDEXES = """
files__case_id files__code files__name files__outcome__name files__path
files__sequence_id__arrived images__night images__sequence_id__time images__unit_id__time
leases__expires observations__camera_id__time observations__healpix observations__night
observations__sequence_id observations__status__time observations__time
observations__unit_id__camera_id__status__time observations__unit_id__camera_id__time
observations__unit_id__time
"""

_VALUE = """json_extract(fields, '$."NAME"')"""
_RANK = f"""CASE json_type(fields, '$."NAME"') WHEN 'null' THEN 0\
 WHEN 'false' THEN 1 WHEN 'true' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2\
 WHEN 'text' THEN 4 WHEN 'array' THEN 6 WHEN 'object' THEN\
 CASE WHEN {_VALUE} GLOB '{{"$time":*' THEN 3\
 WHEN {_VALUE} GLOB '{{"$point":*' THEN 5 ELSE 7 END END"""

_DOCUMENTS = r"""
images|i1|0a|{"sequence_id":"s","unit_id":"u","status":"uploaded","exptime":1.5,"time":{"$time":"2018-02-16T11:06:23.000000Z"},"place":{"$point":[19.5,-155.5]},"$$odd":"\u0001\u0001"}
images|i2|0b|{"sequence_id":"s","unit_id":"u","status":"received","exptime":2,"time":{"$time":"2018-02-16T11:06:24.000000Z"}}
images|i3|0c|{"sequence_id":"s","unit_id":"u","status":"new","time":"yesterday","exptime":null}
observations|s|0d|{"sequence_id":"s","unit_id":"u","camera_id":"c","status":"received","healpix":9007199254740993,"time":{"$time":"2018-02-16T11:06:23.000000Z"}}
files|f1|0e|{"name":"a\u0001\u0002b","code":"x","outcome":"quarantined","announced":false,"returns":0,"arrived":{"$time":"2018-02-16T11:06:23.000001Z"}}
files|f2|0f|{"name":"ä","code":null,"outcome":"archived","announced":true,"returns":1}
"""
"""COLLECTION|KEY|VERSION|FIELDS"""


def make_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE documents (collection TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT "
            "NULL, fields TEXT NOT NULL, PRIMARY KEY (collection, key))"
        )
        connection.execute(f"PRAGMA application_id = {0x50414E4F}")
        connection.execute("PRAGMA user_version = 1")
        for index in _INDEXES.split():
            collection, *names = index.split("__")
            columns = ", ".join(f"{_RANK}, {_VALUE}".replace("NAME", name) for name in names)
            connection.execute(
                f'CREATE INDEX "{index}" ON documents ({columns}, key) '
                f"WHERE collection = '{collection}'"
            )
        connection.execute("ANALYZE")
        rows = [line.split("|") for line in _DOCUMENTS.strip().splitlines()]
        connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?)", rows)
