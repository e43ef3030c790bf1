# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The secret that a server asks its clients for, from the command line, a file or the environment."""

import argparse
import os

from demo.program import file_path
from reference.errors import LLVCError, one_line

VARIABLE = "LLVC_TOKEN"


class TokenError(LLVCError):
    """A token that cannot be read."""


def add_token(parser, what):
    """Adds --token and --token_file; `what` says whose token it is."""
    group = parser.add_mutually_exclusive_group()
    help = f"{what}. ps shows it, but neither {VARIABLE} in the environment nor --token_file"
    group.add_argument("--token", type=_text, help=help)
    group.add_argument("--token_file", type=file_path, metavar="FILE", help="a file that holds the token")


def read_token(args):
    """The token: of --token, the content of --token_file, or the environment's. None without any; TokenError."""
    if args.token_file:
        try:
            with open(args.token_file, encoding="utf-8") as file:
                token = file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(
                f"{args.token_file}: cannot be read ({one_line(error)}); write the token into it"
            ) from None
        if not token:
            raise TokenError(f"{args.token_file}: holds no token; write it into it")
        return token
    token = args.token or os.environ.get(VARIABLE)
    if token == "":
        raise TokenError(f"{VARIABLE} is empty; unset it to do without a token")
    return token


def _text(text):
    """The type of --token."""
    if not text:
        raise argparse.ArgumentTypeError("an empty token; leave --token away to do without one")
    return text
