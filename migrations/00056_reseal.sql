-- +goose Up
-- Older data keys are retired: what lies under them is sealed anew, connection by connection,
-- and then the keyring opens no object by them any more.

alter table account_keys add column reseal_asked_at timestamptz;
comment on column account_keys.reseal_asked_at is 'when it was asked that all be sealed anew that lies under older data keys, and these be retired';
grant update (reseal_asked_at) on account_keys to imago_api, imago_worker;
drop index account_keys_due_idx;
create index account_keys_due_idx on account_keys (account_id)
    where rotation_asked_at is not null or rewrap_asked_at is not null or reseal_asked_at is not null or behind;

alter table connections add column data_key integer not null default 1;
comment on column connections.data_key is 'nothing of its snapshots lies under an older data key than this';
grant update (data_key) on connections to imago_worker;

create table repository_keys (
    account_id uuid not null,
    connection_id uuid not null,
    version integer not null,
    objects bigint not null,
    counted_at timestamptz not null default now(),
    constraint repository_keys_pkey primary key (account_id, connection_id, version),
    constraint repository_keys_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id) on delete cascade
);
comment on table repository_keys is 'how many objects of a connection''s snapshots lie under which data key, as they were counted last';
alter table repository_keys enable row level security;
alter table repository_keys force row level security;
create policy repository_keys_own on repository_keys to imago_api, imago_worker
    using (account_id = (select current_account()));
grant select on repository_keys to imago_api;
grant select, insert, delete on repository_keys to imago_worker;

-- +goose StatementBegin
create or replace function guard_snapshot() returns trigger
language plpgsql set search_path = ''
as $$
declare
    afterwards text[] := array['pinned_at', 'pinned_by', 'expired_at', 'expired_for', 'forgotten_at'];
begin
    if public.current_job_kind() is not distinct from 'reseal_repository' then
        afterwards := afterwards || 'manifest_digest'::text;
    end if;
    if old.state in ('complete', 'partial', 'failed')
            and to_jsonb(new) - afterwards is distinct from to_jsonb(old) - afterwards then
        raise exception 'snapshot % has ended', old.id using errcode = 'IM003';
    end if;
    if new.pinned_by is distinct from old.pinned_by and new.pinned_by is not null
            and new.pinned_by is distinct from public.current_user_id() then
        raise exception 'snapshot % is pinned by whoever is signed in, and nobody else', old.id using errcode = 'IM002';
    end if;
    if old.expired_at is not null and (new.expired_at is distinct from old.expired_at
            or new.expired_for is distinct from old.expired_for or new.pinned_at is not null) then
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
comment on function guard_snapshot() is 'a snapshot that has ended does not change, but for who keeps it, and for how it is sealed; one that is needed does not expire';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create or replace function due_keyrings(most int) returns table (account_id uuid)
language sql stable security definer set search_path = ''
as $$
    select k.account_id from public.account_keys k
    where public.current_job_kind() = 'run_schedules'
        and (k.rotation_asked_at is not null or k.rewrap_asked_at is not null or k.reseal_asked_at is not null or k.behind)
        and not exists (
            select from river.river_job j
            where j.kind in ('renew_keyring', 'reseal_repository') and j.args @> jsonb_build_object('account_id', k.account_id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled')
                and (j.kind = 'renew_keyring' or k.rotation_asked_at is null and k.rewrap_asked_at is null and not k.behind))
    limit most
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function stands_renewal(args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.account_keys k
        where k.account_id = public.as_uuid(args ->> 'account_id')
            and (k.rotation_asked_at is not null or k.rewrap_asked_at is not null or k.reseal_asked_at is not null or k.behind))
$$;
-- +goose StatementEnd

create policy river_job_reseal_insert on river.river_job for insert to imago_worker
    with check (args ->> 'account_id' = (select current_account())::text and (
        kind = 'reseal_repository' and (select current_job_kind()) = 'renew_keyring'
        or kind = 'renew_keyring' and (select current_job_kind()) = 'reseal_repository'));
