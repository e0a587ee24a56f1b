"""All that a person sees: progress, tables, errors. The only importer of rich.

One file per thing shown; what the commands use is named here. Nothing of it loads rich before it
draws.
"""

from optkit.console.annotations import annotate as annotate
from optkit.console.benchmark import print_benchmark as print_benchmark
from optkit.console.blame import print_blame as print_blame
from optkit.console.devices import print_devices as print_devices
from optkit.console.gates import missed as missed
from optkit.console.gates import print_missed as print_missed
from optkit.console.profile import print_profile as print_profile
from optkit.console.progress import progress as progress
from optkit.console.results import print_check as print_check
from optkit.console.results import print_run as print_run
from optkit.console.several import print_runs as print_runs
from optkit.console.stream import Console as Console
from optkit.console.stream import open_console as open_console
from optkit.console.stream import print_error as print_error
from optkit.console.stream import print_json as print_json
from optkit.console.stream import say as say
from optkit.console.stream import write_json as write_json
from optkit.console.tables import print_table as print_table
from optkit.console.tables import seconds as seconds
from optkit.console.tables import size as size
