"""The package's registries: a child of each of mmengine's, under the scope ``ganet_mm``.

A config reaches these classes by their bare name (its ``default_scope`` is ``ganet_mm``) and
other packages' by prefix, e.g. ``mmdet.L1Loss`` or ``mmrazor.PTQLoop``. A kind of thing that the
package adds nothing to has its registry all the same: mmengine then finds its own classes through
it without a warning.
"""

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry


def _child(parent: str, *locations: str) -> Registry:
    """The child of ``mmengine.registry.<parent>``; ``locations`` are imported at the first look."""
    above = getattr(mmengine_registry, parent)
    return Registry(above.name, parent=above, scope="ganet_mm", locations=list(locations))


DATASETS = _child("DATASETS", "ganet_mm.datasets")
TRANSFORMS = _child("TRANSFORMS", "ganet_mm.datasets.transforms")
MODELS = _child("MODELS", "ganet_mm.models", "ganet_mm.quantization", "ganet_mm.deploy")
MODEL_WRAPPERS = _child("MODEL_WRAPPERS", "ganet_mm.quantization")
TASK_UTILS = _child("TASK_UTILS", "ganet_mm.models")
METRICS = _child("METRICS", "ganet_mm.evaluation")
HOOKS = _child("HOOKS", "ganet_mm.engine")
LOOPS = _child("LOOPS", "ganet_mm.quantization")
OPTIM_WRAPPERS = _child("OPTIM_WRAPPERS", "ganet_mm.engine")
VISUALIZERS = _child("VISUALIZERS", "ganet_mm.visualization")
INFERENCERS = _child("INFERENCERS", "ganet_mm.apis")

# Nothing of ours in these.
RUNNERS = _child("RUNNERS")
RUNNER_CONSTRUCTORS = _child("RUNNER_CONSTRUCTORS")
DATA_SAMPLERS = _child("DATA_SAMPLERS")
OPTIMIZERS = _child("OPTIMIZERS")
OPTIM_WRAPPER_CONSTRUCTORS = _child("OPTIM_WRAPPER_CONSTRUCTORS")
PARAM_SCHEDULERS = _child("PARAM_SCHEDULERS")
WEIGHT_INITIALIZERS = _child("WEIGHT_INITIALIZERS")
EVALUATOR = _child("EVALUATOR")
VISBACKENDS = _child("VISBACKENDS")
LOG_PROCESSORS = _child("LOG_PROCESSORS")
STRATEGIES = _child("STRATEGIES")
FUNCTIONS = _child("FUNCTIONS")
