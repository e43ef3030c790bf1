# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The base of every error whose cause and cure lie with the user."""


class LLVCError(ValueError):
    """One line that says what is wrong and what to do; programs print it without a traceback."""


def one_line(error):
    """An error's text on one line, its type where it has none."""
    return " ".join(str(error).splitlines()) or type(error).__name__
