#!/usr/bin/env python3
"""Writes the shell completions in packaging/completions/ from the table below.

    packaging/make_completions.py           writes bash, zsh and fish files
    packaging/make_completions.py --check   exit status 1 if they are not what the table gives

tests/e2e/test_command_line.py holds the table against each verb's --help.
"""
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "completions"

# Option -> (what follows it: nothing, "FILE", other words to offer, or "" for what cannot be guessed; what it is for)
BOTH = {
    "--listen": ("", "address and UDP port for peers"),
    "--http": ("", "address and port of the page and the streams"),
    "--lan": (None, "open the page to the local network"),
    "--tracker": ("", "a tracker's announce URL"),
    "--no-dht": (None, "do not use the distributed hash table"),
    "--max-upload": ("", "bytes a second to give at most"),
    "--window": ("", "live: seconds to keep, to go back to and to pass on"),
    "--sealed-only": (None, "speak only to peers that encrypt"),
    "--plain": (None, "encrypt nothing, to look at the traffic"),
    "--json": (None, "one JSON object per line on stdout"),
    "--verbose": (None, "say more on stderr"),
    "--help": (None, "what the verb does and its options"),
}
HASHES = "sha1 sha224 sha256 sha384 sha512"
VERBS = {
    "cast": ("share a file or a live stream", {
        **BOTH,
        "--live": (None, "cast a file in real time"),
        "--loop": (None, "start the file again at its end"),
        "--title": ("", "what viewers see"),
        "--key": ("FILE", "the channel's key, made when it is not there"),
        "--hash": (HASHES, "what makes the ids of chunks"),
        "--chunk-size": ("", "bytes in a chunk of a file"),
        "--compat": (None, "a swarm for older PPSPP peers, of a file or live"),
        "--private": (None, "only who has the link can join"),
        "--record": ("FILE", "keep the live stream in this folder"),
    }),
    "watch": ("watch a link, and serve it meanwhile", {
        **BOTH,
        "--peer": ("", "address and port of a peer"),
        "--player": ("mpv vlc browser none", "what to play with"),
        "--out": ("FILE", "keep the bytes or the stream here"),
        "--until-complete": (None, "end when everything is here"),
        "--max-download": ("", "bytes a second to take at most"),
        "--no-upload": (None, "give nothing"),
        "--chunk-size": ("", "bytes in a chunk, for a bare id"),
        "--compat": (None, "for a bare id of a file or live stream: the swarm of an older PPSPP peer"),
    }),
    "tracker": ("tell peers of each other", {
        "--http": ("", "address and TCP port"),
        "--udp": ("", "address and UDP port"),
        "--store": ("memory sqlite:", "where it keeps the peers"),
        "--json": (None, "one JSON object per line on stdout"),
        "--help": (None, "what the verb does and its options"),
    }),
    "inspect": ("tell what a link, a file or a running node is", {
        "--hash": (HASHES, "what computes the id of a file"),
        "--json": (None, "one JSON object on stdout"),
        "--help": (None, "what the verb does and its options"),
    }),
}
TOP = {"--help": (None, "the verbs"), "--version": (None, "the version")}
TAKES_FILE = ("cast", "inspect")   # their argument may be a file


def bash():
    cases = []
    for verb, (_, options) in VERBS.items():
        cases.append(f"    {verb}) options='{' '.join(options)}' ;;")
    values = {}
    for _, options in VERBS.values():
        for option, (value, _) in options.items():
            if value is not None:
                values.setdefault(value, set()).add(option)
    following = []
    for value, options in sorted(values.items()):
        names = " | ".join(sorted(options))
        action = {"FILE": '_filedir', "": ":"}.get(value) or f"COMPREPLY=($(compgen -W '{value}' -- \"$cur\"))"
        following.append(f"    {names}) {action}; return ;;")
    return "\n".join([
        "# bash completion for runnel; made by packaging/make_completions.py",
        "# shellcheck shell=bash disable=SC2207",
        "_runnel() {",
        "  local cur prev options verb",
        "  cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}",
        "  COMPREPLY=()",
        "  if ((COMP_CWORD == 1)); then",
        f"    COMPREPLY=($(compgen -W '{' '.join([*VERBS, *TOP])}' -- \"$cur\"))",
        "    return",
        "  fi",
        '  case $prev in',
        *following,
        "  esac",
        "  case $verb in",
        *cases,
        "    *) return ;;",
        "  esac",
        '  if [[ $cur == -* ]]; then',
        '    COMPREPLY=($(compgen -W "$options" -- "$cur"))',
        f'  elif [[ $verb == {" || $verb == ".join(TAKES_FILE)} ]]; then',
        "    _filedir",
        "  fi",
        "}",
        "if ! declare -F _filedir >/dev/null; then",
        '  _filedir() { COMPREPLY=($(compgen "${1:--f}" -- "${COMP_WORDS[COMP_CWORD]}")); }',
        "fi",
        "complete -o filenames -F _runnel runnel", ""])


def zsh_option(option, value, text):
    action = {None: "", "FILE": ":file:_files", "": ":value:"}.get(value)
    if action is None:
        action = f":value:({value.replace(':', chr(92) + ':')})"
    return f"        '{option}[{text}]{action}'"


def zsh():
    lines = ["#compdef runnel", "# zsh completion for runnel; made by packaging/make_completions.py", "_runnel() {",
             "  if ((CURRENT == 2)); then", "    local -a verbs=("]
    lines += [f"      '{verb}:{text}'" for verb, (text, _) in VERBS.items()]
    lines += ["    )", "    _describe verb verbs", "    _values option " + " ".join(f"'{o}[{t}]'" for o, (_, t) in TOP.items()), "    return",
              "  fi", "  local verb=$words[2]", "  shift words", "  ((CURRENT--))", "  case $verb in"]
    for verb, (_, options) in VERBS.items():
        rows = [zsh_option(o, v, t.replace("'", "'\\''")) for o, (v, t) in options.items()]
        if verb != "tracker":
            rows.append(f"        '1:source:{'_files' if verb in TAKES_FILE else ''}'")
        lines += [f"    {verb})", "      _arguments \\", " \\\n".join(rows), "      ;;"]
    return "\n".join([*lines, "  esac", "}", '_runnel "$@"', ""])


def fish():
    lines = ["# fish completion for runnel; made by packaging/make_completions.py", "complete -c runnel -f"]
    for option, (_, text) in TOP.items():
        lines.append(f"complete -c runnel -n __fish_use_subcommand -l {option[2:]} -d '{text}'")
    for verb, (text, options) in VERBS.items():
        lines.append(f"complete -c runnel -n __fish_use_subcommand -a {verb} -d '{text}'")
        at = f"complete -c runnel -n '__fish_seen_subcommand_from {verb}'"
        if verb in TAKES_FILE:
            lines.append(f"{at} -F")
        for option, (value, what) in options.items():
            takes = {None: "", "FILE": " -r -F", "": " -x"}.get(value)
            if takes is None:
                takes = f" -x -a '{value}'"
            lines.append(f"{at} -l {option[2:]}{takes} -d '{what.replace(chr(39), chr(92) + chr(39))}'")
    return "\n".join([*lines, ""])


def main():
    wrong = 0
    for name, text in (("runnel.bash", bash()), ("_runnel", zsh()), ("runnel.fish", fish())):
        path = FOLDER / name
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"{path} is not what packaging/make_completions.py gives: run it")
                wrong = 1
        else:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
