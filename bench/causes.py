"""Why rows miss their goals, as far as somebody looked into it; the figures themselves stand in the tables."""

from __future__ import annotations

import re

from bench.rows import Row

UNKNOWN = "nobody has looked into it yet"
# Patterns of "what | subject | against | suite"; the first that matches counts.
CAUSES = {
    r"^warm, \d connections.*framecache, index \| framecache": "the frames' pages: Orthanc's file is in the page cache "
    "in pages of 4 KiB, and the cache's own files, written in pieces of 256 KiB, in larger ones. Reading 9.3 MB took "
    "1.7 ms of CPU from the former and 0.6 ms from the latter",
    r"^warm, \d connections.*\| nginx": "nginx hands pages to the socket without copying or reading them; the cache "
    "first reads them into memory and compares a checksum",
    r"^warm.*JPEG 2000.*\| stock": "the stock plugin has the whole instance (199 MB) in memory and copies the frame "
    "from it: both are then as fast as loopback takes the bytes",
    r"^warm.*\| stock, default \| trixie": "Orthanc 1.12.7 keeps the last 641 MB file in memory, and this row asks for "
    "frames of one instance only: see the row of several in turn",
    r"^warm, 8 connections.*trivial": "a route that only makes the same system calls (stat, open, read, close) reaches "
    "0.53 to 0.62 of the trivial one; the rest is Python: negotiation, ETag, the multipart body",
    r"^warm, one client while other instances are pre-extracted": "two workers read, checksum and write on the same "
    "two cores; they run at the lowest priority, and share the disk",
    r"^navigation to.*just sent": "the browser itself: with all frames cached, framecache needs about as long in a new "
    "browser, and so does nginx with the same bodies as files (see these rows)",
    r"^added to an archive in a folder.*CT": "each slice is read, hashed, written and synced, and pydicom only reads: "
    "at the speed of the synced `cp` of the tomosynthesis above, copying the slices alone would take half as long as "
    "pydicom's reading, which is the goal",
    r"^a series added to an archive of many": "probably the list of all studies, which is one file, as web "
    "servers send it: each new study writes it anew, though only what changed in it is made anew",
    r"^instances exported by two workers": "Orthanc, PostgreSQL and the bucket's server work on the same two cores",
    r"^OHIF in Chromium, cold|^navigation to": "the browser takes the time: with all frames cached and in memory, it "
    "needs about as long",
    r"^metadata of the series, later": "framecache asks Orthanc how many instances there are, and looks for the file "
    "of each of the 1,000, as one may have been replaced: two thirds of the time. The rest is sending 2 MB",
    r"^metadata of all series at once.*forky": "four answers take a tenth of a second beside the extraction of 641 MB "
    "that has just begun: in another run it was 100 times",
    r"^metadata of a series, just sent.*trixie": "both take some milliseconds beside the extraction of 641 MB that has "
    "just begun: repeated, 4 to 37 ms against 8 to 96 ms",
    r"^metadata of an instance, first": "Python reads 20,000 attributes of 500 frames and writes them as JSON, which "
    "takes 25 ms of one core; in another run it was 2.3 times",
    r"^a folder of small files: first index": "in another run it was 2.4 times; nobody has looked into the difference",
    r"^warm, one client while Orthanc's Housekeeper": "in another run it was 1.85 times; nobody has looked into the "
    "difference",
    r"^upload by REST": "by the processor time of each thread, Orthanc itself needs 84 % of it, metadata made on "
    "arrival 6 %, the events that Orthanc sends to Python (four for each instance) 5 %, and reading its log of changes "
    "5 %; making metadata later would be cheaper for the upload and dearer for who opens the study at once",
}


def cause(row: Row, suite: str) -> str:
    """Of a row that missed its goal."""
    name = f"{row.what} | {row.subject.name} | {row.peer.name if row.peer else ''} | {suite}"
    return next((text for pattern, text in CAUSES.items() if re.search(pattern, name)), UNKNOWN)
