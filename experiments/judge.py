r"""Says how good the judge is, and makes a run of its config the judge.

python -m experiments.judge
python -m experiments.judge --workdir=runs/judge [--save]
"""

import json

import jax
from absl import flags

from imggen import entry, restoring
from imggen.features import extractor, judge

_WORKDIR = flags.DEFINE_string('workdir', None, 'A run of configs/judge_fashion_mnist.py.')
_SAVE = flags.DEFINE_bool('save', False, 'Put its weights into the package.')


def main(argv):
    del argv
    if _WORKDIR.value:
        variables = jax.device_get(restoring.restore(_WORKDIR.value).state.average)
    else:
        variables = judge.make().params
    facts = {
        'digest': extractor.digest(variables),
        'parameters': sum(leaf.size for leaf in jax.tree.leaves(variables['params'])),
        **{name: round(value, 4) for name, value in judge.quality(variables).items()},
    }
    print(json.dumps(facts, indent=2))
    if _SAVE.value:
        judge.save(judge.WEIGHTS, variables)
        judge.WEIGHTS.with_suffix('.json').write_text(json.dumps(facts, indent=2) + '\n')
        print(f'saved as {judge.WEIGHTS}')


if __name__ == '__main__':
    entry.run(main)
