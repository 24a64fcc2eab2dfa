"""Frames in other forms than they are stored in: another transfer syntax, a picture."""

from __future__ import annotations

from bench import client
from bench.client import NotAvailable
from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.probe import Probe
from bench.probes.warm import timed
from bench.subject import Subject

EXPLICIT = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'
PICTURE = "image/jpeg"
WARM_REPEATS = 30

# What is asked for, by its name in the table: the accept header, and what stands behind the frame's path.
FORMS = {"as Explicit LE": (EXPLICIT, ""), "/rendered": (PICTURE, "/rendered"), "/thumbnail": (PICTURE, "/thumbnail")}


def cold(form: str, data_set: str) -> Probe:
    """Frames that were never asked for in this form, each once."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        accept, suffix = FORMS[form]
        server, stored = lab.emptied(subject), lab.stored(data_set)[0]
        repeats = lab.size.repeats if subject.has_cache else lab.size.slow_repeats
        seconds = []
        for number in range(1, repeats + 1):
            answer = client.get(server.url, stored.frame(number) + suffix, accept)
            refuse_strangers(subject, answer.frame_cache)
            seconds.append(answer.seconds)
        return of_seconds(seconds)

    return Probe(f"{data_set} {form}, cold", measure)


def warm(form: str, data_set: str) -> Probe:
    """The same frame again."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        accept, suffix = FORMS[form]
        url, path = lab.server(subject).url, lab.stored(data_set)[0].frame(1) + suffix
        if not subject.has_cache:
            return of_seconds(timed(url, path, lab.size.slow_repeats, accept))
        refuse_strangers(subject, client.get(url, path, accept).frame_cache)
        if client.get(url, path, accept).frame_cache != "hit":
            raise NotAvailable("the second answer is not from the cache")
        return of_seconds(timed(url, path, WARM_REPEATS, accept))

    return Probe(f"{data_set} {form}, warm", measure)


def refuse_strangers(subject: Subject, frame_cache: str) -> None:
    """Raise NotAvailable when the plugin is measured and the stock plugin answered in its place."""
    if subject.has_cache and frame_cache not in ("hit", "miss"):
        raise NotAvailable("the plugin left the answer to the stock plugin")
