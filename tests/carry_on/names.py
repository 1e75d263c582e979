"""Checks scripts without running them: their syntax, and that every global name that they use is defined.

    python tests/carry_on/names.py SCRIPT...
"""

import builtins
import symtable
import sys
from pathlib import Path


def undefined(table, defined):
    """Global names used in functions and classes that neither the module nor Python defines."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and symbol.is_global() and symbol.get_name() not in defined:
            yield symbol.get_name()
    for child in table.get_children():
        yield from undefined(child, defined)


missing = []
for name in sys.argv[1:]:
    module = symtable.symtable(Path(name).read_text(encoding="utf-8"), name, "exec")
    defined = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    defined |= {*dir(builtins), "__name__", "__file__", "__doc__"}
    missing += [f"{name}: {symbol} is not defined" for symbol in sorted(set(undefined(module, defined)))]
if missing:
    sys.exit("\n".join(missing))
