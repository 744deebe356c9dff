import subprocess
import sys

from mmengine import registry as mmengine_registry

from ganet_mm import registry


def test_every_registry_of_mmengine_has_its_child():
    for name in dir(mmengine_registry):
        parent = getattr(mmengine_registry, name)
        if isinstance(parent, mmengine_registry.Registry):
            child = getattr(registry, name)
            assert child.parent is parent and child.scope == "ganet_mm", name


def test_other_packages_are_reached_by_prefix():
    assert registry.MODELS.get("mmdet.L1Loss").__module__.startswith("mmdet.")
    assert registry.LOOPS.get("mmrazor.PTQLoop").__module__.startswith("mmrazor.")
    assert registry.OPTIMIZERS.get("Adam").__module__.startswith("torch.")


def test_a_config_finds_the_classes_without_an_import():
    """A fresh process that knows only mmengine and the default scope."""
    code = (
        "from mmengine.registry import DefaultScope, MODELS, DATASETS, init_default_scope\n"
        "init_default_scope('ganet_mm')\n"
        "from mmengine.registry import TRANSFORMS, METRICS, HOOKS\n"
        "for registry, name in ((MODELS, 'GaNet'), (DATASETS, 'CuLaneDataset'),\n"
        "                       (TRANSFORMS, 'FixedCrop'), (METRICS, 'CuLaneMetric'),\n"
        "                       (HOOKS, 'LaneVisualizationHook'), (MODELS, 'QuantLaneDetector')):\n"
        "    with registry.switch_scope_and_registry('ganet_mm') as found:\n"
        "        assert found.get(name) is not None, name\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "Failed to search registry" not in result.stderr + result.stdout
