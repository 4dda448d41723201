"""How far training has come, by the clock."""

import statistics
import time


class Clock:
    """Running time, so that schedules end in time on any machine. A step that took more than three times the median
    counts as three medians: a run that is paused, or that saves a checkpoint, loses nothing of its schedule."""

    def __init__(self, minutes, spent=0.0, until=None):
        self.budget, self.spent, self.until = minutes * 60, spent, until
        self.before, self.recent = time.monotonic(), []

    def tick(self):
        """Counts a step."""
        now = time.monotonic()
        took, self.before = now - self.before, now
        self.recent = [*self.recent[-48:], took]
        self.spent += min(took, 3 * statistics.median(self.recent))

    def progress(self):
        """0 to 1, of the budget or, where a time of day is set, of what is left until then."""
        left = self.budget - self.spent if self.until is None else self.until - time.time()
        return self.spent / (self.spent + left) if left > 0 else 1.0
