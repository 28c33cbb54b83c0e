"""FSD50K: wave files to log-mel patches, labels, SpecAugment, mAP per clip."""

import csv
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from task_rooms import listed, preprocess, scores
from task_rooms import simulated as simulated_files

from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.errors import DataError, UserError
from nasperf360.seeds import generator
from nasperf360.tasks.fsd50k.data import _header, _read, spectrograms
from nasperf360.tasks.fsd50k.decibels import STEP, in_steps
from nasperf360.tasks.fsd50k.log_mel import chunks, log_mel
from nasperf360.tasks.fsd50k.spec import SPEC, PreprocessSettings
from nasperf360.tasks.shared.task_training import task_training

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "train": 5, "valid": 2, "test": 3, "seconds": [0.4, 1.8], "second_sound": 0.3, "noise": 0.1, "present": 0.7
}  # fmt: skip


def preprocessed(raw, path, **options):
    return preprocess("fsd50k", raw, path, options)


@pytest.fixture
def simulated(tmp_path):
    return listed(
        "fsd50k", tmp_path / "raw", simulated_files("fsd50k", tmp_path / "raw", SMALL, generator("test", "fsd50k"))
    )


def patches_of(samples):
    """Chunks that a clip of so many samples at 44.1 kHz gives."""
    halved = -(-samples // 2)
    return 1 if halved < 22_050 else -(-halved // 11_025)


def test_round_trip(simulated, tmp_path):
    data = preprocessed(simulated, tmp_path / "d.h5")
    for name, clips in (("train", 5), ("valid", 2), ("test", 3)):
        split = data.split(name)
        x, y, group = split.load("x"), split.load("y"), split.load("group")
        assert split.shape("x") == (1, 96, 101)
        assert (x.dtype, y.dtype, y.shape[1]) == (np.int16, np.uint8, 200)
        np.testing.assert_array_equal(np.unique(group), np.arange(clips))
        assert (np.diff(group) >= 0).all()
        np.testing.assert_allclose(x.mean(axis=(1, 2, 3)) * STEP, 0, atol=1e-3)
        assert np.ptp(x.astype(int), axis=(1, 2, 3)).max() * STEP <= 80.003
        assert all(len(np.unique(y[group == clip], axis=0)) == 1 for clip in range(clips))
    paths = simulated.all("eval_audio")
    with_split = sorted((int(file.path.stem), file.path) for file in paths)
    expected = []
    for _, path in with_split:
        with wave.open(str(path)) as file:
            expected.append(patches_of(file.getnframes()))
    np.testing.assert_array_equal(np.bincount(data.split("test").load("group")), expected)
    assert len(data.final(SPEC.merge_valid)[0]) == len(data.split("train"))


def test_clips_are_stored_by_number_whatever_the_order_of_the_csv(simulated, tmp_path):
    expected = preprocessed(simulated, tmp_path / "sorted.h5")
    table = simulated.one("ground_truth", "dev.csv").path
    sound = min(simulated.all("dev_audio"), key=lambda file: int(file.path.stem)).path
    sound.rename(sound.with_name("99.wav"))  # as text it would come last
    header, *rows = table.read_text().replace(sound.stem, "99").splitlines()
    table.write_text("\n".join([header, *sorted(rows, key=lambda row: row[::-1])]) + "\n")
    entries = [
        (file.path if file.path != sound else sound.with_name("99.wav"), role, {})
        for role in ("ground_truth", "dev_audio", "eval_audio")
        for file in simulated.all(role)
    ]
    found = preprocessed(listed("fsd50k", tmp_path / "raw", entries), tmp_path / "shuffled.h5")
    for name in ("train", "valid", "test"):
        for field in ("x", "y", "group"):
            np.testing.assert_array_equal(found.split(name).load(field), expected.split(name).load(field))


def test_chunks_start_every_half_second_and_are_tiled():
    signal = np.arange(50.0)
    np.testing.assert_array_equal(chunks(signal[:3], 8, 4), [[0, 1, 2, 0, 1, 2, 0, 1]])
    cut = chunks(signal[:14], 8, 4)
    np.testing.assert_array_equal(cut[:2], [np.arange(8), np.arange(4, 12)])
    np.testing.assert_array_equal(cut[2:], [[8, 9, 10, 11, 12, 13, 8, 9], [12, 13] * 4])


def by_librosa(signal, scale):
    import librosa

    norm = {"norm": None, "htk": True} if scale == "htk" else {}
    power = librosa.feature.melspectrogram(
        y=signal, sr=22_050, n_fft=1920, win_length=661, hop_length=220, n_mels=96, pad_mode="reflect", **norm
    )
    decibels = librosa.power_to_db(power) + 75
    return decibels - decibels.mean()


@pytest.mark.parametrize("seconds", [1, 2.7])  # a chunk, and a clip of noise
@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_log_mel_equals_librosa(scale, seconds):
    rng, size = np.random.default_rng(0), int(seconds * 22_050)
    tone = np.sin(2 * np.pi * 440 * np.arange(size) / 22_050)
    fading = np.exp(-5 * np.arange(size) / size) * rng.standard_normal(size)
    signals = np.stack([0.1 * rng.standard_normal(size), tone, fading, np.zeros(size)]).astype(np.float32)
    patches = log_mel(signals, 22_050, 96, 220, scale=scale)
    assert patches.shape == (4, 96, 1 + size // 220)
    for patch, signal in zip(patches, signals, strict=True):
        np.testing.assert_allclose(patch, by_librosa(signal, scale), atol=2e-3)  # of 80 dB, in float32
        np.testing.assert_array_equal(log_mel(signal[None], 22_050, 96, 220, scale=scale)[0], patch)


def test_what_is_stored_is_rounded_by_half_a_step():
    patches = np.linspace(-80, 80, 100_001, dtype=np.float32)
    whole = in_steps(patches, "a.wav")
    assert (whole.dtype, whole.min(), whole.max()) == (np.int16, -32_767, 32_767)
    np.testing.assert_allclose(whole * STEP, patches, atol=0.00123)


def test_real_samples(samples, tmp_path):
    files = []
    for path in sorted((samples / "fsd50k").rglob("*")):
        role = {"FSD50K.dev_audio": "dev_audio", "FSD50K.eval_audio": "eval_audio"}.get(
            path.parent.name, "ground_truth"
        )
        if path.is_file() and path.parent.name.startswith("FSD50K"):
            target = tmp_path / "raw" / path.relative_to(samples / "fsd50k")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            files.append((target, role, {}))
    raw = listed("fsd50k", tmp_path / "raw", files)
    data = preprocessed(raw, tmp_path / "d.h5")
    clips = [len(np.unique(data.split(name).load("group"))) for name in ("train", "valid", "test")]
    assert sum(clips[:2]) == 10
    assert clips[2] == 5
    vocabulary = [line.split(",")[1] for line in raw.one("ground_truth", "vocabulary.csv").path.read_text().split()]
    with open(raw.one("ground_truth", "eval.csv").path, encoding="utf-8", newline="") as stream:
        labels = {int(row["fname"]): set(row["labels"].split(",")) for row in csv.DictReader(stream)}
    assert {"Bark", "Dog", "Domestic_animals_and_pets", "Animal"} in labels.values()
    y, group = data.split("test").load("y"), data.split("test").load("group")
    labelled = [{vocabulary[i] for i in np.flatnonzero(y[group == clip][0])} for clip in range(5)]
    assert labelled == [labels[number] for number in sorted(labels)] != list(labels.values())
    clip = next(file for file in raw.all("dev_audio") if file.path.name == "101676.wav")
    assert len(_read(clip, _header(clip))) == pytest.approx((441_126 - 44) / 4, abs=1)
    with open(raw.one("ground_truth", "dev.csv").path, encoding="utf-8", newline="") as stream:
        numbers = sorted(int(row["fname"]) for row in csv.DictReader(stream) if row["split"] == "train")
    counts = np.bincount(data.split("train").load("group"))
    assert counts[numbers.index(101676)] == 11  # 5.001 s: nine whole chunks, and two remainders, tiled


def test_spec_augment_masks_half_of_the_patches_within_bounds():
    import torch

    x = torch.rand(400, 1, 96, 101, generator=torch.Generator().manual_seed(0)) + 1
    x[:, 0, 40, 50] = -1.0
    batch = {"x": x, "y": torch.zeros(400, 200)}
    changed = task_training("fsd50k").augment(batch, torch.Generator().manual_seed(1))
    again = task_training("fsd50k").augment(batch, torch.Generator().manual_seed(1))
    assert torch.equal(changed["x"], again["x"])
    masked = changed["x"] == -1.0
    rows, columns = masked.all(dim=3)[:, 0].sum(dim=1), masked.all(dim=2)[:, 0].sum(dim=1)
    assert int(rows.max()) <= 2 * 14
    assert int(columns.max()) <= 2 * 20
    assert int(rows.max()) > 14
    touched = (masked.sum(dim=(1, 2, 3)) > 1).float().mean()
    assert 0.4 < float(touched) < 0.6
    assert torch.equal(changed["x"][~masked], x[~masked])
    assert changed["y"] is batch["y"]


def test_patches_are_trained_on_in_decibels():
    """Whatever type they come in: who uses a trained network may have them as other numbers."""
    import torch

    task = task_training("fsd50k")
    x = torch.randint(-32_767, 32_768, (40, 1, 96, 101), generator=torch.Generator().manual_seed(0)).to(torch.int16)
    decibels = task.inputs({"x": x})
    assert decibels.dtype == torch.float32
    assert float(decibels.abs().max()) == pytest.approx(80, rel=1e-3)
    assert torch.equal(task.inputs({"x": x.float()}), decibels)
    changed, other = (task.augment({"x": values}, torch.Generator().manual_seed(1))["x"] for values in (x, x.float()))
    assert torch.equal(changed, other)
    masked = changed != x
    assert torch.equal(task.inputs({"x": changed})[~masked], decibels[~masked])


def test_patches_of_an_earlier_version_are_refused(tmp_path):
    about = {"task": "fsd50k", "origin": "simulated", "licence": "none", "parameters": {}, "sources": {}}
    with DatasetWriter(tmp_path / "d.h5", **about) as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((1, 96, 101), "float32"), y=((200,), "uint8"), group=((), "int32"))
            split.append(None, x=np.zeros((1, 1, 96, 101)), y=np.zeros((1, 200)), group=[0])
    with (
        Dataset(tmp_path / "d.h5") as data,
        pytest.raises(UserError, match=r"d\.h5: its patches are those of an earlier"),
    ):
        task_training("fsd50k").fit(data.split("train"))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_sound_that_is_no_number_is_refused(value):
    sound = np.random.default_rng(0).standard_normal((2, 22_050)).astype(np.float32)
    sound[1, 300] = value
    with pytest.raises(DataError, match=r"^a\.wav: NaN, infinity or far too large values among its samples"):
        spectrograms(sound, PreprocessSettings(), "a.wav")


def test_score_is_mean_average_precision_of_clips():
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 5, size=30)
    group = np.repeat(np.arange(30), sizes).astype(np.int32)
    labels = (rng.random((30, 200)) < 0.1).astype(np.uint8)
    labels[:, 7] = 0
    outputs = rng.normal(size=(len(group), 200)).astype(np.float32)
    precisions = []
    for label in np.flatnonzero(labels.any(axis=0)):
        mean = [outputs[group == clip, label].mean() for clip in range(30)]
        hits = labels[np.argsort(mean)[::-1], label]
        precisions.append((np.cumsum(hits) / np.arange(1, 31))[hits == 1].mean())
    score = scores("fsd50k", outputs, {"y": np.repeat(labels, sizes, axis=0), "group": group})
    assert score["value"] == pytest.approx(np.mean(precisions))
    assert score["labels_scored"] == len(precisions) < 200
    assert score["clips"] == 30
    with pytest.raises(DataError, match="no label"):
        scores("fsd50k", outputs[:1], {"y": np.zeros((1, 200)), "group": group[:1]})


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


def _stereo(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(4000))


def _replace(old, new):
    def change(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def _header_only(path):
    path.write_text(path.read_text().splitlines()[0] + "\n")


FAULTS = {
    "truncated sound": ("dev_audio", "*", _truncate, "truncated: its header says"),
    "not a sound": ("dev_audio", "*", lambda path: path.write_bytes(b"RIFF" + bytes(40)), "not a wave file"),
    "two channels": ("eval_audio", "*", _stereo, "2 channels"),
    "unknown label": ("ground_truth", "dev.csv", _replace("ing_", "ing-"), "not in the vocabulary"),
    "missing column": ("ground_truth", "eval.csv", _replace("labels", "tags"), "expected fname and labels"),
    "short row": ("ground_truth", "dev.csv", _replace(",val", ""), "as many columns"),
    "split": ("ground_truth", "dev.csv", _replace(",val", ",dev"), "expected train or val"),
    "no clips": ("ground_truth", "eval.csv", _header_only, "'test' is empty"),
    "missing clip": ("ground_truth", "eval.csv", _replace("mids\n", "mids\n7,Rising,/m/x\n"), "7.wav"),
    "no number": ("ground_truth", "eval.csv", _replace("mids\n", "mids\nclip"), "clip clip[0-9]+, expected its number"),
    "vocabulary": ("ground_truth", "vocabulary.csv", lambda path: path.write_text("0,Rising,/m/x\n"), "expected 200"),
    "vocabulary index": ("ground_truth", "vocabulary.csv", _replace("0,", "zero,"), "not a number"),
}  # fmt: skip


def test_another_mel_scale_is_refused(simulated, tmp_path):
    with pytest.raises(ValidationError, match=r"mel_scale\n.*'htk' or 'slaney'"):
        preprocessed(simulated, tmp_path / "d.h5", mel_scale="htx")


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_names_the_file_and_leaves_nothing(simulated, tmp_path, fault):
    role, name, change, message = FAULTS[fault]
    path = simulated.all(role, name)[0].path
    change(path)
    with pytest.raises(DataError, match=message) as caught:
        preprocessed(simulated, tmp_path / "data" / "d.h5", n_mels=32, hop=441)
    assert str(path) in str(caught.value)
    assert not list((tmp_path / "data").iterdir())


def test_all_clips_are_checked_before_the_work_and_named_together(simulated, tmp_path, monkeypatch):
    clips = [file.path for role in ("dev_audio", "eval_audio") for file in simulated.all(role)]
    bad = [clips[0], clips[3], clips[-1]]
    for path in bad:
        _truncate(path)
    monkeypatch.setattr("nasperf360.tasks.fsd50k.data.log_mel", lambda *_, **__: pytest.fail("the work has begun"))
    with pytest.raises(DataError, match=f"^3 of {len(clips)} files are faulty: ") as caught:
        preprocessed(simulated, tmp_path / "d.h5")
    assert all(f"{path}: truncated: its header says" in str(caught.value) for path in bad)


PEAK = """
import sys, pathlib
sys.path[:0] = [{scripts!r}]
from nasperf360.data.preprocess import preprocess
from nasperf360.data.raw import RawFiles
preprocess("fsd50k", RawFiles.open({manifest!r}), {data!r}, {{}})
status = pathlib.Path("/proc/self/status").read_text()  # ru_maxrss would count the parent's memory too
print(status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_memory_does_not_grow_with_the_clips(tmp_path):
    peaks = []
    for count in (20, 400):  # 3 and 60 MB of patches
        folder = tmp_path / str(count)
        options = {**SMALL, "train": count, "seconds": [1.9, 2.0]}
        manifest = listed("fsd50k", folder, simulated_files("fsd50k", folder, options, generator("memory"))).manifest
        code = PEAK.format(
            scripts=str(ROOT / "workflow" / "scripts"), manifest=str(manifest), data=str(folder / "d.h5")
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout) / 1024)
    assert peaks[1] - peaks[0] < 30, peaks  # MB
    assert peaks[1] < 1000


@pytest.mark.slow
def test_a_small_network_learns_what_a_linear_model_cannot(tmp_path):
    import torch
    from torch import nn

    from nasperf360.training.batches import Loader

    options = yaml.safe_load((ROOT / "config" / "scales" / "demo.yaml").read_text())
    files = simulated_files("fsd50k", tmp_path / "raw", options["simulate"]["fsd50k"], generator("demo"))
    data = preprocessed(listed("fsd50k", tmp_path / "raw", files), tmp_path / "d.h5", **options["preprocess"]["fsd50k"])
    train, test = data.final(SPEC.merge_valid)
    task, shape = task_training("fsd50k"), train.shape("x")
    loader = Loader(train, 32, torch.device("cpu"), one_per_group=SPEC.one_per_group)

    def mean_average_precision(model, rate):
        torch.set_num_threads(1)
        optimiser = torch.optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=True)
        order, masks = np.random.default_rng(0), torch.Generator().manual_seed(0)
        for _ in range(24):
            for raw in loader.shuffled(order):
                batch = task.augment(raw, masks)
                optimiser.zero_grad()
                task.loss(model(task.inputs(batch)), batch).backward()
                optimiser.step()
        model.eval()
        with torch.no_grad():
            outputs = task.predict(model, {"x": torch.from_numpy(test.load("x"))}).numpy()
        return scores("fsd50k", outputs, test.targets())["value"]

    def block(inside, outside, stride):
        return [nn.Conv2d(inside, outside, 3, stride, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]

    prior = scores("fsd50k", np.tile(train.load("y").mean(axis=0), (len(test), 1)), test.targets())["value"]
    torch.manual_seed(0)
    layers = [*block(1, 8, 2), *block(8, 16, 2), *block(16, 16, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = mean_average_precision(nn.Sequential(nn.BatchNorm2d(1), *layers, nn.Linear(16, 200)), 0.3)
    size = int(np.prod(shape))
    linear = mean_average_precision(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(size), nn.Linear(size, 200)), 0.01)
    assert linear < 0.4
    assert max(prior, linear) + 0.1 < network < 0.9
