"""Write the completion of `sd` for three shells: docs/completions/sd.bash, _sd (zsh), sd.fish.

python docs/completion.py            write them
python docs/completion.py --check    exit 1 if one of them is not what it should be

They are tables: what click would answer at each TAB is written down once, so that a TAB costs what
the shell needs and no start of Python. Nobody is asked for the names of libraries or jobs: where a
service manager listens on the socket, the question alone would start a daemon.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import EVERYWHERE, SD, Argument, Command, Option, Value
from written import write_or_check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = Path(__file__).parent / "completions"
NOTE = "Derived from the declarations by docs/completion.py; do not edit."
HELP = Command(("help",), "explain a command", "", (), (), (), ())


def every(command: Command = SD) -> Iterator[Command]:
    """A command and all below it."""
    yield command
    for verb in command.verbs:
        yield from every(verb)


def plain(about: str) -> str:
    """What an option is for, without the note on its default."""
    return re.sub(r"\s+\[(default|env): .*\]$", "", about).strip()


def quoted(text: str, escape: str = r"'\''") -> str:
    """One word of a shell."""
    return "'" + text.replace("'", escape) + "'"


def top() -> tuple[Command, ...]:
    """What may stand first."""
    return (*SD.verbs, HELP)


# --- bash ----------------------------------------------------------------------------------------

BASH = r"""# Completion of sd for bash. @NOTE@

# What may stand where: words, or @any, @file, @folder.
_sd_verbs() { # COMMAND
  case $1 in
@VERBS@
  esac
}

_sd_options() { # COMMAND
  case $1 in
@OPTIONS@
  esac
}

_sd_value() { # COMMAND OPTION; a flag has none
  case $2 in
@GLOBALS@
  esac
  case "$1 $2" in
@VALUES@
  esac
}

_sd_argument() { # COMMAND NUMBER
  case "$1 $2" in
@ARGUMENTS@
  esac
}

_sd() {
  local cur=${COMP_WORDS[COMP_CWORD]} path='' option='' plain='' verbs offered word i count=0
  COMPREPLY=()
  verbs=$(_sd_verbs '')
  # bash breaks words at = and :, too
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $option ]]; then
      [[ $word == '=' ]] || option=
    elif [[ $word == [=:] ]]; then
      ((++i < COMP_CWORD)) || return 0
    elif [[ ! $plain && $word == -- ]]; then
      plain=yes
    elif [[ ! $plain && $word == -?* ]]; then
      [[ ! $(_sd_value "$path" "$word") ]] || option=$word
    elif [[ $word == help && ! $path ]]; then
      continue
    elif [[ " $verbs " == *" $word "* ]]; then
      path+=${path:+ }$word
      verbs=$(_sd_verbs "$path")
    else
      ((++count))
    fi
  done
  [[ $cur == [=:] ]] && cur=
  if [[ $option ]]; then
    offered=$(_sd_value "$path" "$option")
  elif [[ ! $plain && $cur == -* ]]; then
    offered="$(_sd_options "$path") $(_sd_options '')"
  elif [[ $verbs ]]; then
    offered=$verbs
  else
    offered=$(_sd_argument "$path" "$count")
  fi
  case $offered in
    '' | @any) ;;
    @file) compopt -o default ;;
    @folder) compopt -o dirnames ;;
    *)
      local IFS=$' \n'
      # shellcheck disable=SC2207 # the words have no blanks
      COMPREPLY=($(compgen -W "$offered" -- "$cur")) ;;
  esac
}

complete -F _sd sd
"""


def bash_offer(value: Value) -> str:
    """What the tables say of a value."""
    if value.words:
        return " ".join(value.words)
    return "@folder" if value.folders else "@file" if value.files else "@any"


def bash_cases(rows: Iterable[tuple[str, str]]) -> str:
    """The branches of a case; those with the same answer are one."""
    patterns: dict[str, list[str]] = {}
    for pattern, offer in rows:
        patterns.setdefault(offer, []).append(pattern)
    return "\n".join(
        f"    {' | '.join(found)}) echo {quoted(offer)} ;;" for offer, found in patterns.items()
    )


def bash_arguments() -> Iterator[tuple[str, str]]:
    """Each command with the number of an argument, and what that is."""
    for command in every():
        for number, argument in enumerate(command.arguments):
            place = quoted(f"{command.name} ") + "*" if argument.repeats else ""
            yield place or quoted(f"{command.name} {number}"), bash_offer(argument.value)


def bash() -> str:
    """sd.bash."""
    verbs = [
        (quoted(one.name), " ".join(verb.words[-1] for verb in one.verbs))
        for one in every()
        if one.verbs and one.words
    ]
    tables = {
        "@VERBS@": bash_cases([("''", " ".join(one.name for one in top())), *verbs]),
        "@OPTIONS@": bash_cases(
            (quoted(one.name), " ".join(name for option in one.options for name in option.names))
            for one in every()
            if one.options
        ),
        "@GLOBALS@": bash_cases(
            (" | ".join(option.names), bash_offer(option.value))
            for option in EVERYWHERE
            if option.metavar
        ),
        "@VALUES@": bash_cases(
            (quoted(f"{one.name} {name}"), bash_offer(option.value))
            for one in every()
            if one.words
            for option in one.options
            if option.metavar
            for name in option.names
        ),
        "@ARGUMENTS@": bash_cases(bash_arguments()),
        "@NOTE@": NOTE,
    }
    text = BASH
    for mark, table in tables.items():
        text = text.replace(mark, table)
    return text


# --- zsh -----------------------------------------------------------------------------------------

ZSH_EVERYWHERE = "$_sd_everywhere"


def zsh_action(value: Value) -> str:
    """What _arguments does for a value."""
    if value.words:
        return f"({' '.join(value.words)})"
    return "_path_files -/" if value.folders else "_files" if value.files else " "


def zsh_option(option: Option) -> list[str]:
    """The specifications of an option, one for each spelling."""
    about = re.sub(r"([][\\:])", r"\\\1", plain(option.about))
    others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    value = f":{option.metavar}:{zsh_action(option.value)}" if option.metavar else ""
    specs = []
    for name in option.names:
        joint = ("=" if name.startswith("--") else "+") if option.metavar else ""
        specs.append(quoted(f"{'*' if option.repeats else others}{name}{joint}[{about}]{value}"))
    return specs


def zsh_argument(number: int, argument: Argument) -> str:
    """The specification of an argument."""
    place = "*" if argument.repeats else f"{number + 1}{'' if argument.required else ':'}"
    action = zsh_action(argument.value)
    # With nothing to offer zsh would only say what is expected, even where an option is begun.
    action = action if action.strip() else f'_guard "^-*" {argument.metavar}'
    return quoted(f"{place}:{argument.metavar}:{action}")


def zsh_branch(command: Command) -> list[str]:
    """What follows the word of a command."""
    specs = [spec for option in command.options for spec in zsh_option(option)]
    specs += [zsh_argument(*numbered) for numbered in enumerate(command.arguments)]
    rows = " \\\n".join(f"        {spec}" for spec in (ZSH_EVERYWHERE, *specs))
    return [f"    {command.words[-1]})", f"      _arguments -s -S \\\n{rows} ;;"]


def zsh_choice(function: str, what: str, verbs: Iterable[Command], branches: list[str]) -> str:
    """A function that completes one of several words, and then what follows it."""
    named = [quoted(f"{verb.words[-1]}:{verb.summary}") for verb in verbs]
    lines = [
        f"{function}() {{",
        "  local context state state_descr line curcontext=$curcontext",
        "  local -A opt_args",
        "  local -a known=(",
        *(f"    {one}" for one in named),
        "  )",
        f"  _arguments -C -s -S {ZSH_EVERYWHERE} '(-): :->first' '(-)*:: :->rest' && return",
        f"  [[ $state == first ]] && {{ _describe -t commands {what} known; return }}",
        "  [[ $state == rest ]] || return",
        "  case $words[1] in",
        *branches,
        "    *) return 1 ;;",
        "  esac",
        "}",
    ]
    return "\n".join(lines)


def zsh() -> str:
    """_sd."""
    everywhere = [spec for option in EVERYWHERE for spec in zsh_option(option)]
    parts = [f"#compdef sd\n# Completion of sd for zsh. {NOTE}"]
    parts.append("\n".join(["local -a _sd_everywhere=(", *(f"  {one}" for one in everywhere), ")"]))
    branches = ["    help) words[1]=sd; _sd_command ;;"]
    for command in SD.verbs:
        if command.verbs:
            inner = [line for verb in command.verbs for line in zsh_branch(verb)]
            parts.append(zsh_choice(f"_sd_{command.name}", "verb", command.verbs, inner))
            branches.append(f"    {command.name}) _sd_{command.name} ;;")
        else:
            branches += zsh_branch(command)
    parts.append(zsh_choice("_sd_command", "command", top(), branches))
    return "\n\n".join([*parts, '_sd_command "$@"']) + "\n"


# --- fish ----------------------------------------------------------------------------------------

FISH = r"""# Completion of sd for fish. @NOTE@

set -g __sd_commands @COMMANDS@
# The options that take a value, after their command.
set -g __sd_valued @VALUED@

function __sd_read --description 'Which command is typed, and how many arguments it has'
    set -l words (commandline -opc)
    test "$words" = "$__sd_words"; and return
    set -g __sd_words $words
    set -g __sd_path ''
    set -g __sd_count 0
    set -l value no
    for word in $words[2..]
        if test $value = yes
            set value no
            continue
        end
        switch $word
            case '-*=*' --
                continue
            case '-*'
                contains -- "$__sd_path $word" $__sd_valued; or contains -- " $word" $__sd_valued
                and set value yes
            case help
                test -z "$__sd_path"; or set __sd_count (math $__sd_count + 1)
            case '*'
                if contains -- (string trim -- "$__sd_path $word") $__sd_commands
                    set __sd_path (string trim -- "$__sd_path $word")
                else
                    set __sd_count (math $__sd_count + 1)
                end
        end
    end
end

function __sd_at --description 'Whether this command is typed, with so many arguments'
    __sd_read
    test "$__sd_path" = "$argv[1]"; or return 1
    not set -q argv[2]; or test $argv[2] = all; or test $argv[2] = $__sd_count
end

complete -c sd -f
@ROWS@
"""


def fish_quoted(text: str) -> str:
    """One word of fish."""
    return quoted(text.replace("\\", "\\\\"), "\\'")


def fish_offer(value: Value) -> str:
    """The switches of `complete` for a value."""
    if value.words:
        return f" -a {fish_quoted(' '.join(value.words))}"
    return " -a '(__fish_complete_directories)'" if value.folders else " -F" if value.files else ""


def fish_option(option: Option, condition: str) -> str:
    """One option, or two where it has an opposite."""
    about = f" -d {fish_quoted(plain(option.about))}"
    value = ""
    if option.metavar:
        value = " -r" + fish_offer(option.value) if option.value.files else " -x"
        value = value if option.value.files else value + fish_offer(option.value)
    names = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names
    )
    return f"complete -c sd{condition}{names}{value}{about}"


def fish_rows() -> Iterator[str]:
    """Every completion there is."""
    for option in EVERYWHERE:
        yield fish_option(option, "")
    for command in every():
        at = fish_quoted(command.name)
        condition = f" -n {quoted(f'__sd_at {at}', chr(92) + chr(39))}"
        first = f" -n {quoted(f'__sd_at {at} 0', chr(92) + chr(39))}"
        for verb in command.verbs if command.words else top():
            yield f"complete -c sd{first} -a {verb.words[-1]} -d {fish_quoted(verb.summary)}"
        if command.words:
            yield from (fish_option(option, condition) for option in command.options)
        for number, argument in enumerate(command.arguments):
            many = "all" if argument.repeats else str(number)
            place = f" -n {quoted(f'__sd_at {at} {many}', chr(92) + chr(39))}"
            if offer := fish_offer(argument.value):
                yield f"complete -c sd{place}{offer}"


def fish() -> str:
    """sd.fish."""
    valued = [
        fish_quoted(f"{command.name} {name}")
        for command in every()
        for option in command.options
        if option.metavar
        for name in option.names
    ]
    text = FISH.replace("@NOTE@", NOTE).replace("@ROWS@", "\n".join(fish_rows()))
    names = [fish_quoted(command.name) for command in every() if command.words]
    return text.replace("@COMMANDS@", " ".join(names)).replace("@VALUED@", " ".join(valued))


SCRIPTS = {"sd.bash": bash, "_sd": zsh, "sd.fish": fish}


def main() -> int:
    """Write or check."""
    return write_or_check(FOLDER, {name: make() for name, make in SCRIPTS.items()}, alone=True)


if __name__ == "__main__":
    sys.exit(main())
