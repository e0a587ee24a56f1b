import pytest

EXAMPLE = """\
optkit: 1
model:
  path: model.pt                 # relative to the recipe
  inputs: [{name: image, shape: [1, 3, 32, 32], dtype: float32, layout: NCHW}]
  factory: package.module:make   # weights without a graph; needs --trust-code
data:
  calibration: {path: data/calibration.npz}
  validation: {path: data/validation.npz, labels: label, metric: accuracy}
to: ir                           # one word or a list
precision: int8
passes:
  - fuse_batchnorm
  - quantize_int8: {preset: mixed, subset_size: 300}
benchmark: {devices: [CPU], scenarios: [single-stream, offline], seconds: 3}
gates: {accuracy_drop: {max: 0.01}, speedup: {min: 1.5}, size_ratio: {max: 0.3}}
"""


@pytest.fixture
def example() -> str:
    """The recipe that the contract shows, every section in it."""
    return EXAMPLE
