"""Options: what is unknown or missing is named, with the cure."""

import dataclasses

import pytest
from absl import flags
from flax import linen as nn
from ml_collections import config_flags

from configs import common, gan_perceptron_digits
from imggen import cli, methods, options
from imggen.errors import UserError


@dataclasses.dataclass(frozen=True)
class Thing:
    width: int
    height: int = 3


class Module(nn.Module):
    features: int = 1


def test_builds_dataclasses_and_modules():
    assert options.build(Thing, {'width': 1}, where='config.thing') == Thing(1, 3)
    assert options.build(Module, {'features': 2}, where='config.module').features == 2


@pytest.mark.parametrize(
    'section, message',
    [
        ({'widht': 1}, r"config\.thing\.widht is no option: did you mean 'width'"),
        ({'width': 1, 'zebra': 1}, r'config\.thing\.zebra is no option: there are height, width'),
        ({}, r'config\.thing\.width is missing'),
        ({'width': 'x'}, r"config\.thing\.width='x' is no int"),
        ({'width': 1, 'height': 'x'}, r"config\.thing\.height='x' is no int"),
        ({'width': 1, 'height': True}, r'config\.thing\.height=True is no int'),
    ],
)
def test_names_what_is_wrong(section, message):
    with pytest.raises(UserError, match=message):
        options.build(Thing, section, where='config.thing')


def test_flags_set_what_a_config_leaves_at_its_default():
    config = gan_perceptron_digits.get_config()
    assert 'r1_gamma' not in config.method
    argv = ['train', '--config.method.r1_gamma=2', '--config.seed=3']
    values = flags.FlagValues()
    flag = config_flags.DEFINE_config_dict(
        'config', config, '', values, sys_argv=argv, **cli.ANY_OPTION
    )
    values(argv)
    assert flag.value.method.r1_gamma == 2 and flag.value.seed == 3
    methods.make(flag.value.method.to_dict())


def test_a_modules_own_fields_are_no_options():
    with pytest.raises(UserError, match='parent is no option'):
        options.build(Module, {'parent': None}, where='config.module')


@pytest.mark.parametrize(
    'config, message',
    [
        ({'name': 'gun'}, "config.method.name='gun' is no choice: did you mean 'gan'"),
        ({'name': 'gan', 'num_steps': 1, 'loss': 'hing'}, "did you mean 'hinge'"),
        ({'name': 'gan', 'num_steps': 1, 'network': 'x'}, "config.method.network='x' is no choice"),
        (
            {'name': 'gan', 'num_step': 1},
            "config.method.num_step is no option: did you mean 'num_steps'",
        ),
    ],
)
def test_methods_name_a_wrong_option(config, message):
    with pytest.raises(UserError, match=message):
        methods.make(config)


def test_arguments_take_the_type_of_their_default():
    arg = common.parse('size=64,smoke,rate=0.5', size=28, smoke=False, rate=1.0, name='x')
    assert arg.to_dict() == {'size': 64, 'smoke': True, 'rate': 0.5, 'name': 'x'}


@pytest.mark.parametrize(
    'text, message', [('smok', "did you mean 'smoke'"), ('size=big', 'no int')]
)
def test_wrong_arguments_are_named(text, message):
    with pytest.raises(UserError, match=message):
        common.parse(text, smoke=False, size=28)
