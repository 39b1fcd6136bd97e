-- +goose Up
-- Whoever opens a snapshot knows which manifest is about to take the place of its own: where the
-- worker died before it could note it, that one is read, too.

grant select (manifest_next) on snapshots to imago_api, imago_drift;

-- A worker may die, too, between a snapshot's manifest and its row, which then fails for good: so
-- nobody knows the snapshot by it, and it comes back like one whose row is lost.

grant delete on snapshots to imago_definer;

-- +goose StatementBegin
create or replace function known_snapshots(of_account uuid, of_connection uuid) returns table (id uuid, started_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select s.id, s.started_at from public.snapshots s
    where s.account_id = of_account and s.connection_id = of_connection and s.started_at is not null and s.state <> 'failed'
$$;
-- +goose StatementEnd
comment on function known_snapshots(uuid, uuid) is 'the snapshots of a connection that the catalogue has, but for those that failed';

-- +goose StatementBegin
create or replace function rebuild_snapshots(of_account uuid, of_connection uuid, listed jsonb) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
declare
    made bigint;
begin
    delete from public.snapshots s using jsonb_to_recordset(listed) as f (id uuid)
    where s.account_id = of_account and s.connection_id = of_connection and s.id = f.id and s.state = 'failed';
    insert into public.snapshots (id, account_id, connection_id, trigger, state, created_at, started_at, ended_at,
        manifest_digest, objects, bytes, plain_bytes, calls, gaps, types)
    select f.id, of_account, of_connection, f.trigger, f.state, f.started_at, f.started_at, f.ended_at,
        f.manifest_digest, f.objects, f.bytes, f.plain_bytes, f.calls, f.gaps, f.types
    from jsonb_to_recordset(listed) as f (id uuid, trigger text, state text, started_at timestamptz, ended_at timestamptz,
        manifest_digest text, objects bigint, bytes bigint, plain_bytes bigint, calls bigint, gaps int, types jsonb)
    on conflict (id) do nothing;
    get diagnostics made = row_count;
    return made;
end
$$;
-- +goose StatementEnd
comment on function rebuild_snapshots(uuid, uuid, jsonb) is 'puts snapshots back, each as its manifest tells, in the place of one that failed, too';
