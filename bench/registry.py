"""Every benchmark by its name: it takes a kind of database and a size, and yields figures."""

from collections.abc import Callable, Iterator, Mapping

from bench.burst import burst
from bench.calls import calls
from bench.door import door
from bench.figures import Figure
from bench.fleet import fleet
from bench.flight import flight
from bench.lists import lists
from bench.repairs import reaction, repairs
from bench.rest import imports, rest
from bench.size import Size

Bench = Callable[[str, Size], Iterator[Figure]]
BENCHES: Mapping[str, Bench] = {
    "door": door,
    "burst": burst,
    "reaction": reaction,
    "repairs": repairs,
    "flight": flight,
    "calls": calls,
    "fleet": fleet,
    "lists": lists,
    "rest": rest,
    "imports": imports,
}
