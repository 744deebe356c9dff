"""The package's registries: children of mmengine's, under the scope ``ganet_mm``.

A config reaches these classes by their bare name (its ``default_scope`` is ``ganet_mm``) and
other packages' by prefix, e.g. ``mmdet.L1Loss`` or ``mmrazor.PTQLoop``.
"""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import INFERENCERS as MMENGINE_INFERENCERS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import Registry


def _child(name: str, parent: Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope="ganet_mm", locations=list(locations))


DATASETS = _child("dataset", MMENGINE_DATASETS, "ganet_mm.datasets")
TRANSFORMS = _child("transform", MMENGINE_TRANSFORMS, "ganet_mm.datasets.transforms")
MODELS = _child(
    "model", MMENGINE_MODELS, "ganet_mm.models", "ganet_mm.quantization", "ganet_mm.deploy"
)
TASK_UTILS = _child("task util", MMENGINE_TASK_UTILS, "ganet_mm.models", "ganet_mm.quantization")
METRICS = _child("metric", MMENGINE_METRICS, "ganet_mm.evaluation")
LOOPS = _child("loop", MMENGINE_LOOPS, "ganet_mm.engine")
HOOKS = _child("hook", MMENGINE_HOOKS, "ganet_mm.engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    "optim_wrapper_constructor", MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS, "ganet_mm.engine"
)
VISUALIZERS = _child("visualizer", MMENGINE_VISUALIZERS, "ganet_mm.visualization")
INFERENCERS = _child("inferencer", MMENGINE_INFERENCERS, "ganet_mm.apis")
