-- +goose Up
-- A snapshot whose manifest is lost from the bucket for good is given up by somebody, so that it
-- keeps nothing else from being cleared away, nor a data key from being retired.

alter table snapshots add column given_up_at timestamptz;
alter table snapshots add column given_up_by uuid;
alter table snapshots add constraint snapshots_given_up_by_fkey foreign key (given_up_by) references users (id);
alter table snapshots add constraint snapshots_given_up
    check ((given_up_at is null) = (given_up_by is null) and (given_up_at is null or state in ('complete', 'partial') and pinned_at is null));
comment on column snapshots.given_up_at is 'since when somebody takes it for lost: a worker that finds it so lets it go';
comment on column snapshots.given_up_by is 'who takes it for lost';
grant select (given_up_at, given_up_by), update (given_up_at, given_up_by) on snapshots to imago_api;
grant update (given_up_at, given_up_by) on snapshots to imago_worker;
grant select (given_up_at) on snapshots to imago_drift;

-- +goose StatementBegin
create or replace function guard_snapshot() returns trigger
language plpgsql set search_path = ''
as $$
declare
    afterwards text[] := array['pinned_at', 'pinned_by', 'given_up_at', 'given_up_by', 'expired_at', 'expired_for', 'forgotten_at'];
begin
    if public.current_job_kind() is not distinct from 'reseal_repository' then
        afterwards := afterwards || array['manifest_digest', 'manifest_next'];
    end if;
    if old.state in ('complete', 'partial', 'failed')
            and to_jsonb(new) - afterwards is distinct from to_jsonb(old) - afterwards then
        raise exception 'snapshot % has ended', old.id using errcode = 'IM003';
    end if;
    if new.pinned_by is distinct from old.pinned_by and new.pinned_by is not null
            and new.pinned_by is distinct from public.current_user_id() then
        raise exception 'snapshot % is pinned by whoever is signed in, and nobody else', old.id using errcode = 'IM002';
    end if;
    if new.given_up_by is distinct from old.given_up_by and new.given_up_by is not null
            and new.given_up_by is distinct from public.current_user_id() then
        raise exception 'snapshot % is given up by whoever is signed in, and nobody else', old.id using errcode = 'IM002';
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
