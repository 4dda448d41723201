"""Real Spark in local-cluster mode: two executors, each a JVM of its own, one of which is killed.

    npm run test:spark            2,000 images
    IMAGES=20000 npm run test:spark
    MODEL=clip-vit-b-32 …       another model than the starter
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
REPOSITORY = FOLDER.parent.parent
COMMAND = ["node", str(REPOSITORY / "bin/clip-classify.js")]
LABELS = ["cat", "dog", "comma, inside", f"spark-test-{os.getpid()}"]
COUNT = int(os.environ.get("IMAGES", "2000"))
MODEL = ["-m", os.environ.get("MODEL", "starter")]

os.environ["PYSPARK_PYTHON"] = sys.executable
sys.path.insert(0, str(FOLDER))

from pyspark.sql import SparkSession  # noqa: E402

from clip_classify_spark import classify  # noqa: E402

PICTURES = [(REPOSITORY / "examples" / name).read_bytes() for name in ("cat.jpg", "astronaut.jpg")]


def image(n: int):
    """Every 97th image is broken, every 101st is null."""
    if n % 97 == 5:
        return b"no image"
    return None if n % 101 == 7 else PICTURES[n % 2]


def executors() -> list:
    """Process ids of the JVMs of the executors."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True).stdout
    driver = str(os.getpid())
    return [int(line.split()[0]) for line in listed.splitlines() if "CoarseGrainedExecutorBackend" in line and f"clip-test-{driver}" in line]


def left_over() -> list:
    """clip-classify processes of this test."""
    listed = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if "--tar -" in line and f"spark-test-{os.getpid()}" in line]


def main() -> None:
    spark = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .appName("clip-classify")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.executor.memory", "512m")
        .config("spark.executor.extraJavaOptions", f"-Dclip-test=clip-test-{os.getpid()}")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "256")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    # The picture is made on the executors: a row of the driver is a number.
    pictures = spark.sparkContext.broadcast(PICTURES)

    def with_image(batches):
        for batch in batches:
            def of(n):
                return b"no image" if n % 97 == 5 else None if n % 101 == 7 else pictures.value[n % 2]

            batch["content"] = [of(n) for n in batch["id"]]
            yield batch

    numbers = spark.range(0, COUNT, 1, 40)
    images = numbers.mapInPandas(with_image, "id long, content binary")
    rows = classify(images, "content", LABELS, command=COMMAND, options=["--threads", "1", "--quiet", *MODEL])

    started = time.monotonic()
    killed = []

    def kill_one() -> None:
        time.sleep(float(os.environ.get("KILL_AFTER", "8")))
        for pid in executors()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    killer = threading.Thread(target=kill_one)
    if os.environ.get("KILL", "1") == "1":
        killer.start()
    collected = rows.collect()
    seconds = time.monotonic() - started
    if os.environ.get("KILL", "1") == "1":
        killer.join()
        assert killed, "no executor was running when one should be killed"
    print(f"{len(collected)} rows in {seconds:.1f} s, {len(collected) / seconds:.1f} a second, killed {killed}")

    assert sorted(row["id"] for row in collected) == list(range(COUNT)), "rows are lost or doubled"
    plain = subprocess.run(
        [*COMMAND, str(REPOSITORY / "examples/cat.jpg"), str(REPOSITORY / "examples/astronaut.jpg"), "-f", "jsonl", "--quiet", *MODEL]
        + [word for label in LABELS for word in ("-l", label.replace(",", "\\,"))],
        capture_output=True,
        check=True,
    ).stdout.splitlines()
    expected = [json.loads(line) for line in plain]
    for row in collected:
        given = image(row["id"])
        if given is PICTURES[0] or given is PICTURES[1]:
            wanted = expected[row["id"] % 2]
            assert row["error"] is None and row["label"] == wanted["label"], row
            assert abs(row["score"] - wanted["score"]) < 1e-4, row  # scores agree to 1e-4, whatever the batch
            assert [one["label"] for one in row["labels"]] == [one["label"] for one in wanted["labels"]], row
        else:
            assert row["label"] is None and row["error"]["code"] in ("E_FORMAT", "E_DECODE"), row
    spark.stop()
    time.sleep(2)
    assert left_over() == [], left_over()
    print("ok")


if __name__ == "__main__":
    main()
