"""The end of a side of a comparison in its own process: prepares, then times each work that a line on its input names.

Every answer is one line of JSON on standard output: {"took": milliseconds, "result": what the work returns}.
"""
import json
import sys
import time


def serve(versions, prepare):
    """versions: of the libraries, by name. prepare: takes the setup and returns works by their names."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print too

    def answer(**fields):
        print(json.dumps(fields), file=answers, flush=True)

    works = prepare(json.loads(sys.argv[1]))
    if len(sys.argv) > 2:  # once, as a whole process
        print(works[sys.argv[2]]())
        return
    answer(took=0, result=versions)
    for line in sys.stdin:
        start = time.perf_counter()
        result = works[line.strip()]()
        answer(took=1000 * (time.perf_counter() - start), result=result)
