-- +goose Up
-- Points: snapshots between sweeps. What the org's log names is gathered for a while, then
-- read again, as a layer over the newest snapshot. A point that waits or reads has states of
-- its own, so that it neither stands for the sweep that somebody asks for nor keeps a
-- schedule's from being queued.

alter table snapshots drop constraint snapshots_trigger_known;
alter table snapshots add constraint snapshots_trigger_known check (trigger in ('schedule', 'manual', 'verify', 'change'));
alter table snapshots drop constraint snapshots_state_known;
alter table snapshots add constraint snapshots_state_known
    check (state in ('queued', 'running', 'gathering', 'reading', 'complete', 'partial', 'failed'));
alter table snapshots add constraint snapshots_point
    check ((state not in ('gathering', 'reading') or trigger = 'change') and (state not in ('queued', 'running') or trigger <> 'change'));
create unique index snapshots_gathering_key on snapshots (account_id, connection_id) where state = 'gathering';
-- Each snapshot is a layer over the one before it: two that were taken at once would stand
-- on the same one, and neither would know of the other.
create unique index snapshots_taking_key on snapshots (account_id, connection_id) where state in ('running', 'reading');
create index snapshots_began_idx on snapshots (account_id, connection_id, started_at, id) where state in ('complete', 'partial');

create table named_objects (
    snapshot_id uuid not null,
    account_id uuid not null,
    resource text not null,
    sealed bytea not null,
    constraint named_objects_pkey primary key (account_id, snapshot_id, resource),
    constraint named_objects_snapshot_fkey foreign key (account_id, snapshot_id)
        references snapshots (account_id, id) on delete cascade
);
comment on table named_objects is 'what a point is to read again, because the org''s log named it';
comment on column named_objects.resource is 'keyed digest of the resource''s key, which is sealed';
alter table named_objects enable row level security;
alter table named_objects force row level security;
create policy named_objects_own on named_objects to imago_worker, imago_drift
    using (account_id = (select current_account()));
grant insert on named_objects to imago_drift;
grant select, delete on named_objects to imago_worker;

-- For imago_drift, with a running follow_log job. The row stays locked until the transaction
-- ends: a point that is about to read waits for what is named meanwhile.
-- +goose StatementBegin
create function gather_point(of_connection uuid) returns table (id uuid, made boolean)
language plpgsql volatile security definer set search_path = ''
as $$
#variable_conflict use_column
declare
    owner uuid := public.current_account();
    point uuid;
begin
    if public.current_job_kind() is distinct from 'follow_log' or not exists (
            select from public.connections c where c.account_id = owner and c.id = of_connection) then
        raise exception 'only who follows the connection''s log names what is read again' using errcode = 'IM002';
    end if;
    loop
        insert into public.snapshots as s (account_id, connection_id, trigger, state)
        values (owner, of_connection, 'change', 'gathering')
        on conflict (account_id, connection_id) where state = 'gathering' do nothing
        returning s.id into point;
        if point is not null then
            return query select point, true;
            return;
        end if;
        select s.id into point from public.snapshots s
        where s.account_id = owner and s.connection_id = of_connection and s.state = 'gathering' for update;
        if point is not null then
            return query select point, false;
            return;
        end if;
    end loop;
end
$$;
-- +goose StatementEnd
comment on function gather_point(uuid) is 'the point of a connection that gathers; a new one if there is none';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.gather_point(uuid) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.gather_point(uuid) from public';
    execute 'grant execute on function public.gather_point(uuid) to imago_drift';
end
$$;
-- +goose StatementEnd

create policy river_job_point_insert on river.river_job for insert to imago_drift
    with check (kind = 'take_point' and args ->> 'account_id' = (select current_account())::text
        and (select current_job_kind()) = 'follow_log');

-- +goose StatementBegin
create or replace function end_orphans()
returns table (account_id uuid, kind text, id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick ends what was given up' using errcode = 'IM002';
    end if;
    return query
        update public.snapshots s set state = 'failed', ended_at = now(), lease = s.lease + 1, checkpoint = null,
            problem = jsonb_build_object('kind', 'unavailable', 'field', '',
                'what', 'the snapshot was given up after many tries', 'hint', 'check the connection, then take one again')
        where s.state in ('queued', 'running', 'gathering', 'reading') and s.created_at < now() - interval '1 minute'
            and not exists (
                select from river.river_job j
                where j.kind in ('take_snapshot', 'take_point') and j.args @> jsonb_build_object('snapshot_id', s.id)
                    and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
        returning s.account_id, 'snapshot', s.id;
    return query
        update public.restores r set state = case when r.window_opened_at is null then 'failed' else 'closing' end,
            ended_at = case when r.window_opened_at is null then now() end, lease = r.lease + 1,
            problem = jsonb_build_object('kind', 'unavailable', 'field', '',
                'what', 'the restore was given up after many tries',
                'hint', 'its journal says what was made; deactivate the write app, then plan again')
        where (r.state in ('planning', 'waiting', 'applying', 'verifying')
                or r.state = 'approved' and r.apply_requested_at is not null)
            and r.created_at < now() - interval '1 minute'
            and not exists (
                select from river.river_job j
                where j.kind in ('plan_restore', 'apply_restore')
                    and j.args @> jsonb_build_object('restore_id', r.id)
                    and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
        returning r.account_id, 'restore', r.id;
    update public.connections c set state = 'failed', checked_at = now(),
        problem = jsonb_build_object('kind', 'unavailable', 'field', '',
            'what', 'the check was given up after many tries', 'hint', 'check the connection again')
    where c.state = 'checking' and not exists (
        select from river.river_job j
        where j.kind = 'check_connection' and j.args @> jsonb_build_object('connection_id', c.id)
            and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'));
    -- Those that were just given up are among them.
    return query
        select r.account_id, 'window', r.id from public.restores r
        where r.state in ('verified', 'closing') and not exists (
            select from river.river_job j
            where j.kind = 'apply_restore' and j.args @> jsonb_build_object('restore_id', r.id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'));
end
$$;
-- +goose StatementEnd
