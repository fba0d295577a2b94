"""What a program's help, man page and completions offer, each asked as its readers ask: the program, the page's text, the real shells."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Of a line of help: where an option begins, maybe after its short form.
OPTION_OF_HELP = re.compile(r"^ +(?:-\w, )?(--[a-z][a-z-]*)", re.MULTILINE)
# The same in roff, at the head of a paragraph.
OPTION_OF_PAGE = re.compile(r"^(?:\\fB-\w\\fR, )?\\fB(--[a-z][a-z-]*)\\fR", re.MULTILINE)
# As readline calls a completion: the program, the word that is written and the one before it.
BASH = """
source "$1"; shift
function=$(complete -p "$1" | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"$function" "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = "source $argv[1]; complete -C (string join -- ' ' $argv[2..])"
# Its completions need a terminal: that the file is read and makes the function is all that is asked.
ZSH = 'autoload -Uz compinit && compinit -D && source "$1" && whence -w "_$2"'


def commands(program: Path, *words: str) -> Iterator[tuple[list[str], str]]:
    """The program itself, each of its subcommands and theirs, as words, and what `--help` says of it."""
    overview = _said([program, *words, "--help"])
    yield [*words], overview
    for word in re.findall(r"^  ([a-z-]+) ", overview.partition("Commands:")[2].partition("\n\n")[0], re.MULTILINE):
        if word != "help":
            yield from commands(program, *words, word)


def options_of_help(text: str) -> set[str]:
    return set(OPTION_OF_HELP.findall(text))


def options_of_page(roff: str) -> set[str]:
    return set(OPTION_OF_PAGE.findall(roff.replace("\\-", "-")))


def bash_offers(script: Path, words: list[str]) -> set[str]:
    return set(_said(["bash", "--norc", "-c", BASH, "bash", script, *words]).split())


def fish_offers(script: Path, words: list[str]) -> set[str]:
    return {line.partition("\t")[0] for line in _said(["fish", "--no-config", "-c", FISH, script, *words]).splitlines()}


def zsh_takes(script: Path, name: str) -> bool:
    return _said(["zsh", "-fc", ZSH, "zsh", script, name]) == f"_{name}: function\n"


def troubles_of_page(path: Path) -> str:
    """What groff finds wrong with a page."""
    return subprocess.run(["man", "--warnings", "--local-file", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr


def _said(command: list[str | Path]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True).stdout
