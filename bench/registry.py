"""Every benchmark by its name: it takes a kind of database and a size, and yields figures."""

from collections.abc import Callable, Iterator, Mapping

from bench.door import door
from bench.figures import Figure
from bench.lists import lists
from bench.size import Size

Bench = Callable[[str, Size], Iterator[Figure]]
BENCHES: Mapping[str, Bench] = {"door": door, "lists": lists}
