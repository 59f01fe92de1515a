"""What the checks may say to a student, read from their code: each text as a template, a Phrase, {} where a
value stands.

A text is what is given to those that SAY, or is returned by those of RETURNED: written there, or as a constant, a
variable, an argument or another function's result. One that is written in two ways, by `a if b else c` or `a or b`, is
two templates. Of a value it is known which texts it may itself be.
"""

import ast
import itertools
from dataclasses import dataclass
from functools import cached_property

from chapters import CHAPTERS, ROOT

# Not among them: what judges our own programs' command line, paths and clients alone (own.py, own_pool.py, paths.py,
# clients.py, …). No student sees it, and it is English.
MODULES = ("anybody", "check", "contract", "datagram", "datagram_contract", "examine", "http_contract", "http_peer",
           "journal", "peer", "process", "subject")
OURS = {"subject.Client", "subject.ClientSubject", "subject.PlayedServer", "subject.judge",  # with our clients, for pytest
        "datagram.DatagramClientSubject", "datagram.PlayedDatagramServer"}
SAY = {"Failed": (0,), "Differs": (0,), "CannotTell": (0,), "Verdict": (1,), "broken": (0,), "step": (0, 1),
       "notes": (0,), "wait_until": (2,), "expect_bytes": (2,), "more": (0,), "until": (1,), "exactly": (1,)}
NAMES = {"who", "does", "what", "failure"}  # of their arguments, where one is named
PARTS = {"expect_bytes", "more", "until", "exactly", "broken"}  # these say it within a text of theirs
RETURNED = ("client", "portrait", "too_much")  # a text, or the first of a pair
# Names that stand for what these say.
TEXTS = {"failure": ("Failed", "Differs", "wait_until"), "strerror": ("broken", "strerror"), "error": ("error",)}
ERRORS = ("Connection reset by peer", "Broken pipe", "Connection refused", "Too many open files", "Permission denied",
          "No such file or directory")  # what strerror() may say, of all errors: those that a student meets most
CAPABILITIES = frozenset().union(*(chapter.capabilities | {chapter.transport} for chapter in CHAPTERS))


@dataclass(frozen=True)
class Value:
    """What stands in a text."""

    may_be: tuple = ()  # the Phrases that it may be
    said_by: tuple = ()  # whose texts it may be
    always: bool = False  # whether it is one of them, and nothing else


@dataclass(frozen=True)
class Phrase:
    parts: tuple = ()  # str, or Value

    @property
    def text(self):
        return "".join("{}" if isinstance(part, Value) else part.replace("{", "{{").replace("}", "}}")
                       for part in self.parts)

    @property
    def values(self):
        return [part for part in self.parts if isinstance(part, Value)]

    def has_words(self):
        return any(letter.islower() for part in self.parts if isinstance(part, str) for letter in part)

    def is_text(self):
        return self.has_words() or any(value != Value() for value in self.values)


ANY = Phrase((Value(),))
SYSTEM_SAYS = {"strerror": {Phrase((text,)) for text in ERRORS},
               "error": {Phrase(("[Errno ", Value(), "] ", Value((), ("strerror",))))}}  # as Python shows an OSError


def called(node):
    """The name of what is called."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def is_ours(module, node):
    """Whether it is no student's: one of OURS, or a check that no chapter's server is held to."""
    held_to = [keyword.value.value for call in getattr(node, "decorator_list", ()) if isinstance(call, ast.Call)
               for keyword in call.keywords if keyword.arg == "capability"]
    return f"{module}.{getattr(node, 'name', '')}" in OURS or any(each not in CAPABILITIES for each in held_to)


def tree_of(name):
    """The module's tree, without what is ours."""
    tree = ast.parse((ROOT / "tests" / f"{name}.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not is_ours(name, node)]
    return tree


def parameters(function):
    """{name: its default, or None}; without self."""
    names = [argument.arg for argument in function.args.args]
    defaults = [None] * (len(names) - len(function.args.defaults)) + function.args.defaults
    return {name: default for name, default in zip(names, defaults) if name != "self"}


class Scope:
    """The names of a module, or of a function in it: what each may stand for, as expressions."""

    def __init__(self, tree, around=None):
        self.around, self.name = around, getattr(tree, "name", "")
        self.parameters = list(parameters(tree)) if isinstance(tree, ast.FunctionDef) else []
        self.names = {}
        for node in ast.walk(tree) if around else ast.iter_child_nodes(tree):
            if isinstance(node, (ast.Assign, ast.For)):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                values = node.iter.elts if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple) else \
                    [node.value] if isinstance(node, ast.Assign) else []
                if isinstance(target, ast.Name):
                    self.names.setdefault(target.id, []).extend(values)

    def is_said(self, name):
        """Whether it is an argument of one that says it."""
        return name in self.parameters and self.parameters.index(name) in SAY.get(self.name, ())

    def of(self, name):
        if name in self.parameters:
            return []
        return self.names.get(name) or (self.around.of(name) if self.around else [])


class Reader:
    """Collects the templates of MODULES: {Phrase: where it stands}."""

    def __init__(self):
        self.modules = {name: tree_of(name) for name in MODULES}
        self.found = {template: "by the system" for templates in SYSTEM_SAYS.values() for template in templates}
        self.alone = set()  # those that are said by themselves; the others stand within another text
        self.given = {by: set(templates) for by, templates in SYSTEM_SAYS.items()}  # {one that says: the Phrases}
        self.unread = {}  # {an expression whose text is not written in it: where it is said}
        for module, tree in self.modules.items():
            parts = [each for node in tree.body for each in (node.body if isinstance(node, ast.ClassDef) else [node])]
            for part in parts:  # functions, and methods
                if isinstance(part, ast.FunctionDef):
                    self.read(module, part, Scope(part, Scope(tree)))

    @cached_property
    def functions(self):
        """{name: [(a function, its scope)]} of all modules: one whose result is a text has a name of its own."""
        found = {}
        for tree in self.modules.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    found.setdefault(node.name, []).append((node, Scope(node, Scope(tree))))
        return found

    def read(self, module, function, scope):
        for node in ast.walk(function):
            for expression in self.said_in(node, function):
                templates, where = self.of(expression, scope), f"{module}.py:{node.lineno}"
                for template in templates:
                    self.add(template, where)
                by = called(node) if isinstance(node, ast.Call) else getattr(node, "name", "")
                self.given.setdefault(by, set()).update(filter(Phrase.has_words, templates))
                self.alone.update(templates if by not in PARTS else ())
                if not isinstance(expression, ast.Constant) and not any(map(Phrase.is_text, templates)):
                    self.unread[ast.unparse(expression)] = where

    @staticmethod
    def said_in(node, function):
        """The expressions of a node that are said."""
        if isinstance(node, ast.Call):
            if called(node) == "Verdict" and node.args and node.args[0].value == "error":  # our own fault
                return []
            places = SAY.get(called(node), ())
            named = [keyword.value for keyword in node.keywords if places and keyword.arg in NAMES]
            return named + [node.args[at] for at in places if at < len(node.args)]
        if isinstance(node, ast.FunctionDef):
            defaults = enumerate(parameters(node).values())
            return [default for at, default in defaults if default and at in SAY.get(node.name, ())]
        if isinstance(node, ast.Return) and function.name in RETURNED:
            return [node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value]
        return []

    def add(self, template, where):
        if template.has_words():
            self.found.setdefault(template, where)

    def of(self, node, scope, within=()):
        """The templates that an expression may be."""
        if isinstance(node, ast.Constant):
            return [Phrase((node.value,))] if isinstance(node.value, str) else [ANY]
        if isinstance(node, ast.JoinedStr):
            found = self.joined([self.of_value(part, scope, within) for part in node.values])
            if any(map(Phrase.has_words, found)):
                return found
            return self.joined([self.of(part, scope, within) for part in node.values])  # its values have the words
        if isinstance(node, ast.FormattedValue):
            return self.of(node.value, scope, within)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            found = self.joined([self.of(node.left, scope, within), self.of(node.right, scope, within)])
            return found if any(map(Phrase.has_words, found)) else [ANY]
        if isinstance(node, ast.IfExp):
            return [*self.of(node.body, scope, within), *self.of(node.orelse, scope, within)]
        if isinstance(node, ast.BoolOp):
            return [template for value in node.values for template in self.of(value, scope, within)]
        if isinstance(node, ast.Lambda):
            return self.of(node.body, scope, within)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            tables = [table for table in scope.of(node.value.id) if isinstance(table, ast.Dict)]
            found = [each for table in tables for value in table.values for each in self.of(value, scope, within)]
            return found or [ANY]
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = getattr(node, "id", getattr(node, "attr", ""))
            if name in TEXTS or scope.is_said(name):
                return [Phrase((Value((), TEXTS.get(name, (scope.name,)), always=name not in SYSTEM_SAYS),))]
            meant = scope.of(name) if isinstance(node, ast.Name) and name not in within else []
            return [each for value in meant for each in self.of(value, scope, (*within, name))] or [ANY]
        if isinstance(node, ast.Call):
            name, results = called(node), self.results(called(node))
            if name in SYSTEM_SAYS:
                return [Phrase((Value((), (name,)),))]
            if name in within:  # it calls itself
                makes_text = any(isinstance(part, ast.JoinedStr) for result, _ in results for part in ast.walk(result))
                return [Phrase((Value((), (name,)),)) if makes_text else ANY]
            found = [each for result, inside in results for each in self.of(result, inside, (*within, name))]
            self.given.setdefault(name, set()).update(filter(Phrase.has_words, found))
            return found or [ANY]
        return [ANY]

    def results(self, name):
        """[(an expression, its scope)] of what the functions of that name return."""
        return [(node.value, inside) for function, inside in self.functions.get(name, ()) for node in ast.walk(function)
                if isinstance(node, ast.Return) and node.value]

    def of_value(self, node, scope, within):
        """What a part of an f-string may be: words that are chosen there belong to the text, all else is a value."""
        templates = self.of(node, scope, within)
        if isinstance(node, ast.Constant) or isinstance(node.value, (ast.IfExp, ast.BoolOp)):
            return templates
        for template in templates:
            self.add(template, "within another text")
        if len(templates) == 1 and not templates[0].has_words():
            return templates
        known = tuple(filter(Phrase.is_text, templates))
        return [Phrase((Value(known, always=ANY not in templates),))] if known else [ANY]

    @staticmethod
    def joined(parts):
        """All that may come of parts, one after the other."""
        return [merged(part for template in chosen for part in template.parts) for chosen in itertools.product(*parts)]


def merged(parts):
    """The template of these parts, texts that stand together made one."""
    groups = itertools.groupby(parts, lambda part: isinstance(part, Value))
    joined = [each for values, group in groups for each in (group if values else ["".join(group)])]
    return Phrase(tuple(part for part in joined if part != ""))
