"""The quality of a flow by the number of network evaluations (NFE) that a sample may take."""

from imggen import methods
from imggen.errors import UserError
from imggen.evaluation import distribution
from imggen.features.extractor import Extractor
from imggen.inference import sampling
from imggen.methods import flow_matching
from imggen.metrics.extraction import extract
from imggen.metrics.frechet import Moments, frechet_distance
from imggen.workdir.restore import Restored

_EVALUATIONS = (1, 2, 5, 10, 50)
_SOLVERS = tuple(flow_matching.SOLVERS)  # Euler's first.


def check(restored: Restored) -> None:
    """Raises UserError if a method has no solver to replace."""
    sampling.check(restored)
    try:
        _with_solver(restored, _SOLVERS[0], _EVALUATIONS[-1])
    except UserError as error:
        name = restored.config['method']['name']
        raise UserError(
            f'the method {name!r} has neither a solver nor a number of evaluations to vary: '
            'measure the run of a flow.'
        ) from error


def measure(
    restored: Restored,
    *,
    num_images: int,
    seed: int,
    extractor: Extractor,
    evaluations: tuple[int, ...] = _EVALUATIONS,
    solvers: tuple[str, ...] = _SOLVERS,
) -> dict[str, float]:
    """Returns the Fréchet distance of samples of one run by solver and evaluations.

    Samples start from the same noise for all distances.

    Args:
      restored, num_images, seed, extractor: see `evaluate.Score`.
      evaluations: numbers of network evaluations for one sample.
      solvers: of flow_matching.SOLVERS.

    Returns:
      {'frechet_euler_1': ..., 'frechet_euler_2': ..., ...}. A number of evaluations that a
      guided flow cannot make is left out, and so is a second solver if it equals the first.

    Raises:
      UserError: the method is not a flow.
    """
    check(restored)
    real = distribution.reference(restored.config['data'], extractor, mesh=restored.mesh)
    moments = Moments.of(real.features.features)
    evaluations_per_call = _evaluations_per_call(restored)
    distances = {}
    for solver in solvers:
        for count in evaluations:
            calls = count // evaluations_per_call
            is_euler = calls == 1 or (calls == 2 and solver == 'heun')
            if calls < 1 or (is_euler and solver != solvers[0]):
                continue
            flow = _with_solver(restored, solver, count)
            images = distribution.samples(flow, num_images=num_images, seed=seed)
            found = extract(extractor, images, mesh=restored.mesh)
            distance = frechet_distance(moments, Moments.of(found.features))
            distances[f'frechet_{solver}_{count}'] = distance
    return distances


def _with_solver(restored: Restored, solver: str, evaluations: int) -> Restored:
    section = {**restored.config['method'], 'solver': solver, 'evaluations': evaluations}
    return restored._replace(method=methods.make(section))


def _evaluations_per_call(restored: Restored) -> int:
    """Returns the network evaluations of one velocity: 2 with guidance, by the worse one, too."""
    return 1 if restored.method.guidance in (None, 1.0) else 2
