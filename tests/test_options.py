"""Options: what is unknown or missing is named, with the cure."""

import dataclasses
import functools

import pytest
from flax import linen as nn
from ml_collections import ConfigDict

from configs import common
from imggen import methods, options
from imggen.errors import UserError


@dataclasses.dataclass(frozen=True)
class Thing:
    width: int
    height: int = 3


@dataclasses.dataclass(frozen=True)
class Shaped:
    shape: tuple[int, int]


class Module(nn.Module):
    features: int = 1


def test_builds_dataclasses_and_modules():
    assert options.build(Thing, {'width': 1}, where='config.thing') == Thing(1, 3)
    assert options.build(Module, {'features': 2}, where='config.module').features == 2


def test_a_section_holds_no_other_value_than_the_one_that_is_given():
    build = functools.partial(options.build, Thing, where='config.thing', width=2)
    assert build({}) == build({'width': 2}) == Thing(2, 3)
    shaped = functools.partial(options.build, Shaped, where='config.shaped', shape=(4, 4))
    assert shaped({'shape': [4, 4]}) == shaped({'shape': (4, 4)}) == Shaped((4, 4))
    with pytest.raises(UserError, match=r'config\.thing\.width follows from other options: leave'):
        build({'width': 1})


@pytest.mark.parametrize(
    'section, message',
    [
        ({'widht': 1}, r"config\.thing\.widht is not an option: did you mean 'width'"),
        (
            {'width': 1, 'zebra': 1},
            r'config\.thing\.zebra is not an option: there are height, width',
        ),
        ({}, r'config\.thing\.width is missing'),
        ('width', r"config\.thing='width' holds no options: give a dictionary"),
        ({'width': 'x'}, r"config\.thing\.width='x' is not an int"),
        ({'width': 1, 'height': 'x'}, r"config\.thing\.height='x' is not an int"),
        ({'width': 1, 'height': True}, r'config\.thing\.height=True is not an int'),
    ],
)
def test_names_what_is_wrong(section, message):
    with pytest.raises(UserError, match=message):
        options.build(Thing, section, where='config.thing')


def test_a_modules_own_fields_are_no_options():
    with pytest.raises(UserError, match='parent is not an option'):
        options.build(Module, {'parent': None}, where='config.module')


@pytest.mark.parametrize(
    'config, message',
    [
        ({'name': 'gun'}, "config.method.name='gun' is not a valid choice: did you mean 'gan'"),
        ({'name': ['gan']}, r"config.method.name=\['gan'\] is not a valid choice"),
        ({'name': 'gan', 'num_steps': 1, 'loss': 'hing'}, "did you mean 'hinge'"),
        (
            {'name': 'gan', 'num_steps': 1, 'network': 'x'},
            "config.method.network='x' is not a valid choice",
        ),
        (
            {'name': 'gan', 'num_step': 1},
            "config.method.num_step is not an option: did you mean 'num_steps'",
        ),
        ({'name': 'gan', 'num_steps': 1, 'learning_rate': -1.0}, 'learning_rate=-1.0 is negative'),
        ({'name': 'gan', 'num_steps': 1, 'r1_gamma': float('nan')}, 'r1_gamma=nan is not a finite'),
    ],
)
def test_methods_name_a_wrong_option(config, message):
    with pytest.raises(UserError, match=message):
        methods.make(config)


def test_a_division_by_an_option_that_is_0_is_a_sentence():
    config = ConfigDict({'total_images': 10, 'data': {'batch_size': 5}})
    config.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    assert options.resolve(config)['num_steps'] == 2
    config.data.batch_size = 0
    with pytest.raises(UserError, match='is 0 where it divides, such as'):
        options.resolve(config)


@pytest.mark.parametrize('features', [0, -8, (), (16, 0)])
def test_layers_need_features(features):
    with pytest.raises(UserError, match=r'g\.features=.* leaves a layer without features'):
        options.check_values('g', {'features': features})
    options.check_values('g', {'features': (16, 8)})
    options.check_values('g', {'features': 'alexnet'})  # A network's name, elsewhere.


def test_arguments_take_the_type_of_their_default():
    arg = common.parse('size=64,smoke,rate=0.5', size=28, smoke=False, rate=1.0, name='x')
    assert arg.to_dict() == {'size': 64, 'smoke': True, 'rate': 0.5, 'name': 'x'}


@pytest.mark.parametrize(
    'text, message', [('smok', "did you mean 'smoke'"), ('size=big', 'not of type int')]
)
def test_wrong_arguments_are_named(text, message):
    with pytest.raises(UserError, match=message):
        common.parse(text, smoke=False, size=28)
