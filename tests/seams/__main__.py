"""`python -m tests.seams` is `cerebros-bridge` with the counting room."""

from bridge.cli.commands import command_line
from tests.seams.counting import ALL_KINDS, ALL_PROCEDURES

command_line(ALL_KINDS, ALL_PROCEDURES, program="tests.seams")()
