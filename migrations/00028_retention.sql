-- +goose Up
-- Which snapshots are kept: pins, thinning, and those that were let go. What has expired is
-- nobody's any more but the job's that removes it from the store.

alter table connections add column thin boolean not null default false;
alter table connections add column forget_at timestamptz;
comment on column connections.thin is 'keep the first snapshot of each hour for a day, of each day for a week, of each week for a month, of each month for a year, and no others';
comment on column connections.forget_at is 'when it is looked again which snapshots are let go; null: at once';
grant update (thin, forget_at) on connections to imago_api;
grant update (forget_at) on connections to imago_definer;
create policy connections_definer_forget on connections for update to imago_definer using (true) with check (true);

alter table snapshots add column pinned_at timestamptz;
alter table snapshots add column pinned_by uuid;
alter table snapshots add column expired_at timestamptz;
alter table snapshots add column forgotten_at timestamptz;
alter table snapshots add constraint snapshots_pinned_by_fkey foreign key (pinned_by) references users (id);
alter table snapshots add constraint snapshots_pinned
    check ((pinned_at is null) = (pinned_by is null) and (pinned_at is null or state in ('complete', 'partial')));
alter table snapshots add constraint snapshots_expired
    check (expired_at is null or state in ('complete', 'partial') and pinned_at is null);
alter table snapshots add constraint snapshots_forgotten check (forgotten_at is null or expired_at is not null);
create index snapshots_expired_idx on snapshots (account_id, connection_id) where expired_at is not null and forgotten_at is null;
comment on column snapshots.pinned_by is 'who keeps it, whatever its age';
comment on column snapshots.expired_at is 'since when nobody sees it: its objects go later, so that whoever reads them comes to the end';
comment on column snapshots.forgotten_at is 'when its objects were removed from the store';
grant select (pinned_at, pinned_by, expired_at), update (pinned_at, pinned_by) on snapshots to imago_api;
grant update (expired_at, forgotten_at) on snapshots to imago_worker;
grant select (pinned_at, pinned_by, expired_at) on snapshots to imago_drift;
grant select (started_at, pinned_at, expired_at) on snapshots to imago_definer;
alter policy snapshots_own on snapshots
    using (account_id = (select current_account())
        and (expired_at is null or (select current_job_kind()) = 'forget_snapshots'));

-- +goose StatementBegin
create or replace function guard_snapshot() returns trigger
language plpgsql set search_path = ''
as $$
declare
    afterwards text[] := array['pinned_at', 'pinned_by', 'expired_at', 'forgotten_at'];
begin
    if old.state in ('complete', 'partial', 'failed')
            and to_jsonb(new) - afterwards is distinct from to_jsonb(old) - afterwards then
        raise exception 'snapshot % has ended', old.id using errcode = 'IM003';
    end if;
    if new.pinned_by is distinct from old.pinned_by and new.pinned_by is not null
            and new.pinned_by is distinct from public.current_user_id() then
        raise exception 'snapshot % is pinned by whoever is signed in, and nobody else', old.id using errcode = 'IM002';
    end if;
    if old.expired_at is not null and (new.expired_at is distinct from old.expired_at or new.pinned_at is not null) then
        raise exception 'snapshot % has expired', old.id using errcode = 'IM003';
    end if;
    -- Whatever a program makes of a plan's retention: the newest snapshot stays, and so does
    -- one that a restore is about.
    if old.expired_at is null and new.expired_at is not null and (
            not exists (
                select from public.snapshots s
                where s.account_id = old.account_id and s.connection_id = old.connection_id
                    and s.state in ('complete', 'partial') and s.expired_at is null
                    and (s.started_at, s.id) > (old.started_at, old.id))
            or exists (
                select from public.restores r
                where r.account_id = old.account_id and r.snapshot_id = old.id
                    and r.state not in ('closed', 'failed', 'cancelled', 'stopped'))) then
        raise exception 'snapshot % is needed', old.id using errcode = 'IM003';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_snapshot() is 'a snapshot that has ended does not change, but for who keeps it; one that is needed does not expire';

-- A finding keeps the snapshot that holds what it is about as it was.
alter table findings add column snapshot_id uuid;
alter table findings add constraint findings_snapshot_fkey foreign key (account_id, snapshot_id) references snapshots (account_id, id);
create index findings_snapshot_idx on findings (account_id, snapshot_id) where state in ('open', 'acknowledged', 'snoozed');
comment on column findings.snapshot_id is 'the snapshot that holds the resource as it was; null: none does';
grant insert (snapshot_id) on findings to imago_drift;

-- The function below reaches across accounts, as those of 00012 do and by the same rules.

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function claim_forgetting(at timestamptz, most int)
returns table (account_id uuid, connection_id uuid)
language sql volatile security definer set search_path = ''
as $$
    update public.connections c set forget_at = at + interval '1 day'
    where c.id in (
        select d.id from public.connections d
        where public.current_job_kind() = 'run_schedules' and (d.forget_at is null or d.forget_at <= at)
            and exists (
                select from public.snapshots s
                where s.account_id = d.account_id and s.connection_id = d.id and s.state in ('complete', 'partial'))
        order by d.forget_at nulls first
        limit most
        for update skip locked)
    returning c.account_id, c.id
$$;
-- +goose StatementEnd
comment on function claim_forgetting(timestamptz, int) is 'connections whose snapshots are looked through, once a day, for those to let go';

-- +goose StatementBegin
create or replace function stands(kind text, args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    with about as (
        select public.as_uuid(args ->> 'account_id') as account_id, public.as_uuid(args ->> 'connection_id') as connection_id,
            public.as_uuid(args ->> 'snapshot_id') as snapshot_id, public.as_uuid(args ->> 'restore_id') as restore_id,
            public.as_uuid(args ->> 'log_connection_id') as log_id, public.as_uuid(args ->> 'refusal_id') as refusal_id
    )
    select case kind
        when 'take_snapshot' then exists (
            select from about a join public.snapshots s on s.account_id = a.account_id
                and s.connection_id = a.connection_id and s.id = a.snapshot_id
            where s.state = 'queued' and s.trigger = 'schedule')
        when 'forget_snapshots' then exists (
            select from about a join public.connections c on c.account_id = a.account_id and c.id = a.connection_id
            where c.forget_at is not null)
        when 'apply_restore' then exists (
            select from about a join public.restores r on r.account_id = a.account_id and r.id = a.restore_id
            where r.state in ('verified', 'closing'))
        when 'report_failure' then exists (
                select from about a join public.snapshots s on s.account_id = a.account_id and s.id = a.snapshot_id
                where s.state = 'failed')
            or exists (
                select from about a join public.restores r on r.account_id = a.account_id and r.id = a.restore_id
                where r.state in ('failed', 'stopped', 'closing'))
            or exists (
                select from about a join public.schedules s on s.account_id = a.account_id
                    and s.connection_id = a.connection_id
                where s.enabled)
            or exists (
                select from about a join public.log_cursors l on l.account_id = a.account_id and l.connection_id = a.log_id
                where l.alarmed_at is not null)
            or exists (
                select from about a
                join public.sign_in_refusals f on f.id = a.refusal_id
                join public.sign_in_codes c on c.id = f.code_id
                join public.users u on u.email = c.email
                join public.members m on m.user_id = u.id and m.account_id = a.account_id
                where f.claimed_at is not null)
        when 'follow_log' then exists (
            select from about a join public.connections c on c.account_id = a.account_id and c.id = a.connection_id
            where c.state = 'ready')
        else false
    end
$$;
-- +goose StatementEnd

create policy river_job_worker_forget on river.river_job for insert to imago_worker
    with check (kind = 'forget_snapshots' and (select current_job_kind()) = 'run_schedules' and stands(kind, args));

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.claim_forgetting(timestamptz, int) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.claim_forgetting(timestamptz, int) from public';
    execute 'grant execute on function public.claim_forgetting(timestamptz, int) to imago_worker';
end
$$;
-- +goose StatementEnd
