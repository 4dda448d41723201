"""The files of clip-classify, read back by pyarrow, pandas, DuckDB, Spark and embedding-reader: the numbers are those of `-f jsonl`.

    npm run test:spark
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
COMMAND = ["node", str(REPOSITORY / "bin/clip-classify.js")]
LABELS = ["-l", "cat,dog,a red house"]

os.environ["PYSPARK_PYTHON"] = sys.executable

import duckdb  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
import pyarrow.parquet  # noqa: E402
from embedding_reader import EmbeddingReader  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402


def run(*words: str) -> list:
    """The JSON lines that a command line prints."""
    done = subprocess.run([*COMMAND, *words, "--quiet"], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def pack(folder: Path) -> list:
    """Two tars of seven members: pictures, one that is damaged, and captions."""
    pictures = [(REPOSITORY / "examples" / name).read_bytes() for name in ("cat.jpg", "astronaut.jpg")]
    tars = []
    for shard in range(2):
        path = folder / f"{shard:05}.tar"
        with tarfile.open(path, "w") as tar:
            for n in range(7):
                for name, data in ((f"{shard}{n:04}.jpg", b"no picture" if n == 3 else pictures[n % 2]), (f"{shard}{n:04}.txt", f"caption {n}".encode())):
                    source = folder / name
                    source.write_bytes(data)
                    tar.add(source, name)
                    source.unlink()
        tars.append(str(path))
    return tars


def plain(value):
    """Lists and dictionaries, whatever the reader makes of them; NaN is null."""
    if hasattr(value, "asDict"):
        value = value.asDict(recursive=True)
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return [plain(one) for one in value]
    if isinstance(value, numpy.generic):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


def readers(path: str, spark) -> dict:
    """The rows of a file as each reader has them."""
    relation = duckdb.sql(f"select * from '{path}'")
    found = {
        "pyarrow": pyarrow.parquet.read_table(path).to_pylist(),
        "pandas": pandas.read_parquet(path).to_dict("records"),
        "duckdb": [dict(zip(relation.columns, row)) for row in relation.fetchall()],
    }
    if spark is not None:
        found["spark"] = [row.asDict(recursive=True) for row in spark.read.parquet(path).collect()]
    return {name: [plain(row) for row in rows] for name, rows in found.items()}


def check_labels(tars: list, folder: Path, spark) -> None:
    expected = run(*tars, *LABELS, "-f", "jsonl")
    run(*tars, *LABELS, "-o", str(folder / "labels.parquet"))
    for name, rows in readers(str(folder / "labels.parquet"), spark).items():
        assert len(rows) == len(expected) == 14, name
        for row, wanted in zip(rows, expected):
            assert row["image"] == wanted["image"], (name, row)
            assert (row["label"], row["error"]) == (wanted.get("label"), wanted.get("error")), (name, row)
            same(name, row["score"], wanted.get("score"))
            for one, other in zip(row["labels"] or [], wanted.get("labels", []), strict=True):
                assert one["label"] == other["label"], (name, row)
                for key in ("score", "logit", "cosine"):
                    same(name, one[key], other[key])


def same(name: str, found, wanted) -> None:
    """Two runs may have batches of other sizes, which take sums in another order; rows have six digits."""
    if wanted is None:
        assert found is None, name
    else:
        assert abs(found - wanted) <= 2e-5 * max(1, abs(wanted)), (name, found, wanted)


def check_embeddings(tars: list, folder: Path, spark) -> dict:
    expected = {row["image"]: row.get("embedding") for row in run("embed", *tars)}
    for kind, tolerance in (("float32", 1e-6), ("float16", 2**-11)):
        path = str(folder / f"{kind}.parquet")
        run("embed", *tars, "-o", path, "--embedding-type", kind)
        for name, rows in readers(path, spark if kind == "float32" else None).items():
            assert [row["image"] for row in rows] == list(expected), name
            for row in rows:
                wanted = expected[row["image"]]
                if wanted is None:
                    assert row["embedding"] is None and row["error"]["code"] == "E_FORMAT", (name, row)
                else:
                    assert numpy.abs(numpy.subtract(row["embedding"], wanted)).max() < tolerance, name
    return expected


def check_clip_retrieval(tars: list, folder: Path, expected: dict) -> None:
    output = folder / "retrieval"
    run("embed", *tars, "--carry", "txt", "--output-dir", str(output), "--layout", "clip-retrieval")
    reader = EmbeddingReader(
        embeddings_folder=str(output / "img_emb"),
        metadata_folder=str(output / "metadata"),
        meta_columns=["image_path", "image", "caption"],
        file_format="parquet_npy",
    )
    seen = []
    for batch, rows in reader(batch_size=5, start=0, end=reader.count):
        for embedding, (_, row) in zip(batch, rows.iterrows(), strict=True):
            wanted = expected[row["image"]]
            assert numpy.abs(numpy.subtract(embedding.astype("float32"), wanted)).max() < 2**-11, row
            assert row["image"].endswith(f"{row['image_path']}.jpg") and row["caption"] == f"caption {row['image_path'][-1]}"
            seen.append(row["image"])
    assert seen == [image for image, embedding in expected.items() if embedding is not None]


def main() -> None:
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tars = pack(folder)
        check_labels(tars, folder, spark)
        expected = check_embeddings(tars, folder, spark)
        check_clip_retrieval(tars, folder, expected)
    spark.stop()
    print("ok")


if __name__ == "__main__":
    main()
