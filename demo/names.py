# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the results of many files are called."""


def result_names(wanted, suffix_of):
    """{key: path of its result}, all different, for {key: the path that it wants}, relative and with any suffix.

    suffix_of(path) is the suffix that the result gets. A result that keeps its whole name goes first, so that a.wav is
    that of a.wav, not of the a.mp3 beside it, which becomes a.mp3.wav.
    """
    taken = {parent for path in wanted.values() for parent in path.parents}
    first = sorted((path.with_suffix(suffix_of(path)) != path, str(path), key) for key, path in wanted.items())
    names = {}
    for _, _, key in first:
        path, suffix = wanted[key], suffix_of(wanted[key])
        name = path.with_suffix(suffix)
        if name in taken:
            name = path.with_name(path.name + suffix)
        while name in taken:
            name = name.with_name(name.name + suffix)
        taken.add(name)
        names[key] = name
    return {key: names[key] for key in wanted}
