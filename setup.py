"""Package metadata; the version stands in yolo_plugins/__init__.py, the dependencies in requirements/*.txt."""

import ast
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def _version() -> str:
    """Reads `__version__` without importing the package."""
    module = ast.parse((ROOT / "yolo_plugins" / "__init__.py").read_text(encoding="utf-8"))
    values = [
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__version__"]
    ]
    return values[0]


def _requirements(name: str) -> list[str]:
    """Requirement lines of requirements/<name>.txt without their reasons."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in (line.split("#")[0].strip() for line in lines) if line]


class BuildWithConfigs(build_py):
    """Packs the modules and, unless they are used where they lie, configs and results, from an empty folder."""

    def run(self) -> None:
        """Nothing of an earlier build travels along, such as a module that has been deleted since."""
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        target = Path(self.build_lib, "yolo_plugins", ".mim")
        shutil.copytree(ROOT / "configs", target / "configs", ignore=shutil.ignore_patterns("__pycache__"))
        for table in sorted((ROOT / "docs" / "results").rglob("*.csv")):
            copy = target / table.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(table, copy)


setup(
    name="yolo_plugins",
    version=_version(),
    description="Any backbone under YOLOv5 and Scaled-YOLOv4, as MMDetection plugins, on PASCAL VOC",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.11",
    packages=find_packages(include=["yolo_plugins", "yolo_plugins.*"]),
    package_data={
        "yolo_plugins": [
            *("py.typed", "*/templates/*", "study/report/templates/*", "pages/plotly/*", "models/backbones/*.csv")
        ]
    },
    install_requires=_requirements("runtime"),
    extras_require={
        name: _requirements(name) for name in ("backbones", "analysis", "export", "tensorrt", "dev", "docs")
    }
    | {"all": _requirements("backbones") + _requirements("analysis") + _requirements("export")},
    entry_points={"console_scripts": ["yolo-plugins = yolo_plugins.__main__:main"]},
    cmdclass={"build_py": BuildWithConfigs},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
