"""What a space declares to the workflow is what it can do, and the other way round."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from nasperf360.registry import PACKAGE, names
from nasperf360.spaces.shared.sampled_supernet import SampledSupernet
from nasperf360.spaces.shared.search_space import PROTOCOLS, HasSupernet, search_space
from nasperf360.spaces.shared.space_spec import Capability, space_spec
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.tasks.shared.task_spec import Signature

SHAPES = {1: (3, 64), 2: (3, 32, 32)}


def signatures(name):
    """One for each kind of task that the space serves."""
    return [
        Signature(dimensions, dense, shape, 5)
        for dimensions, shape in SHAPES.items()
        for dense in (False, True)
        if space_spec(name).serves(dimensions, dense)
    ]


def found(space):
    """Capabilities by what the space is; a supernet that samples is told by the supernet."""
    capabilities = {capability for capability, protocol in PROTOCOLS.items() if isinstance(space, protocol)}
    if isinstance(space, HasSupernet):
        with torch.device("meta"):
            supernet = space.supernet()
        assert isinstance(supernet, Supernet)
        if not isinstance(supernet, SampledSupernet):
            capabilities.discard(Capability.SAMPLED_SUPERNET)
    return capabilities


@pytest.mark.parametrize("name", names("spaces"))
def test_declared_capabilities_are_those_of_the_space(name):
    assert signatures(name)
    for signature in signatures(name):
        space = search_space(name, signature, {})
        assert space.spec is space_spec(name)
        assert found(space) == space.spec.capabilities


def test_every_capability_has_a_protocol_and_a_space():
    assert PROTOCOLS.keys() == set(Capability)
    assert set().union(*(space_spec(name).capabilities for name in names("spaces"))) == set(Capability)


@pytest.mark.parametrize("name", names("spaces"))
def test_settings_come_back_from_their_params(name):
    settings = space_spec(name).settings()
    assert space_spec(name).settings.model_validate(settings.params()) == settings


@pytest.mark.parametrize("name", names("spaces"))
def test_without_torch_architectures_are_drawn_and_checked(name):
    """The encoding is importable, and works, where torch is not; it draws what the space does."""
    signature = signatures(name)[0]
    program = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from nasperf360.registry import room
from nasperf360.spaces.shared.encoding import Encoding
from nasperf360.tasks.shared.task_spec import Signature
module = room("spaces", "{name}", "encoding")
(encoding,) = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Encoding)
               and each.__module__ == module.__name__]
drawn = encoding({signature!r}, encoding.spec.settings())
architecture = drawn.sample(np.random.default_rng(7))
drawn.check(architecture)
print(architecture)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent, timeout=120)
    assert done.returncode == 0, done.stderr
    drawn = search_space(name, signature, {}).sample(np.random.default_rng(7))
    assert done.stdout.strip() == str(drawn)
