"""A tower's training: what both have in common."""

import numpy as np

from .checkpoint import load_checkpoint, save_checkpoint
from .clock import Clock
from .log import log
from .optimiser import Average, Optimiser, schedule
from .workers import agreed, average_weights, one_round, rank

SAVED_EVERY = 300  # seconds


class Training:
    """The weights of a tower, what changes them, and how far that has come; goes on from a checkpoint where one is resumed."""

    def __init__(self, args, model, tower, is_trained, minutes):
        """is_trained: whether a weight, by its name, belongs to the tower."""
        self.args, self.tower = args, tower
        self.named = [(n, p) for n, p in model.named_parameters() if is_trained(n)]
        self.optimiser, self.average = Optimiser(self.named), Average(self.named)
        self.step, spent = 0, 0.0
        self.resumed = load_checkpoint(args, tower)
        if self.resumed:
            model.load_state_dict(self.resumed['weights'], strict=False)
            self.optimiser.load(self.resumed['optimiser'])
            self.average.load(self.resumed['average'], self.resumed['count'])
            self.step, spent = self.resumed['step'], self.resumed['spent']
        self.clock = Clock(minutes, spent, args.until)

    def run(self, backward, more=None, on_save=lambda: None):
        """Until the time is up: backward(progress) leaves gradients and returns the loss; `more` is saved too."""

        def one_step(progress):
            loss = backward(progress)
            self.optimiser.step(self.args.peak * schedule(progress))
            self.average.update()
            self.clock.tick()
            return loss

        last_save = self.clock.spent
        while (progress := agreed(self.clock.progress())) < 1:
            losses = one_round(one_step, progress)
            self.step += average_weights([p for _, p in self.named], len(losses))
            if rank() > 0:
                continue
            minutes = self.clock.spent / 60
            log(f'{self.tower}: step {self.step} {minutes:.1f} min {progress:.1%} loss {np.mean(losses):.3f}')
            if self.clock.spent - last_save > SAVED_EVERY or self.clock.progress() == 1:
                last_save = self.clock.spent
                self.save(more or {})
                on_save()

    def save(self, more):
        state = {
            'weights': dict(self.named),
            'optimiser': self.optimiser.state(),
            'average': self.average.weights,
            'count': self.average.count,
            'spent': self.clock.spent,
            'step': self.step,
        }
        save_checkpoint(self.args, self.tower, state | more)
