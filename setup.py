"""Installs ganet_mm; the wheel also carries what ``mim`` looks for: configs, tools, model index.

The weights in ``ganet_mm/model_zoo`` are package data: in the wheel, in the sdist, read in place.
"""

import shutil
import tempfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# model-index.yml imports the metafile by its path in the repository.
MIM_FILES = ("tools", "configs", "model-index.yml", "ganet_mm/model_zoo/metafile.yml")

# Not ./build: what an earlier build left there would go into the next wheel, and mim would find
# every config twice.
BUILD = tempfile.TemporaryDirectory(prefix="ganet_mm_build_")


class BuildWithMimFiles(build_py):
    """Copies what mim looks for to ``ganet_mm/.mim`` in the build.

    Only a wheel gets the copy: an editable install reads the repository itself, and mim refuses
    two configs of one base name in one tree.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "ganet_mm" / ".mim"
        for name in MIM_FILES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(
                    source,
                    target / name,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"),
                )
            else:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target / name)


def version() -> str:
    namespace: dict = {}
    exec((ROOT / "ganet_mm" / "version.py").read_text(), namespace)
    return namespace["__version__"]


setup(
    name="ganet_mm",
    version=version(),
    description="GaNet lane detection for OpenMMLab: from CULane pictures to an integer model",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=find_packages(include=["ganet_mm", "ganet_mm.*"]),
    package_data={"ganet_mm.model_zoo": ["*.json", "*.pth", "*.onnx", "*.yml", "*.md"]},
    # mmcv is missing on purpose: mmcv and mmcv-lite install the same package, see README.
    install_requires=[
        "torch>=2.11,<2.16",
        "mmengine>=0.10.7,<0.11",
        "mmdet>=3.3.0,<3.4",
        "mmrazor>=1.0.0,<1.1",
        "lmdb>=3.0,<4",
        "opencv-python>=5.0,<6",
        "numpy>=2.2,<2.5",
        "scipy>=1.15,<1.18",
        "onnx>=1.23,<1.24",
        "onnxruntime>=1.32,<1.33",
        "rich>=15,<16",
        "tensorboard>=2.21,<2.22",
        "joblib>=1.6,<2",
        "scikit-learn>=1.7,<2",
        "ordered-set>=4.1,<5",
    ],
    extras_require={
        "openvino": ["openvino>=2026.4,<2027"],
        # H.264 for drawn videos; its wheel brings FFmpeg with x264, which is under the GPL.
        "video": ["av>=18,<19"],
        "test": [
            "pytest>=9,<10",
            "pytest-xdist>=3.8,<4",
            "hypothesis>=6.150,<7",
            "nbclient>=0.11,<0.12",
            "ipykernel>=7.4,<8",
        ],
    },
    options={"build": {"build_base": BUILD.name}},
    cmdclass={"build_py": BuildWithMimFiles},
    zip_safe=False,
)
