"""Programs for Python 2: their syntax, their names, and their lists."""

from __future__ import annotations

import pathlib

import pytest

from tests.migration.programs import rewritten
from trainer.migration import python2

STATEMENTS = {
    "print": "print()",
    "print 'a', x  # why": "print('a', x)  # why",
    "print 'a %d' % x,": "print('a %d' % x, end=\" \")",
    "print >>f, 'a', x": "print('a', x, file=f)",
    "print ('a'), x": "print(('a'), x)",
    "print ('a' + b) % c": "print(('a' + b) % c)",
    "print('a')": "print('a')",
    "if x: print 'a'; print 'b'": "if x: print('a'); print('b')",
    "print 'a:b;', {1: 2}": "print('a:b;', {1: 2})",
    "if (lambda y: y)(1): print x": "if (lambda y: y)(1): print(x)",
    "raise ValueError, 'no %s' % x": "raise ValueError('no %s' % x)",
    "raise": "raise",
    "x = 10L + 0777 + 0xFFL + 00": "x = 10 + 0o777 + 0xFF + 0",
    "x = `y` + ur'z'": "x = repr(y) + r'z'",
    "if a <> b: pass": "if a != b: pass",
    "exec 'x = 1' in names": "exec('x = 1', names)",
    "exec code": "exec(code)",
    "m(lambda (k, v): k + v, x)": "m(lambda k_v: (lambda k, v: k + v)(*k_v), x)",
    "f = lambda (a, (b, c)), n=1: a if b else c * n  # why": (
        "f = lambda a_b_c, n=1: (lambda a, b_c: (lambda b, c: a if b else c * n)(*b_c))(*a_b_c)  # why"
    ),
    "y = sorted(d, key=lambda (k,): k)[0:n]": "y = sorted(d, key=lambda k: (lambda k: k)(*k))[0:n]",
    "m(lambda (a, b):\n  lambda x: {a: b},\n  y)": "m(lambda a_b: (lambda a, b:\n  lambda x: {a: b})(*a_b),\n  y)",
}


@pytest.mark.parametrize(("old", "new"), STATEMENTS.items(), ids=STATEMENTS)
def test_a_statement_of_python_2_is_one_of_python_3(old: str, new: str) -> None:
    assert python2.modernized(old) == new
    assert python2.syntax_error(new) is None or old == "raise"


def test_exceptions_are_named_by_as() -> None:
    old = "try:\n    f()\nexcept (IOError, OSError), e:\n    pass\n"
    assert python2.modernized(old) == old.replace("), e", ") as e")


def test_print_stays_where_it_is_a_function() -> None:
    text = "from __future__ import print_function\nprint ('a'), 1\nx = 0777\n"
    assert python2.modernized(text) == text.replace("0777", "0o777")


def test_tabs_among_spaces_are_the_eight_columns_of_python_2() -> None:
    assert python2.modernized("if x:\n        y = 1\n\tz = 2\n") == "if x:\n        y = 1\n        z = 2\n"


def test_text_that_is_no_code_stays() -> None:
    text = '"""print it\n0777 <> `x`"""\n# print 10L\nprint "print 10L"\n'
    assert python2.modernized(text) == text.replace('print "print 10L"', 'print("print 10L")')


ABC = "import collections.abc"
NAMES = {
    "for i in xrange(3): pass": "for i in range(3): pass",
    "isinstance(x, (unicode, basestring))": "isinstance(x, (str, str))",
    "for k, v in d.iteritems(): pass": "for k, v in d.items(): pass",
    "if d.has_key(k): pass": "if (k in d): pass",
    "x = it.next()": "x = next(it)",
    "import cPickle": "import pickle as cPickle",
    "import cPickle as pickle": "import pickle",
    "from StringIO import StringIO": "from io import StringIO",
    "import sys\nreload(sys)\nsys.setdefaultencoding('utf-8')\nsys.maxint": "import sys\nsys.maxsize",
    "import itertools\nitertools.izip(a, b)": "import itertools\nzip(a, b)",
    "import collections as c\nx = c.Mapping": f"import collections as c\n{ABC}\n\nx = collections.abc.Mapping",
    "from collections import Mapping, Iterable as I": "from collections.abc import Mapping, Iterable as I",
    "x = reduce(f, y)": "import functools\n\nx = functools.reduce(f, y)",
}


@pytest.mark.parametrize(("old", "new"), NAMES.items(), ids=range(len(NAMES)))
def test_a_name_of_python_2_is_one_of_python_3(tmp_path: pathlib.Path, old: str, new: str) -> None:
    assert rewritten(tmp_path, f"{old}\n").strip() == new


OWN = [
    "def f(unicode=1): return unicode",
    "try:\n    xrange\nexcept NameError:\n    xrange = range",
    "class C(object):\n    def next(self): pass\n\nC().next()",
    "from six.moves import xrange\nxrange(3)",
    "from six.moves import range as xrange\nxrange(3)",
]


@pytest.mark.parametrize("text", OWN, ids=OWN)
def test_a_name_that_the_file_makes_itself_stays(tmp_path: pathlib.Path, text: str) -> None:
    assert rewritten(tmp_path, f"{text}\n") == f"{text}\n"


def test_an_iterator_has_the_method_of_python_3(tmp_path: pathlib.Path) -> None:
    old = "class C(object):\n    def __iter__(self): return self\n    def next(self): return 1\n\nC().next()\n"
    assert rewritten(tmp_path, old) == old.replace("def next", "def __next__").replace("C().next()", "next(C())")


LISTS = {
    "a = zip(x, y)[0]": "a = list(zip(x, y))[0]",
    "a = d.keys() + [1]": "a = list(d.keys()) + [1]",
    "len(map(f, x))": "len(list(map(f, x)))",
    "import numpy as np\nnp.array(map(f, x))": "import numpy as np\nnp.array(list(map(f, x)))",
    "k = d.keys()\nk.sort()": "k = list(d.keys())\nk.sort()",
    "k = map(f, x)\nfor i in k: pass": "k = map(f, x)\nfor i in k: pass",
    "a = dict(zip(x, y))": "a = dict(zip(x, y))",
    "a = range(3)[1]": "a = range(3)[1]",
    "r = range(3)\nr.append(4)": "r = list(range(3))\nr.append(4)",
    "a = d.keys()[0]": "a = list(d.keys())[0]",
    "f(*zip(x, y))": "f(*zip(x, y))",
    "p = {1: map(int, x)}": "p = {1: list(map(int, x))}",
    "a = map(int, x)\nf(units=a)": "a = list(map(int, x))\nf(units=a)",
    "f(units=range(3))": "f(units=range(3))",
}


@pytest.mark.parametrize(("old", "new"), LISTS.items(), ids=LISTS)
def test_what_has_to_be_a_list_is_one(tmp_path: pathlib.Path, old: str, new: str) -> None:
    assert rewritten(tmp_path, f"{old}\n") == f"{new}\n"
