"""The form of a source text that its digest is of: what it does, without a comment, a docstring, or where lines break.

The same source has the same form on every Python from 3.11. What only speaks is no part of it: the arguments of errors
and of ``log(...)``, docstrings, what is for type checkers alone, and the declarations of settings, whose values are
params. Whatever only looks like one of these counts: a rerun too many costs hours, one too few a wrong result.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

SETTINGS = ("Settings", "Switches", "Options", "Overrides")
"""How the names of pydantic models of settings end; their fields and validators are declarations."""

ERRORS = (
    *("UserError", "DataError", "DivergedError", "NoGpuError", "ShortOfMemoryError", "NotFiniteError", "DamagedError"),
    *("ValueError", "TypeError", "RuntimeError", "OSError", "FileNotFoundError", "AttributeError", "UnpicklingError"),
)
"""Errors that say something. Others may carry it, and a loss be called so: ``MeanSquaredError(squared=False)``."""

KINDS = ("Annotated", "Literal")

SPOKEN = ("log", "tqdm.write")
"""Calls whose words are for the log; what others of such a name do may count, as ``x.log(...)``."""

VALIDATORS = ("field_validator", "model_validator")

_LEFT_OUT = {"ctx", "kind", "type_comment"}  # fields of nodes
_BODIES = {"body", "orelse", "finalbody"}  # fields that hold statements


def analyse(text: str) -> list[Any]:
    """Digest and imported names of a source text."""
    tree = ast.parse(text)
    if "get_args" in text:  # which reads the words of a kind while it runs
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _name(node.value) in KINDS:
                node.value = ast.Tuple([node.value])
    return [hashlib.sha256(_dump(tree).encode()).hexdigest()[:8], imported_names(tree)]


def _dump(node: Any) -> str:
    """A syntax tree as text, without positions, without what only speaks, and without what only some Pythons have.

    Absent and empty fields go: later versions of Python add such to nodes of old.
    """
    kind = type(node)
    if kind is ast.Name:  # these and constants are most of all nodes
        return f"Name(id={node.id!a})"
    if kind is ast.Constant:
        return f"Constant(value={node.value!a})" if node.value is not None else "Constant()"
    if kind is list:
        return f"[{', '.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return ascii(node)  # not repr, which knows the printable characters of one version of Unicode
    changed = _CHANGED[kind](node) if kind in _CHANGED else {}
    said = []
    for name in kind._fields:
        if name in _LEFT_OUT:
            continue
        value = changed[name] if name in changed else getattr(node, name, None)
        if name in _BODIES and type(value) is list:
            value = [statement for found in value for statement in _doing(found)]
            if name == "body" and not value:
                value = [ast.Pass()]  # what a body is without its docstring
        if value is not None and value != []:
            said.append(f"{name}={_dump(value)}")
    return f"{kind.__name__}({', '.join(said)})"


def _call(node: ast.Call) -> dict[str, Any]:
    return {"args": [], "keywords": []} if _name(node.func) in ERRORS else {}


def _raise(node: ast.Raise) -> dict[str, Any]:
    """Of another exception, what it says goes, and what it carries stays."""
    raised = node.exc
    if not isinstance(raised, ast.Call):
        return {}
    return {"exc": ast.Call(raised.func, [each for each in raised.args if not _is_text(each)], raised.keywords)}


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) and _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _expression(node: ast.Expr) -> dict[str, Any]:
    call = node.value
    if isinstance(call, ast.Call) and ast.unparse(call.func) in SPOKEN:
        return {"value": ast.Call(call.func, [], [])}
    return {}


def _class(node: ast.ClassDef) -> dict[str, Any]:
    """Models of settings have no decorator; a dataclass of such a name is none."""
    settings = any(_name(base).endswith(SETTINGS) for base in node.bases) and not node.decorator_list
    return {"body": [statement for statement in node.body if not _is_declaration(statement)]} if settings else {}


def _text(node: ast.JoinedStr) -> dict[str, Any]:
    return {"values": list(_merged(node.values))}


def _value(node: ast.FormattedValue) -> dict[str, Any]:
    formatted = list(_merged(getattr(node.format_spec, "values", [])))
    return {} if formatted else {"format_spec": None}


_CHANGED: dict[type[ast.AST], Callable[[Any], dict[str, Any]]] = {
    ast.Call: _call,
    ast.Raise: _raise,
    ast.Expr: _expression,
    ast.ClassDef: _class,
    ast.JoinedStr: _text,
    ast.FormattedValue: _value,
}
"""What stands in place of fields of a node, by its kind: without what only speaks, or what parsers differ in."""


def _name(node: ast.AST) -> str:
    """The last part of a name or an attribute, else nothing."""
    if isinstance(node, ast.Call | ast.Subscript):
        return _name(node.func if isinstance(node, ast.Call) else node.value)
    name: str = getattr(node, "attr", getattr(node, "id", ""))
    return name


def _merged(values: list[ast.expr]) -> Iterator[ast.expr]:
    """The parts of an f-string, with texts that stand side by side in one: parsers differ in where they cut."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)


def _is_declaration(statement: ast.stmt) -> bool:
    """Whether a statement of a class of settings declares a field or checks its values."""
    if isinstance(statement, ast.AnnAssign):
        return _name(statement.annotation) != "ClassVar"
    if isinstance(statement, ast.FunctionDef):
        return any(_name(decorator) in VALIDATORS for decorator in statement.decorator_list)
    return False


def _doing(statement: ast.stmt) -> list[ast.stmt]:
    """A statement without what does nothing: texts by themselves, imports for type checkers, names of types."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return [] if isinstance(statement.value.value, str) else [statement]
    if isinstance(statement, ast.If) and _name(statement.test) == "TYPE_CHECKING":
        return [found for other in statement.orelse for found in _doing(other)]
    if isinstance(statement, ast.Assign) and _name(statement.value) in KINDS:
        return []
    return [statement]


def imported_names(node: ast.AST) -> list[str]:
    """Names imported anywhere below ``node``, also inside functions, but not for type checkers only.

    Relative ones keep their leading dots: what they stand for depends on the file, which the cache does not know.
    """
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _name(child.test) == "TYPE_CHECKING":
            names += [name for branch in child.orelse for name in imported_names(branch)]
        elif isinstance(child, ast.expr):
            continue  # which holds no statement, and of which there are most
        elif isinstance(child, ast.Import):
            names += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            prefix = f"{module}." if child.module else module
            names += [module, *(prefix + alias.name for alias in child.names)]
        else:
            names += imported_names(child)
    return names
