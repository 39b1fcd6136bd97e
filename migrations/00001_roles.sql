-- +goose Up
-- The programs' roles own nothing and cannot pass by row-level security.
-- imago_definer cannot log in: it owns the security definer functions, and is
-- granted no more than they need, so that they work where the owner is no superuser.

-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['imago_api', 'imago_worker', 'imago_drift', 'imago_definer'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = name) then
            begin
                execute format(
                    'create role %I %s nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls',
                    name, case name when 'imago_definer' then 'nologin' else 'login' end);
            exception when duplicate_object or unique_violation then
                null; -- another database of this cluster was migrated at the same moment
            end;
        end if;
    end loop;
    -- To hand functions over to imago_definer the owner must be able to become it.
    if not (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) then
        execute format('grant imago_definer to %I', current_user);
    end if;
end
$$;
-- +goose StatementEnd

revoke create on schema public from public;
grant usage on schema public to imago_api, imago_worker, imago_drift, imago_definer;
grant usage on schema river to imago_api, imago_worker, imago_drift, imago_definer;

-- So that a program can tell at its start that the database is too old for it.
grant select on goose_db_version to imago_api, imago_worker, imago_drift;

-- +goose StatementBegin
create function new_id() returns uuid
language sql volatile parallel safe set search_path = ''
as $$
    select encode(set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid())
            placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
            from 1 for 6),
        52, 1), 53, 1), 'hex')::uuid
$$;
-- +goose StatementEnd
comment on function new_id() is 'a UUID of version 7 (RFC 9562): later ones sort after earlier ones';

-- +goose StatementBegin
create function as_uuid(value text) returns uuid
language sql immutable parallel safe set search_path = ''
as $$
    select case
        when value ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
        then value::uuid
    end
$$;
-- +goose StatementEnd
comment on function as_uuid(text) is 'the UUID that a text holds, or null: garbage is no error';
