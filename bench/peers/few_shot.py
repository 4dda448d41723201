"""Other methods on the draws of bench/learning/draws.ts, and the table of docs/learning.md.

    pip install numpy scikit-learn
    python bench/peers/few_shot.py /tmp/few-shot

Nearest class mean; logistic regression with C = 10 (scikit-learn); Tip-Adapter's closed form with beta 5.5 and alpha 1 or 10
(Zhang et al. 2022). None of them is tuned on test pictures.
"""

import json
import re
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

BETA, C = 5.5, 10.0
warnings.filterwarnings('ignore', message='The number of unique classes')  # one picture a class is meant


def read_set(folder, name):
    base = folder / re.sub(r'[^a-zA-Z0-9]+', '-', name)
    facts = json.loads(base.with_name(base.name + '.json').read_text())
    rows = lambda kind: np.fromfile(f'{base}.{kind}.f32', '<f4').reshape(-1, facts['width']).astype(np.float64)
    return np.array(facts['labels']), rows('words'), rows('pictures'), facts['logitScale']


def accuracies(labels, words, pictures, scale, examples, tests):
    classes, train = np.unique(labels[examples], return_inverse=True)
    truth = np.searchsorted(classes, labels[tests])
    seen, new, text = pictures[examples], pictures[tests], words[classes]
    right = lambda scores: float(np.mean(scores.argmax(1) == truth))
    means = np.stack([seen[train == c].mean(0) for c in range(len(classes))])
    zero_shot = scale * new @ text.T
    cache = np.exp(-BETA * (1 - new @ seen.T)) @ np.eye(len(classes))[train]
    logistic = LogisticRegression(C=C, max_iter=2000).fit(seen, train)
    return {
        'zero-shot': right(zero_shot),
        'class mean': right(new @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T),
        'logistic': right(logistic.decision_function(new) if len(classes) > 2 else logistic.predict_proba(new)),
        'Tip-Adapter 1': right(zero_shot + cache),
        'Tip-Adapter 10': right(zero_shot + 10 * cache),
    }


def calibration_error(scored, bins=15):
    """Of all draws together: of a single draw of 150 pictures even a perfect score would have an error."""
    scores, right = np.array(scored).T
    where = np.minimum((scores * bins).astype(int), bins - 1)
    return sum(abs((right - scores)[where == b].sum()) for b in range(bins)) / len(scores)


def main(folder):
    draws = json.loads((folder / 'draws.json').read_text())
    sets, cells = {}, defaultdict(lambda: defaultdict(list))
    for draw in draws:
        name = draw['set']
        if name not in sets:
            sets[name] = read_set(folder, name)
        cell = cells[name, draw['shots']]
        for method, accuracy in accuracies(*sets[name], draw['examples'], draw['tests']).items():
            cell[method].append(accuracy)
        ours = draw['ours']
        assert abs(ours['zeroShot'] - cell['zero-shot'][-1]) < 0.02, (name, ours, cell['zero-shot'][-1])
        for method, key in (('learn', 'learned'), ('images alone', 'alone')):
            cell[method].append(ours[key])
        for n, key in enumerate(('before', 'after')):
            cell[key] += ours['scored'][n]
    print('| set | images a class | zero-shot | `learn` | images alone | class mean | logistic, C = 10 | Tip-Adapter, α = 1 / 10 | calibration error, before → after |')
    print('|---|---|---|---|---|---|---|---|---|')
    for (name, shots), cell in cells.items():
        p = {method: f'{100 * np.mean(values):.1f}' for method, values in cell.items()}
        spread = 100 * np.std(np.subtract(cell['learn'], cell['zero-shot']), ddof=1)
        print(
            f"| {name} | {shots} | {p['zero-shot']} | **{p['learn']}** ± {spread:.1f} | {p['images alone']} | {p['class mean']} | {p['logistic']} "
            f"| {p['Tip-Adapter 1']} / {p['Tip-Adapter 10']} | {calibration_error(cell['before']):.3f} → {calibration_error(cell['after']):.3f} |"
        )
    for shots in sorted({shots for _, shots in cells}):
        rows = [cell for (name, other), cell in cells.items() if other == shots and not name.startswith('dev')]
        methods = ('zero-shot', 'learn', 'images alone', 'class mean', 'logistic', 'Tip-Adapter 1', 'Tip-Adapter 10')
        print(f'mean over {len(rows)} sets, {shots}:', {m: round(100 * float(np.mean([np.mean(c[m]) for c in rows])), 1) for m in methods})


if __name__ == '__main__':
    main(Path(sys.argv[1]))
