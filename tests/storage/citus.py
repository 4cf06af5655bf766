"""Stand-ins for the parts of Citus that `storage.upkeep.cluster` calls: they refuse what Citus refuses, and remember.

Citus itself is in none of the places the tests may install from, so this is as near as they get.
"""

from sqlalchemy import text

from storage.database import Database

STATEMENTS = (
    "SET LOCAL allow_system_table_mods = on",
    "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
    " SELECT 999999, 'citus', 10, 11, false, '13.2-1'",
    "CREATE TABLE citus_calls (number serial, call text)",
    "CREATE TABLE citus_tables"
    " (table_name regclass, citus_table_type text, distribution_column text, colocation_id int)",
    """
    CREATE FUNCTION create_reference_table(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM citus_tables t WHERE t.table_name = $1) THEN
            RAISE EXCEPTION 'table "%" is already distributed', $1;
        END IF;
        INSERT INTO citus_calls (call) VALUES (format('create_reference_table(%s)', $1));
        INSERT INTO citus_tables VALUES ($1, 'reference', NULL, 1);
    END $$
    """,
    """
    CREATE FUNCTION create_distributed_table(
        table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
        colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL
    ) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        together int;
    BEGIN
        IF EXISTS (SELECT FROM citus_tables t WHERE t.table_name = $1) THEN
            RAISE EXCEPTION 'table "%" is already distributed', $1;
        END IF;
        IF $4 NOT IN ('default', 'none') AND $5 IS NOT NULL THEN
            RAISE EXCEPTION 'Cannot use colocate_with with a table and shard_count at the same time';
        END IF;
        SELECT t.colocation_id INTO together FROM citus_tables t WHERE t.table_name::text = $4;
        IF together IS NULL AND $4 NOT IN ('default', 'none') THEN
            RAISE EXCEPTION 'relation % is not distributed', $4;
        END IF;
        INSERT INTO citus_calls (call)
            VALUES (format('create_distributed_table(%s, %s, %s, %s)', $1, $2, $4, $5));
        INSERT INTO citus_tables SELECT $1, 'distributed', $2,
            coalesce(together, (SELECT coalesce(max(colocation_id), 1) + 1 FROM citus_tables));
    END $$
    """,
    """
    CREATE FUNCTION truncate_local_data_after_distributing_table(table_name regclass) RETURNS void
    LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO citus_calls (call) VALUES (format('truncate_local_data(%s)', $1));
        EXECUTE format('TRUNCATE %s', $1);
    END $$
    """,
    """
    CREATE FUNCTION citus_total_relation_size(table_name regclass) RETURNS bigint LANGUAGE sql AS
    $$ SELECT 1000000::bigint $$
    """,
)


def install(database: Database) -> None:
    """Makes a database look as if `CREATE EXTENSION citus` had been run in it."""
    with database.write() as connection:
        for statement in STATEMENTS:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def calls(database: Database) -> list[str]:
    """The calls that changed something, in their order."""
    with database.read() as connection:
        return list(connection.scalars(text("SELECT call FROM citus_calls ORDER BY number")))
