"""Answers in VOTable 1.3 and VOSI, written row by row.

https://www.ivoa.net/documents/VOTable/20130920/, https://www.ivoa.net/documents/DALI/20170517/
(section 4.4) and https://www.ivoa.net/documents/VOSI/20170524/.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from panoptes.network.image_access.finding import CutOff, Row
from panoptes.network.image_access.obscore import COLUMNS, Cell, Column
from panoptes.network.safe_text import one_line

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
    '<RESOURCE type="results">\n'
)
_TAIL = "</RESOURCE>\n</VOTABLE>\n"
_STANDARD = "ivo://ivoa.net/std/SIA#query-2.0"


def error_document(sentence: str, kind: str = "UsageFault") -> str:
    """Why there is no answer; `kind` as DALI names faults."""
    return f"{_HEAD}{_status('ERROR', f'{kind}: {sentence}')}{_TAIL}"


def table_document(
    rows: Iterable[Row], *, most: int, failures: tuple[type[Exception], ...], notes: Iterable[str]
) -> Iterator[str]:
    """At most `most` rows; the end says whether there are more, or that reading them failed.

    `failures` are what `rows` may raise and may be told to the caller.
    """
    yield _HEAD
    yield _info("standardID", _STANDARD)
    for note in notes:
        yield _info("warning", note)
    yield _status("OK", "")
    yield '<TABLE name="obscore" utype="ivo://ivoa.net/std/ObsCore#table-1.1">\n'
    yield "".join(map(_field, COLUMNS))
    yield "<DATA>\n<TABLEDATA>\n"
    end = ""
    try:
        if most == 0:
            raise CutOff
        for number, row in enumerate(rows):
            if number == most:
                raise CutOff
            yield _row(row)
    except CutOff:
        end = _status("OVERFLOW", "There may be more: raise MAXREC, or ask for less.")
    except failures as error:
        end = _status("ERROR", f"TransientFault: {error}")
    yield f"</TABLEDATA>\n</DATA>\n</TABLE>\n{end}{_TAIL}"


def capabilities_document(base: str) -> str:
    """What this service can do, and where: `base` is its address, without a slash behind it."""
    interfaces = (
        ("ivo://ivoa.net/std/VOSI#capabilities", "capabilities", "", "ParamHTTP", "full"),
        ("ivo://ivoa.net/std/VOSI#availability", "availability", "", "ParamHTTP", "full"),
        (_STANDARD, "query", ' role="std" version="2.0"', "ParamHTTP", "base"),
    )
    found = "".join(
        f'<capability standardID="{standard}">\n<interface xsi:type="vs:{kind}"{more}>\n'
        f'<accessURL use="{use}">{escape(f"{base}/{path}")}</accessURL>\n'
        "</interface>\n</capability>\n"
        for standard, path, more, kind, use in interfaces
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"'
        ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        f"{found}</vosi:capabilities>\n"
    )


def availability_document(trouble: str | None) -> str:
    """Whether the service answers queries; else `trouble` says why not."""
    note = f"<vosi:note>{_text(trouble)}</vosi:note>\n" if trouble else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">\n'
        f"<vosi:available>{'false' if trouble else 'true'}</vosi:available>\n"
        f"{note}</vosi:availability>\n"
    )


def _status(status: str, sentence: str) -> str:
    return f'<INFO name="QUERY_STATUS" value="{status}">{_text(sentence)}</INFO>\n'


def _info(name: str, value: str) -> str:
    return f"<INFO name={quoteattr(name)} value={quoteattr(one_line(value))}/>\n"


def _field(column: Column) -> str:
    said = {
        "name": column.name,
        "datatype": column.datatype,
        "ucd": column.ucd,
        "utype": f"obscore:{column.utype}",
    }
    said |= {"arraysize": "*"} if column.datatype == "char" else {}
    said |= {
        name: value for name, value in (("unit", column.unit), ("xtype", column.xtype)) if value
    }
    words = " ".join(f"{name}={quoteattr(value)}" for name, value in said.items())
    return f"<FIELD {words}/>\n"


def _row(row: Row) -> str:
    cells = "".join(f"<TD>{_cell(row[each.name])}</TD>" for each in COLUMNS)
    return f"<TR>{cells}</TR>\n"


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case str():
            return _text(value)
        case float() if not math.isfinite(value):
            return ""
    return repr(value)


def _text(text: str) -> str:
    """Without what XML cannot hold, nor the type ``char`` of a VOTable, which is ASCII."""
    plain = one_line(text).encode("ascii", "backslashreplace").decode()
    return escape(plain)
