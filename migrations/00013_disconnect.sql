-- +goose Up
-- A connection that holds no snapshot can be deleted, and what hangs on it goes with it
-- by its foreign keys. The programs' roles delete nothing else for it. A restore stays:
-- it is of a snapshot that the connection holds.

alter table credentials drop constraint credentials_connection_fkey;
alter table credentials add constraint credentials_connection_fkey foreign key (account_id, connection_id)
    references connections (account_id, id) on delete cascade;
alter table schedules drop constraint schedules_connection_fkey;
alter table schedules add constraint schedules_connection_fkey foreign key (account_id, connection_id)
    references connections (account_id, id) on delete cascade;
alter table snapshots drop constraint snapshots_connection_fkey;
alter table snapshots add constraint snapshots_connection_fkey foreign key (account_id, connection_id)
    references connections (account_id, id) on delete cascade;
alter table log_cursors drop constraint log_cursors_connection_fkey;
alter table log_cursors add constraint log_cursors_connection_fkey foreign key (account_id, connection_id)
    references connections (account_id, id) on delete cascade;
alter table findings drop constraint findings_connection_fkey;
alter table findings add constraint findings_connection_fkey foreign key (account_id, connection_id)
    references connections (account_id, id) on delete cascade;
alter table sightings drop constraint sightings_connection_fkey;
alter table sightings add constraint sightings_connection_fkey foreign key (account_id, connection_id)
    references connections (account_id, id) on delete cascade;

-- +goose StatementBegin
create function guard_connection() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if exists (select from public.snapshots s
            where s.account_id = old.account_id and s.connection_id = old.id and s.state <> 'failed') then
        raise exception 'connection % holds snapshots', old.id using errcode = 'IM003';
    end if;
    return old;
end
$$;
-- +goose StatementEnd
comment on function guard_connection() is 'no connection goes with a snapshot, whoever deletes it: a stolen session must not destroy backups';
-- It must see the snapshots that whoever deletes does not.
-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.guard_connection() owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.guard_connection() from public';
end
$$;
-- +goose StatementEnd
create trigger connections_guard before delete on connections for each row execute function guard_connection();

grant delete on connections to imago_api;

-- What snapshots that failed have left in the store is swept when their connection is gone.
alter policy river_job_api_insert on river.river_job
    with check ((kind in ('check_connection', 'take_snapshot', 'plan_restore', 'apply_restore', 'sweep_repository')
            and args ->> 'account_id' = (select current_account())::text)
        or (kind = 'send_code' and args ->> 'code_id' = (select current_code_id())::text and not args ? 'account_id'));
