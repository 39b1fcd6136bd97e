-- +goose Up
-- A snapshot that was let go says when, and by which rule: restores, findings and bookmarks
-- name it for long after it is gone.

alter table snapshots add column expired_for text not null default '';
alter table snapshots add constraint snapshots_expired_for check (expired_for = '' or expired_at is not null);
comment on column snapshots.expired_for is 'by which rule it was let go, for a sentence';
grant update (expired_for) on snapshots to imago_worker;
grant select (id, account_id, expired_at, expired_for) on snapshots to imago_definer;

-- For imago_api, with a session; imago_worker, with a job. No more is seen of it than this.
-- +goose StatementBegin
create function expired_snapshot(snapshot uuid)
returns table (expired_at timestamptz, expired_for text)
language sql stable security definer set search_path = ''
as $$
    select s.expired_at, s.expired_for from public.snapshots s
    where s.id = expired_snapshot.snapshot and s.account_id = (select public.current_account()) and s.expired_at is not null
$$;
-- +goose StatementEnd
comment on function expired_snapshot(uuid) is 'since when a snapshot of the account is gone, and by which rule';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.expired_snapshot(uuid) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.expired_snapshot(uuid) from public';
    execute 'grant execute on function public.expired_snapshot(uuid) to imago_api, imago_worker';
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function guard_snapshot() returns trigger
language plpgsql set search_path = ''
as $$
declare
    afterwards text[] := array['pinned_at', 'pinned_by', 'expired_at', 'expired_for', 'forgotten_at'];
begin
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
