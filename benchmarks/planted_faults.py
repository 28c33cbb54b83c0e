"""Plant one-line faults in the library, one at a time, and see which of them the fast tests catch.

A seed draws each fault from the syntax trees of the whole library: first a kind, all equally likely, then a place of
that kind. It is applied in a clone of the checkout (of what is committed). There the tests that belong to the file run
first and, if these pass, all fast tests. A test that fails counts only if it passes in a clone without the fault; tests
that never end count too. Every survivor is printed with its line, those too that change nothing that matters: which
these are is for the reader to say.

Left out by rule, since no fault can be told from a choice there: code that only speaks (errors, logs, progress, labels,
text, ``__repr__``), how drawings look, what only guards the program against its own mistakes, as ``assert`` does, and
what only moves memory. See ``Sites``, ``SPEAKS``, ``TELLS``, ``LOOKS``, ``DECORATES``, ``GUARDS``, ``MOVES`` and
``PIECES``.

    python benchmarks/planted_faults.py --seed 1 --count 40
"""

import argparse
import ast
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = Path("workflow/scripts/nasperf360")
SPEAKS = (
    "labels.py",  # of the package, and of every task, space and algorithm
    "settings/messages.py",
    "errors.py",
    "figures/style.py",
    "figures/diagram.py",
    "drawing.py",
)
"""Ends of the paths of files that only speak, or say how a drawing looks."""
TELLS = re.compile(r"^(log|print|warn|set_postfix|set_verbosity|tqdm|write|\w*Error|refusal|annotate|text|legend)$")
"""Functions whose arguments are for people."""
LOOKS = {
    *("alpha", "fontsize", "handlelength", "handletextpad", "columnspacing", "labelsize", "linewidth", "lw"),
    *("markersize", "ms", "s", "solid_capstyle", "zorder", "ha", "va", "interpolation"),
}
"""Keywords in ``figures/`` that say how something is drawn, neither what nor where."""
DECORATES = {"grid", "tick_params"}
"""Functions that do so, there."""
GUARDS = {"zip": {"strict"}, "dataclass": {"frozen", "kw_only"}, "load": {"weights_only"}}
"""Keywords by function that refuse what the program never does: with and without them it computes the same."""
MOVES = {"non_blocking", "overwrite_x", "memory_format"}
"""Keywords that say when or where memory is written, not what."""
PIECES = re.compile(r"^(BLOCK|PIECE|ROWS|(BLOCK|CHUNK)_(BYTES|VALUES))$")
"""Constants that say how much is read, written or computed at a time; a block of ``spaces/`` is one of layers."""
SPLITS = {"train": "test", "test": "train", "valid": "train", "final_train": "final_test", "final_test": "final_train"}
COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OF_A_DRAW = COMPARISONS | {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.Gt, ast.GtE: ast.Lt}
"""Where one side is drawn from a continuum: it never equals the other."""
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
UNWRAPPED = {
    "abs",
    "clamp",
    "clamp_min",
    "clip",
    "copy",
    "detach",
    "exp",
    "log",
    "mean",
    "sorted",
    "sqrt",
    "sum",
    "float",
}


@dataclass(frozen=True)
class Fault:
    """Bytes ``start`` to ``stop`` of a file, which begin in ``line``, become ``after``."""

    kind: str
    file: str  # below the library
    line: int
    start: int
    stop: int
    before: str
    after: str

    def applied(self, source: bytes) -> bytes:
        """The file with the fault."""
        return source[: self.start] + self.after.encode() + source[self.stop :]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}: {self.before.strip()} -> {self.after.strip()}"


class Sites(ast.NodeVisitor):
    """Finds where a fault of each kind can be planted in a file."""

    def __init__(self, file: str, source: bytes):
        self.file, self.source, self.found = file, source, list[Fault]()
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.visit(ast.parse(source))

    def add(self, kind: str, node: ast.expr | ast.stmt | ast.keyword, after: str, upto: ast.expr | None = None) -> None:
        """One at a node that stands in one line; ``upto``: the node ends where that one begins."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self.starts[node.lineno - 1] + node.col_offset
        stop = self.starts[node.end_lineno - 1] + node.end_col_offset
        if upto is not None:
            stop = self.starts[upto.lineno - 1] + upto.col_offset
        before = self.source[start:stop].decode()
        if "\n" not in before and before != after:
            self.found.append(Fault(kind, self.file, node.lineno, start, stop, before, after))

    # What only speaks, or says what a type is.

    def visit_Raise(self, node: ast.Raise) -> None:
        pass

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass

    def visit_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if not (isinstance(target, ast.Name) and PIECES.match(target.id)) or self.file.startswith("spaces/"):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        pass

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name in ("__repr__", "__str__"):
            return
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        inside = [inner for statement in node.body for inner in ast.walk(statement)]
        speaks = isinstance(body[-1], ast.Raise | ast.Assert) if body else True
        # Its last statement is not reached. Where something is given back, a caller would see at once that nothing is.
        gives = any(isinstance(inner, ast.Yield | ast.YieldFrom | ast.Return) for inner in inside)
        says = (
            bool(body)
            and isinstance(body[-1], ast.Expr)
            and isinstance(body[-1].value, ast.Call)
            and _tells(body[-1].value)
        )
        if len(body) > 1 and not speaks and not gives and not says:
            self.add("return early", body[-1], "return")
        for part in (*node.args.defaults, *(value for value in node.args.kw_defaults if value), *node.body):
            self.visit(part)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self.condition(node.test)
        self.visit(node.test)
        for block in (node.body, node.orelse):
            self.block(block)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.block(node.body)

    def block(self, statements: list[ast.stmt]) -> None:
        """One that ends in an error only prepares, by assignments, what this says."""
        if not (statements and isinstance(statements[-1], ast.Raise)) or not all(
            isinstance(statement, ast.Assign) for statement in statements[:-1]
        ):
            for statement in statements:
                self.visit(statement)

    # What a fault can be planted in.

    def condition(self, test: ast.expr) -> None:
        negated = ast.UnaryOp(ast.Not(), test)
        self.add("negate condition", test, f"({ast.unparse(negated)})")

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.condition(test)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = (node.left, *node.comparators)
        drawn = any(isinstance(side, ast.Call) and _name(side) == "random" for side in sides)
        first = (OF_A_DRAW if drawn else COMPARISONS)[type(node.ops[0])]()
        self.add("swap comparison", node, ast.unparse(ast.Compare(node.left, [first, *node.ops[1:]], node.comparators)))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        text = any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in (node.left, node.right))
        if type(node.op) in ARITHMETIC and not text:
            other = ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
            self.add("swap arithmetic", node, f"({ast.unparse(other)})")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add("swap and with or", node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.add("constant", node, str(not value))
        elif isinstance(value, int | float):
            self.add("constant", node, repr(value + 1 if isinstance(value, int) else value * 2))
            self.add("constant", node, "0" if value else "1")
        elif isinstance(value, str) and value in SPLITS:
            self.add("swap split", node, f'"{SPLITS[value]}"')

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call) and not _tells(node.value) and not self._decorates(node.value):
            self.add("drop call", node, "pass")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _tells(node) or self._decorates(node):
            return
        kept = [keyword for keyword in node.keywords if not self._is_choice(node, keyword.arg)]
        for keyword in kept:
            if keyword.arg and keyword.arg not in ("description", "desc", "label", "unit", "source"):
                rest = [other for other in node.keywords if other is not keyword]
                self.add("drop keyword", node, ast.unparse(ast.Call(node.func, node.args, rest)))
        if isinstance(node.func, ast.Attribute) and node.func.attr in UNWRAPPED:
            module = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "torch", "math", "F")
            inner = node.args[0] if module and node.args else node.func.value
            if not (module and not node.args):
                self.add("unwrap call", node, f"({ast.unparse(inner)})")
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in kept:
            if keyword.arg not in ("description", "desc", "label", "unit"):
                self.visit(keyword.value)

    def _decorates(self, call: ast.Call) -> bool:
        return self.file.startswith("figures/") and _name(call) in DECORATES

    def _is_choice(self, call: ast.Call, keyword: str | None) -> bool:
        """Whether a keyword changes nothing that is computed or shown."""
        guards = GUARDS.get(_name(call), set())
        return keyword in guards or keyword in MOVES or (self.file.startswith("figures/") and keyword in LOOKS)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _tells(call: ast.Call) -> bool:
    # A file's write and a progress bar's have one name: text is written by ``write_text`` in the library.
    return bool(TELLS.match(_name(call)))


@cache
def sites(root: Path) -> tuple[Fault, ...]:
    """All faults that could be planted in the library below ``root``, in a fixed order."""
    found: list[Fault] = []
    for path in sorted((root / LIBRARY).rglob("*.py")):
        file = path.relative_to(root / LIBRARY).as_posix()
        if not file.endswith(SPEAKS):
            found += Sites(file, path.read_bytes()).found
    return tuple(found)


def draw(root: Path, seed: int, count: int) -> list[Fault]:
    """Faults drawn without replacement, one a line at most: a kind first, then a place."""
    rng, kinds = random.Random(seed), dict[str, list[Fault]]()
    for fault in sites(root):
        kinds.setdefault(fault.kind, []).append(fault)
    for places in kinds.values():
        rng.shuffle(places)
    drawn: list[Fault] = []
    while len(drawn) < count:
        places = kinds[rng.choice(sorted(kinds))]
        if places and not any((place := places[-1]).file == old.file and place.line == old.line for old in drawn):
            drawn.append(places[-1])
        if places:
            places.pop()
    return drawn


# Tests that belong to a part of the library, besides those that name the module; the first that fits.
BELONG: tuple[tuple[str, str], ...] = (
    (r"tasks/shared/", "tests/tasks tests/contracts/test_task_contract.py"),
    (r"tasks/(\w+)/benchmark", "tests/tasks/test_benchmark_files.py"),
    (r"tasks/spherical/data", "tests/tasks/test_spherical.py tests/tasks/test_cifar100.py"),
    (r"tasks/(\w+)/", r"tests/tasks/test_\1.py tests/joints/test_edges.py tests/joints/test_published_constants.py"),
    (r"algorithms/shared/", "tests/joints/test_joint_searches.py tests/algorithms"),
    (r"algorithms/(\w+)/", r"tests/joints/test_joint_searches.py tests/algorithms/test_\1.py"),
    (
        r"spaces/shared/",
        "tests/spaces tests/golden tests/joints/test_initial_weights.py tests/contracts/test_space_contract.py",
    ),
    (
        r"spaces/(\w+)/",
        r"tests/spaces/test_\1.py tests/golden tests/joints/test_initial_weights.py"
        r" tests/contracts/test_space_contract.py",
    ),
    (r"training/", "tests/joints tests/unit/test_training.py"),
    (r"stages/", "tests/methods/test_experiments.py tests/methods/test_verified_run.py tests/unit/test_provenance.py"),
    (r"(tables|figures|report)/", "tests/results tests/pages"),
    (r"data/(s3|publi\w+)|study/(bundles|publications)", "tests/services"),
    (r"(study|settings)/", "tests/unit/test_settings.py tests/results tests/unit/test_estimate.py tests/methods"),
    (r"fork_server/", "tests/unit/test_fork_server.py"),
    (r"data/", "tests/joints/test_edges.py tests/joints/test_limits.py tests/unit/test_every_split.py"),
    (r"", ""),
)
EVERYWHERE = ("tests/unit/test_systems.py", "tests/unit/test_layers.py")
"""Tests of every file."""
CONTRACTS = {"tasks": "task", "algorithms": "algorithm", "spaces": "space"}


def commands(root: Path, file: str) -> list[list[str]]:
    """Arguments of pytest for a fault in a file, in the order in which to try them; the last are all fast tests."""
    dotted = "nasperf360." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    package, _, module = dotted.rpartition(".")
    named = re.compile(rf"{re.escape(dotted)}\b|from {re.escape(package)} import .*\b{module}\b")
    tests = sorted((root / "tests").rglob("test_*.py"))
    by_name = [path.relative_to(root).as_posix() for path in tests if named.search(path.read_text(encoding="utf-8"))]
    rule, belonging = next((rule, belonging) for rule, belonging in BELONG if re.match(rule, file))
    match = re.match(rule, file)
    assert match is not None
    others = [name for name in match.expand(belonging).split() if (root / name).exists()]
    declared = ["tests/unit/test_settings.py"] if file.endswith(("/spec.py", "settings.py")) else []
    tried = [list(dict.fromkeys([*others, *by_name, *declared, *EVERYWHERE]))]
    kind, name = [*file.split("/"), ""][:2]
    if kind in CONTRACTS and name != "shared":
        tried.append([f"tests/contracts/test_{CONTRACTS[kind]}_contract.py", "-k", name])
    return [*tried, []]


def first_failure(printed: str) -> str:
    """The name of the first test that failed, from pytest's summary; parameters may hold spaces."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+::\w+(?:\[.*?\])?|\S+)(?: - .*)?$", printed, re.MULTILINE)
    return found[1] if found else ""


@dataclass
class Outcome:
    """What the tests said to a fault."""

    fault: Fault
    caught_by: str  # a test, "no end", or nothing: a survivor
    seconds: float


class Trials:
    """Clones of the checkout: one without a fault, and one for each worker."""

    def __init__(self, folder: Path, quick: bool, limit: float):
        self.folder, self.quick, self.limit = folder, quick, limit
        shared = ROOT.parent / "shared"
        if shared.is_dir():
            (folder / "shared").symlink_to(shared)  # real samples, where tests look for them
        self.clean, self.passing = self.clone("clean"), dict[tuple[str, ...], bool]()

    def clone(self, name: str) -> Path:
        """A clone of what is committed."""
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder / name)], check=True)
        return self.folder / name

    def pytest(self, root: Path, arguments: Sequence[str]) -> tuple[str, str]:
        """The first test that fails, ``no end``, or nothing; and all that was printed."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-n", "0", "-p", "no:cacheprovider", *arguments]
        settings = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        process = subprocess.Popen(
            command,
            cwd=root,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "no end", ""
        if process.returncode in (0, 5):  # 5: none was chosen
            return "", printed
        return first_failure(printed) or "the tests do not start", printed

    def passes_without(self, test: str, arguments: Sequence[str]) -> bool:
        """Whether that test, or all of those, pass without a fault."""
        chosen = (test,) if "::" in test else tuple(arguments)
        if chosen not in self.passing:
            self.passing[chosen] = self.pytest(self.clean, chosen)[0] == ""
        return self.passing[chosen]

    def run(self, number: int, fault: Fault) -> Outcome:
        """Plant a fault in a clone of its own, and test it."""
        began, root = time.monotonic(), self.clone(f"fault-{number}")
        path = root / LIBRARY / fault.file
        path.write_bytes(fault.applied(path.read_bytes()))
        caught = ""
        for arguments in commands(root, fault.file):
            if not arguments and self.quick:
                break
            caught, _ = self.pytest(root, arguments)
            if caught and self.passes_without(caught, arguments):
                break
            caught = ""
        shutil.rmtree(root)
        outcome = Outcome(fault, caught, time.monotonic() - began)
        print(f"{number + 1}: {caught or 'SURVIVES'} ({outcome.seconds:.0f} s): {fault}", file=sys.stderr, flush=True)
        return outcome


def report(outcomes: Sequence[Outcome], seed: int, quick: bool) -> Iterator[str]:
    """Lines of a Markdown table, and every survivor with its line."""
    survivors = [outcome for outcome in outcomes if not outcome.caught_by]
    tests = "the tests that belong to the file" if quick else "the fast tests"
    yield f"Seed {seed}: {tests} catch {len(outcomes) - len(survivors)} of {len(outcomes)} faults."
    yield ""
    yield "| | file and line | kind | before | after | caught by |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for number, outcome in enumerate(outcomes, 1):
        fault = outcome.fault
        before, after = (f"`` {text.replace('|', chr(92) + '|')} ``" for text in (fault.before, fault.after))
        caught = outcome.caught_by or "**survives**"
        yield f"| {number} | {fault.file}:{fault.line} | {fault.kind} | {before} | {after} | {caught} |"
    yield ""
    yield "Survivors:" if survivors else "No survivor."
    for outcome in survivors:
        source = (ROOT / LIBRARY / outcome.fault.file).read_text(encoding="utf-8").splitlines()
        yield f"- {outcome.fault}"
        yield f"      {source[outcome.fault.line - 1].strip()}"


def main() -> None:
    """Draw, plant, test, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--count", type=int, default=40, help="how many faults")
    parser.add_argument("--numbers", type=int, nargs="*", help="of these faults of the draw only, from 1")
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time")
    parser.add_argument("--quick", action="store_true", help="leave out the run of all fast tests at the end")
    parser.add_argument("--list", action="store_true", help="only say what was drawn")
    parser.add_argument("--limit", type=float, default=1800, help="seconds after which a run of tests has no end")
    parser.add_argument("--output", type=Path, help="a JSON file of the outcomes")
    given = parser.parse_args()
    faults = draw(ROOT, given.seed, given.count)
    if given.numbers:
        faults = [faults[number - 1] for number in given.numbers]
    if given.list:
        print(*faults, sep="\n")
        return
    with tempfile.TemporaryDirectory(prefix="planted-faults-") as folder:
        trials = Trials(Path(folder), given.quick, given.limit)
        with ThreadPoolExecutor(given.jobs) as pool:
            outcomes = list(pool.map(trials.run, range(len(faults)), faults))
    print(*report(outcomes, given.seed, given.quick), sep="\n")
    if given.output:
        given.output.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
