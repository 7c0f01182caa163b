"""Rows of CSV files, as spreadsheets and scripts write them."""

import csv
from pathlib import Path

OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


def csv_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by the names of its header, without spaces about names and values, or empty lines.

    The file is in UTF-8, with the mark that Excel writes or without. Raises `ValueError` naming the file for another
    encoding, separators other than commas, a name that comes twice, and rows longer or shorter than the header.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            lines = [(reader.line_num, [value.strip() for value in values]) for values in reader if values]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as CSV in UTF-8 ({error}): save it again in UTF-8") from error
    if not lines:
        return []
    (_, header), *rows = lines
    for separator, name in OTHER_SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            raise ValueError(f"{path} has its columns separated by {name}: save it with commas")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path} names columns twice: {twice}")
    for number, values in rows:
        if len(values) != len(header):
            raise ValueError(
                f"{path}, line {number}, has {len(values)} values for {len(header)} columns {header}: put values with "
                "commas into double quotes, and leave unknown ones empty"
            )
    return [dict(zip(header, values, strict=True)) for _, values in rows]
