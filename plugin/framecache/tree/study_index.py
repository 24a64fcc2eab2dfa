"""The list of all studies, in 256 shards and joined into the one file that web servers send.

What a shard is made of is in the names of its studies' summaries, and what the joined file is made of in the names of
the shards. So one list each shows whether they are up to date, whoever wrote last.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from framecache.tree.errors import Damaged, Missing
from framecache.tree.joined_gzip import Block, Joiner, block_name, split
from framecache.tree.json_object import canonical, compressed, decompressed
from framecache.tree.layout import JSON, OWN_JSON, Layout, name_of
from framecache.tree.objects import Objects

_MOST_ATTEMPTS = 20
_INDEX, _SUMMARIES = "index", "summaries"


@dataclass(frozen=True, slots=True)
class StudyIndex:
    """Raises Unreachable. Shards are two hexadecimal digits."""

    objects: Objects
    layout: Layout
    pool: Executor
    joiner: Joiner = field(default_factory=Joiner)

    def update(self, shards: set[str]) -> None:
        """Make these shards, and then the joined file, of what there is now."""
        present = self._present()
        list(self.pool.map(lambda shard: self._update_shard(shard, present.get(shard, [])), sorted(shards)))
        self._join()

    def update_all(self) -> None:
        """The same of all shards."""
        self.update({*self._present(), *self.objects.folders(_SUMMARIES)})

    def studies(self) -> dict[str, dict[str, Any]]:
        """What QIDO-RS answers of each study, by file name, according to the shards."""
        found: dict[str, dict[str, Any]] = {}
        for content in self.pool.map(self._read_shard, self.shards().items()):
            found |= {study: known["attributes"] for study, known in content.items()}
        return found

    def read_shards(self, names: Mapping[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
        """Shards of these names: of each study what it is made of, `of`, and its `attributes`."""
        return dict(zip(names, self.pool.map(self._read_shard, names.items()), strict=True))

    def _update_shard(self, shard: str, present: list[str]) -> None:
        for _ in range(_MOST_ATTEMPTS):
            made_of = self._made_of(shard)
            name = name_of([f"{study}/{of}" for study, of in made_of.items()])
            if present == [name] or (not made_of and not present):
                return
            if name not in present and made_of:
                self._write_shard(shard, name, made_of, present)
            self.objects.delete([_key(shard, old) for old in present if old != name])
            present = self._present().get(shard, [])

    def _present(self) -> dict[str, list[str]]:
        """The names of each shard: one, but for a moment. All in one folder, which is listed at once."""
        found: dict[str, list[str]] = {}
        for listed in self.objects.listed(_INDEX):
            shard, _, name = listed.name.partition("-")
            found.setdefault(shard, []).append(name)
        return found

    def _made_of(self, shard: str) -> dict[str, str]:
        """The digests of summaries by study. Where two writers left two of one, either may be taken for now."""
        prefix = f"{_SUMMARIES}/{shard}/"
        keys = (listed.key.removeprefix(prefix) for listed in self.objects.listed(prefix.rstrip("/")))
        return dict(key.split("/") for key in keys)

    def _write_shard(self, shard: str, name: str, made_of: Mapping[str, str], present: list[str]) -> None:
        known: dict[str, dict[str, Any]] = {}
        for old in present:
            known |= self._read_shard((shard, old))
        wanted = [study for study, of in made_of.items() if known.get(study, {}).get("of") != of]
        found = self._summaries(shard, {study: made_of[study] for study in wanted})
        studies = {study: found.get(study) or known[study] for study in made_of if study in found or study in known}
        if {study: one["of"] for study, one in studies.items()} == dict(made_of):
            self.objects.create(_key(shard, name), compressed(canonical(studies)), OWN_JSON)

    def _summaries(self, shard: str, made_of: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """What the shard keeps of these summaries; one that was replaced meanwhile is left out."""
        found: dict[str, dict[str, Any]] = {}
        for study, of in made_of.items():
            try:
                summary = decompressed(self.objects.read(f"{_SUMMARIES}/{shard}/{study}/{of}"))
            except (Missing, Damaged):
                continue
            found[study] = {"of": of, "attributes": summary["study"]}
        return found

    def _read_shard(self, shard_and_name: tuple[str, str]) -> dict[str, dict[str, Any]]:
        shard, name = shard_and_name
        try:
            found: dict[str, dict[str, Any]] = decompressed(self.objects.read(_key(shard, name)))
        except (Missing, Damaged):
            return {}
        return found

    def shards(self) -> dict[str, str]:
        """The names of the shards: one list, which tells what changed."""
        return {shard: names[-1] for shard, names in self._present().items()}

    def _join(self) -> None:
        """A writer that overwrites this with less sees so itself: it lists the shards after it wrote."""
        shards = self.shards()
        for _ in range(_MOST_ATTEMPTS):
            try:
                old = self.objects.read(self.layout.studies)
            except Missing:
                old = b""
            blocks = split(old)
            wanted = {int(shard, 16): block_name(name) for shard, name in shards.items()}
            if old and {shard: block.name for shard, block in blocks.items()} == wanted:
                return
            self.objects.replace(self.layout.studies, self._joined(shards, blocks), JSON)
            made_of, shards = shards, self.shards()
            if made_of == shards:
                return

    def _joined(self, shards: Mapping[str, str], old: Mapping[int, Block]) -> bytes:
        try:
            return self.joiner.join(self._blocks(shards, old))
        except zlib.error:  # what was there is damaged
            return self.joiner.join(self._blocks(shards, {}))

    def _blocks(self, shards: Mapping[str, str], old: Mapping[int, Block]) -> dict[int, Block]:
        """Those of before where nothing changed."""
        same = {
            int(shard, 16): old[int(shard, 16)]
            for shard, name in shards.items()
            if int(shard, 16) in old and old[int(shard, 16)].name == block_name(name)
        }
        others = [(shard, name) for shard, name in shards.items() if int(shard, 16) not in same]
        for (shard, name), content in zip(others, self.pool.map(self._read_shard, others), strict=True):
            if content:
                studies = [canonical(known["attributes"]) for _, known in sorted(content.items())]
                same[int(shard, 16)] = Block.of(name, b",\n".join(studies))
        return same


def _key(shard: str, name: str) -> str:
    return f"{_INDEX}/{shard}-{name}"
