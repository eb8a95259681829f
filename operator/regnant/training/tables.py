"""From bytes to a table: CSV and Parquet, with the row that cannot be read.

Nothing is guessed about meaning here; that is `columns`. Text stays text, an empty field is
missing.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import pandas as pd

from regnant.training.errors import DataEmpty, DataMalformed
from regnant.training.sources import RawData

FIELD: Final = "data.uri"
GZIP_MAGIC: Final = b"\x1f\x8b"
MISSING: Final = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


@dataclass(frozen=True)
class RawTable:
    """A table as it was read; `first_row` is how its source numbers the first row of values."""

    frame: pd.DataFrame
    first_row: int

    def row(self, position: int) -> int:
        """Return the number by which the user finds a row again."""
        return position + self.first_row


def read_table(raw: RawData) -> RawTable:
    """Read the table and refuse one without rows or with unusable column names."""
    csv_file = raw.format == "CSV"
    frame = _read_csv(raw.path) if csv_file else _read_parquet(raw.path)
    _check_names([str(name) for name in frame.columns])
    if frame.empty:
        raise DataEmpty(f"{FIELD}: the table has a header and no rows; add rows")
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return RawTable(frame.reset_index(drop=True), first_row=2 if csv_file else 1)


def _check_names(names: list[str]) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataMalformed(f"{FIELD}: the header names {twice[0]!r} twice; rename one of them")
    if any(not name.strip() for name in names):
        raise DataMalformed(f"{FIELD}: the header has a column without a name; name every column")


def _read_csv(path: Path) -> pd.DataFrame:
    _check_csv_rows(path)
    try:
        with _opened(path) as file:
            return pd.read_csv(
                file,
                keep_default_na=False,
                na_values=MISSING,
                low_memory=False,
                skipinitialspace=True,
            )
    except pd.errors.EmptyDataError as error:
        raise DataEmpty(f"{FIELD}: the file has no header and no rows; add both") from error
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        raise DataMalformed(f"{FIELD}: {_first_line(error)}; correct the file") from error


def _check_csv_rows(path: Path) -> None:
    """Find the first row that does not fit the header: pandas would take a short one silently."""
    width, row = 0, 0
    try:
        with _opened(path) as file:
            rows = csv.reader(file, strict=True, skipinitialspace=True)
            for row, cells in enumerate(rows, start=1):
                if not cells:
                    continue
                if not width:
                    _check_names(cells)
                    width = len(cells)
                if len(cells) != width:
                    raise DataMalformed(
                        f"{FIELD}: row {row} (line {rows.line_num}) has {len(cells)} fields, the "
                        f"header has {width}; correct that row"
                    )
    except csv.Error as error:
        raise DataMalformed(
            f"{FIELD}: row {row + 1} cannot be read: {error}; correct that row"
        ) from error
    except UnicodeDecodeError as error:
        raise DataMalformed(
            f"{FIELD}: row {row + 1} is not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from error
    except (OSError, EOFError) as error:
        raise DataMalformed(f"{FIELD}: the gzip stream is damaged ({error})") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open a CSV as text, through gzip where the bytes say so."""
    with path.open("rb") as probe:
        zipped = probe.read(2) == GZIP_MAGIC
    if zipped:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa

    try:
        return pd.read_parquet(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, ValueError) as error:
        raise DataMalformed(
            f"{FIELD}: not a Parquet file ({_first_line(error)}); check data.format"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
