import h5py
import numpy as np
import pytest
import torch
from dense import Constant, evaluate, tensors, train
from scipy.io import loadmat, savemat
from task_rooms import listed, preprocess, scores, simulate

from nasperf360.errors import DataError, UserError
from nasperf360.seeds import generator
from nasperf360.tasks.darcy import simulator as solver
from nasperf360.tasks.shared.task_training import task_training

SMALL = {"resolution": 21, "stride": 4, "train": 8, "valid": 3, "test": 4}
DEMO = {"resolution": 76, "stride": 5, "train": 120, "valid": 30, "test": 40}


def write(folder, name="fields.mat", rows=None, stride=1, **variables):
    folder.mkdir(exist_ok=True)
    savemat(folder / name, variables)
    rows = rows or {"train": [0, 3], "valid": [3, 4], "test": [4, 6]}
    return listed("darcy", folder, [(folder / name, "solutions", {"rows": rows, "stride": stride})])


def fields(count=6, size=9):
    rng = np.random.default_rng(0)
    return {"coeff": rng.choice([3.0, 12.0], (count, size, size)), "sol": rng.random((count, size, size)) + 0.1}


# -- simulator


def test_solver_is_second_order():
    """Constant coefficient: the error against the sine series falls fourfold as the grid is halved."""
    k = np.arange(1, 200, 2)
    errors = []
    for size in (16, 32):
        x = (np.arange(size) + 0.5) / size
        sines = np.sin(np.pi * k[:, None] * x)
        weights = 16 / (np.pi**4 * k[:, None] * k * (k[:, None] ** 2 + k**2)) / 3.0
        exact = sines.T @ weights @ sines
        errors.append(np.abs(solver.pressure(np.full((1, size, size), 3.0))[0] - exact).max())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)


def test_solver_solves_its_equations_and_conserves_flow():
    coefficient = solver.permeability(24, 5, np.random.default_rng(1))
    u = solver.pressure(coefficient)
    residual = solver.DarcyOperator(coefficient)(u) - 1
    assert np.abs(residual).max() < 1e-3
    edge = sum((coefficient * u)[e].sum(axis=1) for e in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]))
    np.testing.assert_allclose(2 * edge, 1, rtol=1e-5)  # flux through the walls = source in the square


def test_permeability_is_two_valued_and_smooth():
    coefficient = solver.permeability(64, 40, np.random.default_rng(2))
    assert set(np.unique(coefficient)) == {3.0, 12.0}
    assert np.mean(coefficient == 12.0) == pytest.approx(0.5, abs=0.05)
    assert np.mean(coefficient[:, 1:] == coefficient[:, :-1]) > 0.95


def test_solver_agrees_with_original_solutions(samples):
    content = loadmat(samples / "darcy" / "piececonst_r421_N3_smooth1.mat")
    ours = solver.pressure(content["coeff"][:2])
    theirs = content["sol"][:2]
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 1e-3


def statistics(resolution, count, samples):
    """Ratio of means, ratio of deviations and correlation of mean fields with the true training solutions, 85 x 85."""
    truth = np.load(samples / "darcy" / "y_normalizer_85x85.npz")
    rng = generator("darcy", "statistics")
    stride = (resolution - 1) // 84
    block = max(1, solver.BLOCK_VALUES // resolution**2)
    sol = np.concatenate(
        [
            solver.pressure(solver.permeability(resolution, min(block, count - start), rng))[:, ::stride, ::stride]
            for start in range(0, count, block)
        ]
    )
    mean, deviation = sol.mean(axis=0), sol.std(axis=0, ddof=1)
    correlation = np.corrcoef(mean.ravel(), truth["mean"].ravel())[0, 1]
    return mean.mean() / truth["mean"].mean(), deviation.mean() / truth["std"].mean(), correlation


def test_statistics_on_a_coarse_grid(samples):
    mean, deviation, correlation = statistics(85, 200, samples)
    assert mean == pytest.approx(1, abs=0.04)  # half a cell of the coarse grid is 1 % of the side
    assert deviation == pytest.approx(1, abs=0.08)
    assert correlation > 0.99


@pytest.mark.slow
def test_statistics_at_full_size(samples):
    mean, deviation, correlation = statistics(421, 200, samples)
    assert mean == pytest.approx(1, abs=0.02)
    assert deviation == pytest.approx(1, abs=0.05)
    assert correlation > 0.995


def test_simulated_files_repeat_and_have_the_original_layout(tmp_path):
    for folder in ("a", "b"):
        raw = simulate("darcy", tmp_path / folder, SMALL, "test")
    assert [f.relative for f in raw.files] == ["piececonst_r21_N11_smooth1.mat", "piececonst_r21_N4_smooth2.mat"]
    contents = [loadmat(tmp_path / folder / raw.files[0].relative) for folder in ("a", "b")]
    for name in ("coeff", "sol"):
        assert contents[0][name].shape == (11, 21, 21)
        assert contents[0][name].dtype == np.float64
        np.testing.assert_array_equal(contents[0][name], contents[1][name])
    np.testing.assert_allclose(solver.pressure(contents[0]["coeff"]), contents[0]["sol"], rtol=1e-4)


# -- reader


def test_round_trip(tmp_path):
    raw = simulate("darcy", tmp_path / "raw", SMALL, "test")
    with preprocess("darcy", raw, tmp_path / "darcy.h5", {}) as data:
        assert [len(data.split(name)) for name in ("train", "valid", "test")] == [8, 3, 4]
        content = loadmat(raw.files[0].path)
        valid = data.split("valid")
        assert valid.shape("x") == (1, 6, 6)
        np.testing.assert_array_equal(valid.load("x")[:, 0], content["coeff"][8:11, ::4, ::4].astype(np.float32))
        np.testing.assert_array_equal(valid.load("y")[:, 0], content["sol"][8:11, ::4, ::4].astype(np.float32))
        assert len(data.final(merge_valid=True)[0]) == 11


def test_real_files(samples, tmp_path):
    """True shape: 421 points at stride 5 are 85, for both kinds of file."""
    rows = {"train": [0, 1], "valid": [1, 2], "test": [2, 3]}
    path = tmp_path / "full.mat"
    path.symlink_to(samples / "darcy" / "piececonst_r421_N3_smooth1.mat")
    raw = listed("darcy", tmp_path, [(path, "solutions", {"rows": rows, "stride": 5})])
    with preprocess("darcy", raw, tmp_path / "darcy.h5", {}) as data:
        test = data.split("test")
        assert test.shape("x") == test.shape("y") == (1, 85, 85)
        assert set(np.unique(test.load("x"))) == {3.0, 12.0}
        assert 0.003 < test.load("y").mean() < 0.009


def test_version_7_3_has_reversed_axes(tmp_path):
    variables = fields()
    rows = {"train": [0, 3], "valid": [3, 4], "test": [4, 6]}
    with h5py.File(tmp_path / "v73.mat", "w") as stream:
        for name, values in variables.items():
            stream[name] = values.T
    raw = listed("darcy", tmp_path, [(tmp_path / "v73.mat", "solutions", {"rows": rows, "stride": 2})])
    with preprocess("darcy", raw, tmp_path / "darcy.h5", {}) as data:
        np.testing.assert_allclose(data.split("test").load("y")[:, 0], variables["sol"][4:, ::2, ::2], rtol=1e-6)


def test_bad_input(tmp_path):
    good = fields()
    no_sol = {"coeff": good["coeff"]}
    nan = {**good, "sol": good["sol"].copy()}
    nan["sol"][5, 0, 0] = np.nan
    zero = {**good, "sol": good["sol"].copy()}
    zero["sol"][4] = 0
    flat = {**good, "coeff": good["coeff"].reshape(6, -1)}
    other = {**good, "coeff": good["coeff"][:, :5, :5]}
    cases = [
        (no_sol, {}, "no array 'sol'"),
        (nan, {}, "NaN or infinity in 'y' of sample 1"),
        (zero, {}, "zero everywhere"),
        (flat, {}, "expected \\(N, R, R\\)"),
        (other, {}, "'sol'"),
        (good, {"rows": {"train": [0, 3], "valid": [3, 4], "test": [4, 7]}}, "has 6"),
        (good, {"rows": {"train": [0, 3], "valid": [3, 3], "test": [4, 6]}}, "option 'rows.valid' in the sources file"),
        (good, {"rows": {"train": [0, 4], "valid": [3, 4], "test": [4, 6]}}, "rows of train and valid overlap"),
        (good, {"rows": {"train": [0, 3], "test": [4, 6]}}, "no file has rows for valid"),
        (good, {"stride": 3}, "stride 3"),
    ]
    for index, (variables, options, message) in enumerate(cases):
        raw = write(tmp_path / str(index), **options, **variables)
        with pytest.raises(UserError, match=f"fields.mat.*{message}") as caught:
            preprocess("darcy", raw, tmp_path / "darcy.h5", {})
        assert isinstance(caught.value, DataError) != ("in the sources file" in str(caught.value))
        assert not list(tmp_path.glob("*.h5*"))


@pytest.mark.parametrize("keep", [0, 60, 200, 0.6])
def test_truncated_file(tmp_path, keep):
    raw = write(tmp_path / "raw", **fields())
    path = raw.files[0].path
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    raw = listed("darcy", tmp_path / "raw", [(path, "solutions", dict(raw.files[0].options))])
    with pytest.raises(DataError, match=r"fields\.mat"):
        preprocess("darcy", raw, tmp_path / "darcy.h5", {})
    assert not list(tmp_path.glob("*.h5*"))


# -- training


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("darcy")
    return preprocess("darcy", simulate("darcy", folder / "raw", DEMO, "test"), folder / "darcy.h5", {})


def test_inputs_and_loss(demo):
    task = task_training("darcy")
    split = demo.split("train")
    task.fit(split)
    batch = tensors(split)
    inputs = task.inputs(batch)
    assert task.signature(split.shape("x")).input_shape == tuple(inputs.shape[1:]) == (3, 16, 16)
    x = split.load("x").astype(np.float64)
    expected = (x - x.mean(axis=0)) / (x.std(axis=0, ddof=1) + 1e-5)
    np.testing.assert_allclose(inputs[:, :1], expected, atol=1e-4)
    assert inputs[0, 1, 0].tolist() == pytest.approx(np.linspace(0, 1, 16).tolist())
    assert inputs[0, 2, :, 0].tolist() == pytest.approx(np.linspace(0, 1, 16).tolist())

    y = batch["y"].numpy().astype(np.float64)
    mean, deviation = y.mean(axis=0), y.std(axis=0, ddof=1) + 1e-5
    output = torch.randn(len(y), 1, 16, 16, generator=torch.Generator().manual_seed(0))
    error = output.numpy() * deviation + mean - y
    relative = [np.sqrt((e**2).sum() / (t**2).sum()) for e, t in zip(error, y, strict=True)]
    assert float(task.loss(output, batch)) == pytest.approx(sum(relative), rel=1e-4)
    predicted = task.predict(lambda _: output, batch).numpy()
    assert scores("darcy", predicted, {"y": batch["y"].numpy()})["value"] == pytest.approx(np.mean(relative), rel=1e-4)
    assert scores("darcy", batch["y"].numpy(), {"y": batch["y"].numpy()})["value"] == 0


def test_two_training_rows_are_enough_and_one_is_not(tmp_path):
    rows = {"train": [0, 2], "valid": [2, 3], "test": [3, 6]}
    two = preprocess("darcy", write(tmp_path / "two", rows=rows, **fields()), tmp_path / "two.h5", {}).split("train")
    task = task_training("darcy")
    task.fit(two)
    deviation = np.abs(np.diff(two.load("y").astype(np.float64), axis=0)) / np.sqrt(2) + 1e-5
    np.testing.assert_allclose(task.state_dict()["y"][1], deviation[0], rtol=1e-5)
    rows = {"train": [0, 1], "valid": [1, 3], "test": [3, 6]}
    one = preprocess("darcy", write(tmp_path / "one", rows=rows, **fields()), tmp_path / "one.h5", {}).split("train")
    with pytest.raises(UserError, match=r"1 training row; the normalisation needs two"):
        task_training("darcy").fit(one)


def test_learnable(demo):
    """The mean field (network output zero) is the constant prediction."""
    task = task_training("darcy")
    model = train(task, demo.split("train"), steps=150, lr=0.02)
    value = evaluate(task, model, demo.split("test"))["value"]
    constant = evaluate(task, Constant(0.0), demo.split("test"))["value"]
    assert 0.02 < value < 0.7 * constant
