"""Darcy flow solved for real: random two-valued permeability, and the steady pressure that it gives.

The original data are themselves numerical solutions (graph-pde, data_generation/demo.m), so this is no imitation of
them: it draws from the same random field and solves the same equation, -div(a grad u) = 1 on the unit square with
u = 0 on its boundary. Samples lie at cell centres, as theirs do; where the original interpolates to the vertices,
solves there and interpolates back, a finite-volume grid of the cells needs no interpolation.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import dstn, idctn, idstn
from scipy.io import savemat

from nasperf360.tasks.darcy.spec import SimulateSettings
from nasperf360.tasks.shared.matlab import without_date

HIGH, LOW = 12.0, 3.0
ALPHA, TAU = 2.0, 3.0
TOLERANCE = 1e-7  # of the preconditioned residual, far below the error of any grid in use
BLOCK_VALUES = 1 << 19  # solved together: as many fields as hold this many values


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write ``piececonst_r<R>_N<n>_smooth{1,2}.mat`` (MAT v5; ``coeff`` and ``sol``, both (n, R, R) double).

    The training and validation rows are in smooth1, the test rows in smooth2.
    """
    resolution, stride = options.resolution, options.stride
    train, valid, test = options.train, options.valid, options.test
    files = {
        "smooth1": {"train": [0, train], "valid": [train, train + valid]},
        "smooth2": {"test": [0, test]},
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, rows in files.items():
        count = max(stop for _, stop in rows.values())
        path = folder / f"piececonst_r{resolution}_N{count}_{name}.mat"
        write_mat(path, resolution, count, rng)
        written.append((path, "solutions", {"rows": rows, "stride": stride}))
    return written


def write_mat(path: Path, resolution: int, count: int, rng: np.random.Generator) -> None:
    """Write ``count`` fields and their solutions to one MAT file, one variable after the other to save memory."""
    high = np.empty((count, resolution, resolution), bool)
    sol = np.empty(high.shape)
    block = max(1, BLOCK_VALUES // resolution**2)
    for start in range(0, count, block):
        rows = slice(start, min(start + block, count))
        coefficient = permeability(resolution, rows.stop - rows.start, rng)
        high[rows], sol[rows] = coefficient == HIGH, pressure(coefficient)
    with open(path, "wb") as stream:  # a second savemat to an open stream appends its variable
        savemat(stream, {"sol": sol}, do_compression=True)
        del sol
        savemat(stream, {"coeff": np.where(high, HIGH, LOW)}, do_compression=True)
    without_date(path)


def permeability(resolution: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Two-valued fields (count, R, R): ``HIGH`` where a Gaussian random field is not negative, else ``LOW``.

    The field has mean zero and covariance tau^(2 alpha - 2) (-Laplace + tau^2)^(-alpha) with zero Neumann conditions:
    a cosine series with independent normal coefficients, without its constant term.
    """
    squares = np.arange(resolution) ** 2
    deviation = TAU ** (ALPHA - 1) * (np.pi**2 * (squares[:, None] + squares) + TAU**2) ** (-ALPHA / 2)
    deviation[0, 0] = 0
    noise = rng.standard_normal((count, resolution, resolution))
    field = idctn(noise * deviation, type=2, norm="ortho", axes=(1, 2))
    return np.where(field >= 0, HIGH, LOW)


class DarcyOperator:
    """u -> -div(a grad u) at the cell centres of the unit square, u = 0 on its edge; second order, positive definite.

    Fluxes take the arithmetic mean of two neighbouring cells, as the original does; at the edge the wall is half a
    cell away.
    """

    def __init__(self, coefficient: np.ndarray):
        scale = float(coefficient.shape[-1]) ** 2
        self.down = scale * 0.5 * (coefficient[:, 1:] + coefficient[:, :-1])
        self.right = scale * 0.5 * (coefficient[:, :, 1:] + coefficient[:, :, :-1])
        self.diagonal = np.zeros(coefficient.shape)
        self.diagonal[:, 1:] += self.down
        self.diagonal[:, :-1] += self.down
        self.diagonal[:, :, 1:] += self.right
        self.diagonal[:, :, :-1] += self.right
        for edge in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
            self.diagonal[edge] += 2 * scale * coefficient[edge]

    def __call__(self, u: np.ndarray) -> np.ndarray:
        out = self.diagonal * u
        out[:, 1:] -= self.down * u[:, :-1]
        out[:, :-1] -= self.down * u[:, 1:]
        out[:, :, 1:] -= self.right * u[:, :, :-1]
        out[:, :, :-1] -= self.right * u[:, :, 1:]
        return out


def pressure(coefficient: np.ndarray) -> np.ndarray:
    """Solutions (n, R, R) for permeabilities (n, R, R), by conjugate gradients.

    The constant-coefficient operator preconditions: fast sine transforms invert it exactly, and the condition number is
    then at most HIGH / LOW = 4 on every grid, so that the number of iterations does not grow with R.

    Raises:
        FloatingPointError: no convergence, which a positive coefficient of moderate contrast excludes.
    """
    resolution = coefficient.shape[-1]
    wave = (2 * resolution * np.sin(np.pi * np.arange(1, resolution + 1) / (2 * resolution))) ** 2
    eigenvalues = wave[:, None] + wave

    def precondition(r: np.ndarray) -> np.ndarray:
        spectrum = dstn(r, type=2, norm="ortho", axes=(1, 2))
        spectrum /= eigenvalues
        return idstn(spectrum, type=2, norm="ortho", axes=(1, 2), overwrite_x=True)

    def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.einsum("nij,nij->n", a, b)[:, None, None]

    operator = DarcyOperator(coefficient)
    u = np.zeros(coefficient.shape)
    r = np.ones(coefficient.shape)
    z = precondition(r)
    p = z.copy()
    rz = first = dot(r, z)
    for _ in range(200):
        ap = operator(p)
        step = rz / dot(p, ap)
        u += step * p
        r -= step * ap
        z = precondition(r)
        rz, before = dot(r, z), rz
        if (rz <= TOLERANCE**2 * first).all():
            return u
        p *= rz / before
        p += z
    raise FloatingPointError(f"conjugate gradients did not converge on a {resolution} x {resolution} grid")
