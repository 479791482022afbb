"""The quality of a flow by the number of network evaluations that a sample may take."""

from imggen import features, keys, methods
from imggen.errors import UserError
from imggen.evaluation import distribution
from imggen.inference import sampling
from imggen.metrics.extraction import extract
from imggen.metrics.frechet import Moments, frechet_distance
from imggen.workdir.restore import Restored


def measure(
    restored: Restored,
    *,
    num_images: int = 10_000,
    seed: int = 0,
    evaluations: tuple[int, ...] = (1, 2, 5, 10, 50),
    solvers: tuple[str, ...] = ('euler', 'heun'),
    extractor: str = 'fashion_classifier',
) -> dict[str, float]:
    """Returns the Fréchet distance of samples of the same run by solver and evaluations.

    Args:
      restored: a run of the method `flow_matching`.
      num_images: generated for each figure.
      seed: of the samples, which start from the same noise for all figures.
      evaluations: of the network, for one sample.
      solvers: names from flow_matching.SOLVERS.
      extractor: whose features.

    Returns:
      {'frechet_euler_1': ..., 'frechet_euler_2': ..., ...}; a count that a guided flow
      cannot make is left out, and so is a second solver where it equals the first.
    """
    config = restored.config['method']
    if config['name'] != 'flow_matching':
        raise UserError(f'{config["name"]!r} takes one evaluation: measure a flow_matching run.')
    network = features.make(extractor)
    real = distribution.reference(restored.config['data'], network, mesh=restored.mesh)
    moments = Moments.of(real.features.features)
    guided = config.get('classes', 0) and config.get('guidance', 1.0) != 1.0
    distances = {}
    for solver in solvers:
        for count in evaluations:
            made = count // 2 if guided else count
            if made < 1 or (made <= 2 and solver != solvers[0]):
                continue
            method = methods.make({**config, 'solver': solver, 'evaluations': count})
            flow = restored._replace(method=method)
            chunks = sampling.generate(keys.stream(seed, 'measure'), flow, num_images)
            pictures = (chunk[restored.method.output] for chunk in chunks)
            found = extract(network, pictures, mesh=restored.mesh)
            distance = frechet_distance(moments, Moments.of(found.features))
            distances[f'frechet_{solver}_{count}'] = distance
    return distances
