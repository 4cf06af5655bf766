"""Every case, in the order of the table. A new one is a class here or in a file beside, and a line in CASES."""

from bench.case import Case
from bench.cases.bus import Bus, Waiting
from bench.cases.definitions import Definitions
from bench.cases.growth import GrowthOfAnswers, GrowthOfIngest
from bench.cases.ingest import IngestMariaDB, IngestPostgreSQL, IngestSQLite
from bench.cases.late import Late
from bench.cases.notifications import Notifications
from bench.cases.recent import Recent
from bench.cases.size import SizeOthers, SizePostgreSQL
from bench.cases.statistics import CloudByProject, ProjectByHour, ResourceByHour
from bench.cases.upkeep import Upkeep

CASES: tuple[type[Case], ...] = (
    IngestPostgreSQL,
    IngestSQLite,
    IngestMariaDB,
    Bus,
    Notifications,
    Definitions,
    SizePostgreSQL,
    SizeOthers,
    ProjectByHour,
    CloudByProject,
    ResourceByHour,
    Recent,
    GrowthOfAnswers,
    GrowthOfIngest,
    Upkeep,
    Waiting,
    Late,
)
