"""How what is published is made: the Debian package, the index's files, the list of their parts.

Nothing of it is installed, and nothing in it needs more than the standard library, so that it runs
in a checkout, in an unpacked sdist, and in the bare Debian that the package is built in.
"""
