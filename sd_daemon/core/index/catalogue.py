"""The rules there are, as data: what each is called, what it leaves out, and what proves it.

A rule never goes by a name alone: a folder called `build` in a tree of photographs is a person's
folder. It takes something in or beside the folder that only the tool in question puts there.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """One reason to leave something out. `toggle` is the setting that switches it."""

    name: str
    toggle: str
    sentence: str


class Proof(NamedTuple):
    """Folder names that a rule looks at, and what has to be there for it to hold.

    `inside` and `beside` are names, of which one has to exist in the folder and one next to it;
    with `either` one of the two is enough. An empty tuple asks for nothing.
    """

    rule: str
    folders: tuple[str, ...]
    inside: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    either: bool = False


# Each setting with its default. By default nothing that a person made is left out.
TOGGLES: dict[str, bool] = {
    "no_system_files": True,
    "no_git": True,
    "no_dev_dirs": True,
    "no_hidden": False,
    "gitignore": False,
    "only_images": False,
}

RULES: tuple[Rule, ...] = (
    Rule(
        "pseudo_filesystem",
        "no_system_files",
        "The contents of file systems that only show the kernel's state, such as /proc and /sys.",
    ),
    Rule(
        "trash",
        "no_system_files",
        "Trash folders: .Trash-UID, .Trash, ~/.local/share/Trash, .Trashes, $RECYCLE.BIN.",
    ),
    Rule(
        "open_but_deleted",
        "no_system_files",
        "Placeholders (.nfs..., .fuse_hidden...) of files that are deleted but still open.",
    ),
    Rule(
        "unfinished",
        "no_system_files",
        "What a file operation of Spacedrive has not finished (.spacedrive-...).",
    ),
    Rule(
        "own_data",
        "no_system_files",
        "What Spacedrive itself writes: the contents of its data folder and of a library's folder.",
    ),
    Rule(
        "lost_and_found",
        "no_system_files",
        "A lost+found folder that belongs to root and cannot be read.",
    ),
    Rule(
        "version_control",
        "no_git",
        "What Git, Mercurial, Subversion and their like keep for themselves: .git, .hg, .svn, ...",
    ),
    Rule(
        "cache_tag",
        "no_dev_dirs",
        "The contents of a folder that declares itself a cache with a valid CACHEDIR.TAG.",
    ),
    Rule(
        "dependencies",
        "no_dev_dirs",
        "Downloaded dependencies that prove themselves: node_modules beside a package.json, "
        "vendor beside a go.mod with its modules.txt, and so on.",
    ),
    Rule(
        "python_environment",
        "no_dev_dirs",
        "The contents of a Python virtual environment (pyvenv.cfg and an interpreter).",
    ),
    Rule(
        "python_bytecode",
        "no_dev_dirs",
        "A __pycache__ folder that holds nothing but compiled modules.",
    ),
    Rule(
        "build_output",
        "no_dev_dirs",
        "Build folders that prove themselves: target beside a Cargo.toml, build with a "
        "CMakeCache.txt, and so on.",
    ),
    Rule("hidden", "no_hidden", "Everything whose name begins with a dot."),
    Rule("gitignore", "gitignore", "What the .gitignore files of a Git repository ignore."),
    Rule("not_an_image", "only_images", "Files that are not images."),
)

PROOFS: tuple[Proof, ...] = (
    Proof("version_control", (".hg",), inside=("requires", "store", "00changelog.i")),
    Proof("version_control", (".svn",), inside=("wc.db", "entries", "format")),
    Proof("version_control", (".bzr",), inside=("branch-format", "branch")),
    Proof("version_control", (".jj",), inside=("repo",)),
    Proof("version_control", (".pijul",), inside=("pristine",)),
    Proof("version_control", ("_darcs",), inside=("hashed_inventory", "inventory")),
    Proof("version_control", ("CVS",), inside=("Entries",)),
    Proof(
        "dependencies",
        ("node_modules",),
        inside=(".package-lock.json", ".yarn-integrity", ".yarn-state.yml", ".modules.yaml"),
        beside=("package.json",),
        either=True,
    ),
    Proof("dependencies", ("bower_components",), beside=("bower.json", ".bowerrc")),
    Proof("dependencies", ("vendor",), inside=("modules.txt",), beside=("go.mod",)),
    Proof("dependencies", ("vendor",), inside=("autoload.php",), beside=("composer.json",)),
    Proof("dependencies", ("Pods",), inside=("Manifest.lock",), beside=("Podfile",)),
    Proof("dependencies", ("deps",), beside=("mix.lock",)),
    Proof("dependencies", ("elm-stuff",), beside=("elm.json", "elm-package.json")),
    Proof("dependencies", (".terraform",), inside=("providers", "modules", "terraform.tfstate")),
    Proof("dependencies", (".dart_tool",), inside=("package_config.json",)),
    Proof(
        "build_output",
        ("target",),
        inside=("CACHEDIR.TAG", ".rustc_info.json"),
        beside=("Cargo.toml",),
        either=True,
    ),
    Proof(
        "build_output",
        ("target",),
        inside=("classes", "maven-status", "maven-archiver", "generated-sources"),
        beside=("pom.xml",),
    ),
    Proof(
        "build_output",
        ("build",),
        inside=("classes", "intermediates", "libs", "generated", "kotlin"),
        beside=("build.gradle", "build.gradle.kts"),
    ),
    Proof(
        "build_output",
        (".gradle",),
        beside=("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"),
    ),
    Proof("build_output", ("obj",), inside=("project.assets.json",)),
    Proof("build_output", ("_build",), beside=("mix.exs",)),
    Proof("build_output", ("dist-newstyle",), inside=("cache",)),
    Proof("build_output", (".stack-work",), beside=("stack.yaml",)),
    Proof("build_output", ("zig-cache", ".zig-cache"), beside=("build.zig",)),
    Proof(
        "build_output",
        (".next", ".nuxt", ".svelte-kit", ".parcel-cache", ".turbo"),
        beside=("package.json",),
    ),
)

# Build trees of CMake and Meson may lie anywhere; these are the names people give them.
GENERATED = (
    *("build", "builddir", "_build", "out", "dist"),
    *("cmake-build-debug", "cmake-build-release", "cmake-build-relwithdebinfo"),
)


def catalogue() -> tuple[Rule, ...]:
    """Return every rule there is, for a person to read."""
    return RULES
