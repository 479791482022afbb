r"""Measures a classifier, and replaces the shipped weights with those of a run.

python -m experiments.studies.classifier [--classifier=dense]
python -m experiments.studies.classifier --workdir=runs/classifier [--save]
"""

import json

import jax
from absl import flags

from imggen import cli
from imggen.evaluation import classifier
from imggen.features import fashion_classifier
from imggen.methods.evolution import classifiers

_CLASSIFIER = flags.DEFINE_enum(
    'classifier', 'convolutional', list(classifiers.WEIGHTS), 'A shipped classifier.'
)
_WORKDIR = flags.DEFINE_string('workdir', None, 'A run of configs/classifier_*.py instead.')
_SAVE = flags.DEFINE_bool('save', False, 'Save its weights in the package.')


def main(argv):
    del argv
    found = classifiers.load(_WORKDIR.value or _CLASSIFIER.value)
    quality = classifier.quality(found.params, logits=found.logits)
    facts = {
        'digest': found.digest,
        'parameters': sum(leaf.size for leaf in jax.tree.leaves(found.params['params'])),
        **{name: round(value, 4) for name, value in quality.items()},
    }
    print(json.dumps(facts, indent=2))
    if _SAVE.value:
        path = classifiers.WEIGHTS[found.architecture]
        fashion_classifier.save(path, found.params)
        path.with_suffix('.json').write_text(json.dumps(facts, indent=2) + '\n')
        print(f'saved as {path}')


if __name__ == '__main__':
    cli.run(main)
