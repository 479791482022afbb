r"""Says how good a judge is, and makes a run of its config the judge.

python -m experiments.judge [--judge=dense]
python -m experiments.judge --workdir=runs/judge [--save]
"""

import json

import jax
from absl import flags

from imggen import entry
from imggen.evolution import judges
from imggen.features import judge

_JUDGE = flags.DEFINE_enum('judge', 'convolutional', list(judges.WEIGHTS), 'A shipped one.')
_WORKDIR = flags.DEFINE_string('workdir', None, 'A run of configs/judge_*.py instead.')
_SAVE = flags.DEFINE_bool('save', False, 'Put its weights into the package.')


def main(argv):
    del argv
    found = judges.load(_WORKDIR.value or _JUDGE.value)
    quality = judge.quality(found.params, logits=found.logits)
    facts = {
        'digest': found.digest,
        'parameters': sum(leaf.size for leaf in jax.tree.leaves(found.params['params'])),
        **{name: round(value, 4) for name, value in quality.items()},
    }
    print(json.dumps(facts, indent=2))
    if _SAVE.value:
        path = judges.WEIGHTS[found.architecture]
        judge.save(path, found.params)
        path.with_suffix('.json').write_text(json.dumps(facts, indent=2) + '\n')
        print(f'saved as {path}')


if __name__ == '__main__':
    entry.run(main)
