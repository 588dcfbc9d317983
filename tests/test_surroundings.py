"""Issue 11, kind 11: nothing that we read or start depends on the locale or on the working directory."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = [
    file
    for room in ("bridge", "cerebros", "grid_graphql", "telemetry", "priv")
    for file in sorted((ROOT / room).rglob("*.py"))
    if not file.is_relative_to(ROOT / "bridge/pb")
]

OF_TEXT = {"read_text", "write_text"}
WITH_A_MODE = {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile"}


def name_of(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def reads_or_writes_text(call):
    """True for a call that turns bytes into text, or text into bytes, by an encoding."""
    given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    if name_of(call) in WITH_A_MODE:
        told = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        modes = [mode for mode in (*told, given.get("mode")) if isinstance(mode, str) and set(mode) <= set("rwaxbt+")]
        usual = isinstance(call.func, ast.Name) and not modes
        return usual or any("b" not in mode for mode in modes)
    return name_of(call) in OF_TEXT or given.get("text") is True


def calls(file):
    return [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


def test_every_text_is_read_and_written_as_utf_8():
    unsaid = [
        f"{file.relative_to(ROOT)}:{call.lineno}"
        for file in FILES
        for call in calls(file)
        if reads_or_writes_text(call) and "encoding" not in {keyword.arg for keyword in call.keywords}
    ]
    assert unsaid == []


def arguments_of(node):
    """The constants of a list, or of a call's arguments."""
    return {getattr(one, "value", None) for one in getattr(node, "elts", None) or getattr(node, "args", None) or ()}


def test_every_python_is_started_without_its_working_directory():
    """`python -m` looks there first; `module_command` says `-P`, and so does the one beneath it."""
    careless = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple | ast.Call) and arguments_of(node) & {"-m", "-P"} == {"-m"}
    ]
    assert careless == []
