-- +goose Up
-- A manifest that is sealed anew is told of before it is put: whoever dies in between has left
-- none that nobody believes any more once another data key seals.

alter table snapshots add column manifest_next text not null default '';
comment on column snapshots.manifest_next is 'digest of the manifest that is about to take the place of its own, sealed anew; empty: none is';
grant update (manifest_next) on snapshots to imago_worker;

-- +goose StatementBegin
create or replace function guard_snapshot() returns trigger
language plpgsql set search_path = ''
as $$
declare
    afterwards text[] := array['pinned_at', 'pinned_by', 'expired_at', 'expired_for', 'forgotten_at'];
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
