#!/usr/bin/env python3
"""Compares the description of requests with botocore's model of the API, and writes docs/parameters.md.

Fails if the model has an operation or a parameter that neither src/dynamo/shape/model.txt nor parameters.txt knows, or if
one is of another type. `--check` writes nothing, and fails if the document is not what it would write. `--bounds` also
tells where constraints differ, which they may: the service is not in all as its model says.
"""

import fnmatch
import pathlib
import sys

import botocore.loaders

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DESCRIPTION = ROOT / "src/dynamo/shape/model.txt"
STATUSES = HERE / "parameters.txt"
DOCUMENT = ROOT / "docs/parameters.md"
SERVICES = ("dynamodb", "dynamodbstreams")


class Shape:
    """A shape, of the description or of botocore's model alike."""

    def __init__(self, kind, members=None, of=None, bounds=None, words=None, required=()):
        self.kind, self.members, self.of = kind, members or {}, of
        self.bounds, self.words, self.required = bounds, words, set(required)


def described():
    """The operations of the description, by name."""
    shapes, operations, current = {"AttributeValue": Shape("attribute value")}, {}, None
    for line in DESCRIPTION.read_text().splitlines():
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if line.startswith(" "):
            name = words[0].rstrip("!")
            current.members[name] = (shapes, words[1])
            if name != words[0]:
                current.required.add(name)
            continue
        kind, name, rest = words[0], words[1], words[2:]
        bounds = rest.pop(0) if rest and ".." in rest[0] else None
        if bounds and rest and rest[0].endswith("-max"):
            rest.pop(0)  # the setting that lifts the upper bound
        if kind in ("operation", "structure"):
            current = Shape("structure")
            (operations if kind == "operation" else shapes)[name] = current
        elif kind == "list":
            shapes[name] = Shape("list", of=(shapes, rest[0]), bounds=bounds)
        elif kind == "map":
            shapes[name] = Shape("map", of=(shapes, rest[1]), bounds=bounds)
        else:
            kind = "string" if kind == "enum" else kind
            shapes[name] = Shape(kind, bounds=bounds, words=set(rest) if words[0] == "enum" else None)
    return operations


class Model(dict):
    """The shapes of a service, read when asked for."""

    def __init__(self, shapes):
        super().__init__()
        self.raw = shapes

    def __missing__(self, name):
        raw = self.raw[name]
        bounds = None
        if "min" in raw or "max" in raw:
            bounds = f"{raw.get('min') or ''}..{raw.get('max', '')}"
        self[name] = shape = Shape(raw["type"], bounds=bounds, words=set(raw["enum"]) if "enum" in raw else None)
        if name == "AttributeValue":
            shape.kind = "attribute value"
        elif raw["type"] == "structure":
            shape.members = {name: (self, of["shape"]) for name, of in raw["members"].items()}
            shape.required = set(raw.get("required", ()))
        elif raw["type"] in ("list", "map"):
            shape.of = (self, raw["member" if raw["type"] == "list" else "value"]["shape"])
        return shape


def modelled():
    """The operations of the API, by name, and which service has them."""
    operations = {}
    for service in SERVICES:
        raw = botocore.loaders.Loader().load_service_model(service, "service-2")
        model = Model(raw["shapes"])
        for name, operation in raw["operations"].items():
            operations[name] = model[operation["input"]["shape"]] if "input" in operation else Shape("structure")
    return operations


def get(reference):
    shapes, name = reference
    return shapes[name]


def parameters(shape, path=""):
    """All parameters below a shape: their paths, with `[]` for elements and `{}` for values, and their shapes."""
    for name, reference in shape.members.items():
        below = f"{path}.{name}" if path else name
        member = get(reference)
        while True:
            yield below, member, name in shape.required
            if member.kind not in ("list", "map"):
                break
            below += "[]" if member.kind == "list" else "{}"
            inner = get(member.of)
            if inner.kind not in ("structure", "list", "map"):
                break
            member = inner
            if inner.kind == "structure":
                break
        if member.kind == "structure":
            yield from parameters(member, below)


def statuses():
    """The lines of parameters.txt: of parameters, and of operations."""
    of_parameters, of_operations = [], {}
    for line in STATUSES.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        subject, status = line.split(": ", 1)
        operation, parameter = subject.split(" ")
        if operation == "operation":
            of_operations[parameter] = status
        else:
            of_parameters.append((operation, parameter, status))
    return of_parameters, of_operations


def status_of(lines, operation, parameter):
    """The status of a parameter, if a line speaks of it or of what it is within."""
    found = None
    plain = parameter.replace("[]", "").replace("{}", "")
    for of_operation, pattern, status in lines:
        if fnmatch.fnmatchcase(operation, of_operation) and fnmatch.fnmatchcase(plain, pattern):
            found = status
    return found


def type_of(shape):
    if shape.words:
        return "one of " + ", ".join(f"`{word}`" for word in sorted(shape.words))
    if shape.kind in ("list", "map"):
        inner = get(shape.of)
        return f"{shape.kind} of {'attribute values' if inner.kind == 'attribute value' else inner.kind + 's'}"
    return shape.kind


def told(status):
    word, _, why = status.partition(": ")
    return f"**{word}**: {why}" if why else f"**{word}**"


def compare(operation, ours, theirs, lines, bounds):
    """What differs between an operation's input as described and as modelled."""
    ours, theirs = (list(parameters(shape)) for shape in (ours, theirs))
    known = {path: (shape, required) for path, shape, required in ours}
    wrong, differing = [], []
    for path, shape, required in theirs:
        if path not in known:
            if status_of(lines, operation, path) is None:
                wrong.append(f"{operation}: {path} is not known")
            continue
        mine, is_required = known.pop(path)
        if mine.kind != shape.kind:
            wrong.append(f"{operation}: {path} is a {shape.kind}, not a {mine.kind}")
        if (mine.bounds, mine.words, is_required) != (shape.bounds, shape.words, required):
            differing.append(
                f"{operation}: {path}: {mine.bounds} {sorted(mine.words or ())} required {is_required}; "
                f"the model has {shape.bounds} {sorted(shape.words or ())} required {required}"
            )
    # Older models know less.
    wrong += [
        f"{operation}: {path} is not in the model" for path in known if status_of(lines, operation, path) is None
    ]
    if bounds:
        print("\n".join(differing))
    return wrong


def document(ours, lines, unserved):
    """docs/parameters.md."""
    text = [
        "# Parameters of the table API\n",
        "Every operation of DynamoDB's API, version 2012-08-10, and of its streams, with every parameter, and what becomes"
        "\nof it here. `[]` are the elements of a list, `{}` the values of a map. Written by `tests/tables/parameters.py`"
        "\nfrom `src/dynamo/shape/model.txt` and `tests/tables/parameters.txt`: edit those.\n",
        "- **done**: as at AWS\n"
        "- **accepted**: checked and told again as at AWS, without the effect\n"
        "- **refused**: refused as AWS refuses it\n"
        "- **not supported**: refused, and why\n",
        f"## Operations not supported: {len(unserved)}\n",
        "They are answered with `UnknownOperationException`, as operations are that do not exist, and the message says that"
        "\nthey are not supported.\n",
        "| operation | why |\n|---|---|",
    ]
    text += [f"| {name} | {status.split(': ', 1)[-1]} |" for name, status in sorted(unserved.items())]
    for name, shape in ours.items():
        text.append(f"\n## {name}\n")
        rows = list(parameters(shape))
        known = {path.replace("[]", "").replace("{}", "") for path, _, _ in rows}
        others = [
            (pattern, status)
            for operation, pattern, status in lines
            if operation == name and not fnmatch.filter(known, pattern)
        ]
        if not rows:
            text.append("It has no parameters.")
            continue
        text.append("| parameter | type | |\n|---|---|---|")
        for path, of, required in rows:
            status = told(status_of(lines, name, path) or "done")
            text.append(f"| `{path}`{', required' if required else ''} | {type_of(of)} | {status} |")
        text += [f"| `{pattern.rstrip('*')}` | | {told(status)} |" for pattern, status in others]
    return "\n".join(text) + "\n"


def main():
    ours, theirs = described(), modelled()
    lines, unserved = statuses()
    wrong = [f"{name} is neither described nor listed" for name in theirs if name not in ours and name not in unserved]
    wrong += [f"{name} is both described and listed as not supported" for name in unserved if name in ours]
    wrong += [f"{name} is not in the model" for name in ours if name not in theirs]
    for name, shape in ours.items():
        if name in theirs:
            wrong += compare(name, shape, theirs[name], lines, "--bounds" in sys.argv)
    text = document(ours, lines, unserved)
    if "--check" in sys.argv:
        if not DOCUMENT.exists() or DOCUMENT.read_text() != text:
            wrong.append(f"{DOCUMENT.relative_to(ROOT)} is old: run {pathlib.Path(__file__).name}")
    else:
        DOCUMENT.write_text(text)
    if wrong:
        sys.exit("\n".join(wrong))
    count = sum(len(list(parameters(shape))) for shape in ours.values())
    print(f"{len(ours)} operations with {count} parameters are known, {len(unserved)} operations are not supported")


if __name__ == "__main__":
    main()
