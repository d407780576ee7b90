"""Damaged files by the thousand through a whole ingest: `make fuzz N=100000`.

`seeds` are whole files of every type, `mutations` makes damaged ones of them, each by its
number alone, `trial` ingests one and judges what became of it, and `campaign` does so for
many in worker processes. `python -m tests.fuzz --only NUMBER` repeats one.
"""
