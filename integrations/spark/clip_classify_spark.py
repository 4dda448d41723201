"""Classify the images of a Spark data frame with clip-classify.

Each Python worker keeps one clip-classify process. Images go to it as a tar on its standard input, rows come back as JSON lines, so
the process is fed through a framed pipe and needs no files. A bad image is a row with an error. If the process dies, the task
fails and Spark runs it again, so no row is lost or doubled.

    from clip_classify_spark import classify
    rows = classify(spark.read.format("binaryFile").load("photos/"), "content", ["cat", "dog"])
"""

import json
import subprocess
import tarfile
import tempfile
import threading
from typing import Iterable, Iterator, List, Optional, Sequence

DEFAULT_COMMAND = ("clip-classify",)


class Pipe:
    """One clip-classify process. Images go in as members of a tar that never ends; each gives a line of JSON.

    It does not need Spark: Ray Data and plain Python use it too.
    """

    def __init__(self, labels: Sequence[str], command: Sequence[str] = DEFAULT_COMMAND, options: Sequence[str] = ()):
        # A label may hold a comma, which --labels would divide.
        given = [word for label in labels for word in ("-l", label.replace("\\", "\\\\").replace(",", "\\,"))]
        self._messages = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [*command, "classify", "--tar", "-", "-f", "jsonl", *given, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
        )
        self._sent = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def classify(self, images: Sequence[Optional[bytes]]) -> Iterator[dict]:
        """One row for each image, in order: the rows of `clip-classify -f jsonl`, without `image`."""
        present = [image for image in images if image is not None]
        first = self._sent
        self._sent += len(present)
        # Both pipes would fill and stop if one thread wrote everything before it read.
        writer = threading.Thread(target=self._write, args=(first, present), daemon=True)
        writer.start()
        number = first
        for image in images:
            if image is None:
                yield {"error": {"code": "E_DECODE", "message": "the image is null; check the column of the images"}}
                continue
            yield self._read(number)
            number += 1
        writer.join()

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _write(self, first: int, images: Sequence[bytes]) -> None:
        stdin = self._process.stdin
        try:
            for number, image in enumerate(images, first):
                image = bytes(image)
                member = tarfile.TarInfo(f"{number}.jpg")  # the bytes say what it is, not the name
                member.size = len(image)
                stdin.write(member.tobuf(tarfile.USTAR_FORMAT))
                stdin.write(image)
                stdin.write(b"\0" * (-len(image) % tarfile.BLOCKSIZE))
            stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # the reader tells of it

    def _read(self, number: int) -> dict:
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise RuntimeError(f"clip-classify ended with {self._process.wait()}: {self._last_message()}")
        row = json.loads(line)
        name = row.pop("image")
        if name != f"-/{number}.jpg":
            raise RuntimeError(f"clip-classify answered about {name} instead of image {number}")
        if "error" in row:
            row["error"]["message"] = row["error"]["message"].replace(name, "the image")
        return row

    def _last_message(self) -> str:
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


# A worker keeps its process from task to task. Spark imports this module once in each worker: names of __main__ would not live.
_pipes = {}


def _pipe(labels: tuple, command: tuple, options: tuple) -> Pipe:
    key = (labels, command, options)
    if key not in _pipes:
        _pipes[key] = Pipe(labels, command, options)
    return _pipes[key]


RESULT_FIELDS = (
    "label string, score double, reason string, "
    "labels array<struct<label: string, score: double, logit: double, cosine: double>>, "
    "error struct<code: string, message: string>"
)


def classify(
    df,
    image_column: str,
    labels: Sequence[str],
    command: Sequence[str] = DEFAULT_COMMAND,
    options: Sequence[str] = (),
):
    """Adds the columns label, score, reason, labels and error to a data frame, and removes the column of the images.

    df            has a binary column with the bytes of an image in each row
    image_column  its name
    labels        what the images might show
    command       starts clip-classify on an executor, such as ["node", "/opt/clip-classify/bin/clip-classify.js"]
    options       more options of clip-classify, such as ["--threads", "1", "--threshold", "0.5"]
    """
    from pyspark.sql.types import StructType, _parse_datatype_string

    wanted = {field.name for field in _parse_datatype_string(RESULT_FIELDS).fields}
    clash = wanted & (set(df.columns) - {image_column})
    if image_column not in df.columns:
        raise ValueError(f"the data frame has no column {image_column}; it has {', '.join(df.columns)}")
    if clash:
        raise ValueError(f"the data frame already has the columns {', '.join(sorted(clash))}; rename them first")
    kept = [field for field in df.schema.fields if field.name != image_column]
    schema = StructType(kept + _parse_datatype_string(RESULT_FIELDS).fields)
    df.sparkSession.sparkContext.addPyFile(__file__)
    key = (tuple(labels), tuple(command), tuple(options))

    def rows_of(batches: Iterable) -> Iterator:
        # By name, so that the worker's own module is used and its process lives on.
        from clip_classify_spark import _classify_batches

        return _classify_batches(batches, image_column, key)

    return df.mapInPandas(rows_of, schema)


def _classify_batches(batches: Iterable, image_column: str, key: tuple) -> Iterator:
    import pandas

    pipe = _pipe(*key)
    try:
        for batch in batches:
            images = [None if image is None else bytes(image) for image in batch[image_column]]
            rows: List[dict] = list(pipe.classify(images))
            result = batch.drop(columns=[image_column])
            for column in ("label", "score", "reason", "labels", "error"):
                result[column] = pandas.Series([row.get(column) for row in rows], index=batch.index, dtype=object)
            result["score"] = result["score"].astype("float64")
            yield result
    except BaseException:
        _pipes.pop(key, None)  # what is under way in it belongs to a task that has failed
        pipe._process.kill()
        raise
