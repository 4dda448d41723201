"""Classify the images of a Spark data frame with clip-classify.

Each Python worker keeps one clip-classify process. Images go to it as a tar on its standard input, rows come back as JSON lines, so
the process is fed through a framed pipe and needs no files. A bad image is a row with an error. If the process dies, the task
fails and Spark runs it again, so no row is lost or doubled.

    from clip_classify_spark import classify
    rows = classify(spark.read.format("binaryFile").load("photos/"), "content", ["cat", "dog"])
"""

import json
import queue
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
        # Both pipes would fill and stop if one thread wrote everything before it read.
        self._to_write = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def classify(self, images: Sequence[Optional[bytes]]) -> Iterator[dict]:
        """One row for each image, in order: the rows of `clip-classify -f jsonl`, without `image`."""
        return self.receive(self.send(images))

    def send(self, images: Sequence[Optional[bytes]]) -> List[Optional[int]]:
        """Sends images and returns at once. Send the next images before you receive these: then the process never waits.

        The answer is for `receive`, which must be called in the order of `send`.
        """
        numbers: List[Optional[int]] = []
        for image in images:
            numbers.append(None if image is None else self._sent)
            if image is not None:
                self._to_write.put((self._sent, bytes(image)))
                self._sent += 1
        self._to_write.put(None)
        return numbers

    def receive(self, sent: Sequence[Optional[int]]) -> Iterator[dict]:
        """The rows of images that were sent."""
        for number in sent:
            if number is None:
                yield {"error": {"code": "E_DECODE", "message": "the image is null; check the column of the images"}}
            else:
                yield self._read(number)

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _write(self) -> None:
        stdin = self._process.stdin
        try:
            while True:
                given = self._to_write.get()
                if given is None:
                    stdin.flush()
                    continue
                number, image = given
                member = tarfile.TarInfo(f"{number}.jpg")  # the bytes say what it is, not the name
                member.size = len(image)
                stdin.write(member.tobuf(tarfile.USTAR_FORMAT))
                stdin.write(image)
                stdin.write(b"\0" * (-len(image) % tarfile.BLOCKSIZE))
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
    pipe = _pipe(*key)
    waiting = None
    try:
        for batch in batches:
            sent = pipe.send(batch[image_column])
            if waiting is not None:
                yield _result(*waiting, pipe)
            waiting = (batch.drop(columns=[image_column]), sent)
        if waiting is not None:
            yield _result(*waiting, pipe)
    except BaseException:
        _pipes.pop(key, None)  # what is under way in it belongs to a task that has failed
        pipe._process.kill()
        raise


def _result(result, sent: Sequence[Optional[int]], pipe: Pipe):
    import pandas

    rows: List[dict] = list(pipe.receive(sent))
    for column in ("label", "score", "reason", "labels", "error"):
        result[column] = pandas.Series([row.get(column) for row in rows], index=result.index, dtype=object)
    result["score"] = result["score"].astype("float64")
    return result
