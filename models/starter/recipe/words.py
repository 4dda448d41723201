"""Everything the text tower is taught."""

import re

import numpy as np
import torch
import torch.nn.functional as F

from .groups import GROUPS, THESAURUS, TOP
from .nouns import TREE_ORDER, commonness, nouns
from .phrases import PHRASES, phrase
from .targets import class_targets, group_targets

SHARES = {'class': 0.32, 'synonym': 0.20, 'group': 0.12, 'known': 0.14, 'noun': 0.22}  # of prompts, by kind of name


class Words:
    """Everything the text tower is taught: names, their targets, and how often each kind of name is asked for.

    Names outside CLIP's 1,612 get theirs by kernel regression from sentence embeddings (smoother than the ridge, which
    it is fitted beside), with the class names as further fixed points; for animals and plants it is averaged with the
    neighbours in WordNet, which lists those by kinship: for `stag`, the sentence model thinks of parties.
    """

    def __init__(self, folder, targets, classes):
        rows = class_targets(targets, classes)
        self.names, self.vectors, self.tops, self.kinds = [], [], [], []
        tops = {m: t for t in reversed(TOP) for m in GROUPS[t]}
        taught = {}
        classes_of = members_of(THESAURUS)
        for key, row in zip(classes.names, rows):
            row = towards(row, [rows[classes.names.index(k)] for k in classes_of.get(key, [])])
            taught[key.lower()] = row
            self.add('class', key, row, tops.get(key))
        groups = group_targets(targets, classes, rows)
        for word, row in zip(GROUPS, groups):
            if word.lower() not in taught:
                taught[word] = row
                self.add('group', word, row, None)
        self.add_synonyms(targets, classes, rows, taught, tops)
        known = targets.of(targets.known)
        for name, row in zip(targets.known, known):
            bare = re.sub(r' \(.*\)', '', name).lower()
            if bare not in taught:
                taught[bare] = row
                self.add('known', bare, row, None)
        fit = self.kernel_fit(targets, known, classes.names, rows)
        self.add_nouns(folder, fit, targets, taught)
        self.vectors = torch.stack(self.vectors)
        self.by_kind = {k: np.flatnonzero(np.array(self.kinds) == k) for k in dict.fromkeys(self.kinds)}
        common = commonness(folder)
        weights = np.array([common(n) if k == 'noun' else 1.0 for k, n in zip(self.kinds, self.names)])
        self.weights = {k: weights[rows].cumsum().tolist() for k, rows in self.by_kind.items()}

    def add(self, kind, name, vector, top):
        self.kinds.append(kind), self.names.append(name), self.vectors.append(vector), self.tops.append(top)

    def add_synonyms(self, targets, classes, rows, taught, tops):
        """Other names of classes, and the words of the thesaurus."""
        named = {}
        for key, row in zip(classes.names, rows):
            for other in dict.fromkeys([*classes.synonyms[key][1:], *THESAURUS.get(key, [])]):
                if other.lower() not in taught:
                    named.setdefault(other, []).append((row, tops.get(key)))
        for (name, users), own in zip(named.items(), targets.of(list(named))):
            vector = towards(own, [row for row, _ in users])
            taught[name.lower()] = vector
            self.add('synonym', name, vector, users[0][1])

    def kernel_fit(self, targets, known, class_names, rows, width=0.5, ridge=0.3):
        """A function from sentence vectors to targets. exp(cosine / width) is the kernel."""
        sentences = torch.cat([targets.sentences, targets.sentence_embeddings(class_names)])
        middle = targets.sentences.mean(0)
        points = F.normalize(sentences - middle, dim=1)
        kernel = ((points @ points.T - 1) / width).exp()
        weights = torch.linalg.solve(kernel + ridge * torch.eye(len(points)), torch.cat([known, rows]))
        return lambda x: F.normalize(((F.normalize(x - middle, dim=1) @ points.T - 1) / width).exp() @ weights, dim=1)

    def add_nouns(self, folder, fit, targets, taught, kin=3):
        synsets = nouns(folder)
        names = list(dict.fromkeys(n for _, ns in synsets for n in ns))
        vectors = dict(zip(names, fit(targets.sentence_embeddings(names))))
        vectors.update({n: v for n, v in taught.items() if n in vectors})
        means = torch.stack([F.normalize(torch.stack([vectors[n] for n in ns]).mean(0), dim=0) for _, ns in synsets])
        in_tree = [any(a <= number < b for a, b in TREE_ORDER) for number, _ in synsets]
        seen = set(taught)
        for i in sorted(range(len(synsets)), key=lambda i: not in_tree[i]):  # a stag is first of all an animal
            near = F.normalize(means[max(0, i - kin) : i + kin + 1].mean(0), dim=0) if in_tree[i] else means[i]
            for name in synsets[i][1]:
                if name not in seen:
                    seen.add(name)
                    self.add('noun', name, F.normalize(vectors[name] + near, dim=0), None)

    def draw(self, count, dice):
        """Prompts and their targets."""
        rows = []
        for kind, share in SHARES.items():
            rows += dice.choices(self.by_kind[kind], cum_weights=self.weights[kind], k=round(count * share))
        return [phrase(self.names[r].lower(), self.tops[r], dice) for r in rows], self.vectors[rows]


def members_of(groups):
    """{group: members} to {member: groups}."""
    out = {}
    for group, members in groups.items():
        for member in members:
            out.setdefault(member, []).append(group)
    return out


def towards(own, rows):
    """A word's vector from its own meaning, a quarter, and the classes that it names, three quarters: pictures are
    drawn to the classes' vectors alone, and to their surroundings only as far as they lie close."""
    return F.normalize(own + 3 * F.normalize(sum(rows), dim=0), dim=0) if rows else own


def tokenizer_texts(words):
    """What merges are learnt from: class, group and CLIP names many times over, every noun once, every phrasing."""
    repeat = {'class': 40, 'group': 40, 'synonym': 10, 'known': 20, 'noun': 1}
    for kind, name in zip(words.kinds, words.names):
        for _ in range(repeat[kind]):
            yield name
    for _ in range(2000):
        yield ' '.join(PHRASES)
