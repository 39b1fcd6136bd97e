-- +goose Up
-- Who may write to an org: the write credential is tied to one approved restore and
-- stays what it is for as long as that may write, its approver must still be somebody
-- who may approve, and no tick starts what does not stand in the database.

-- +goose StatementBegin
create function may_approve(role text) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
    select coalesce(role in ('owner', 'admin'), false)
$$;
-- +goose StatementEnd
comment on function may_approve(text) is 'whether a role may approve restores: as the table in pkg/account says';

-- +goose StatementBegin
create or replace function guard_restore() returns trigger
language plpgsql set search_path = ''
as $$
declare
    -- From each state, where a restore may go.
    onward jsonb := '{
        "planning":  ["planned", "failed", "cancelled"],
        "planned":   ["approved", "cancelled"],
        "approved":  ["waiting", "applying", "failed", "stopped", "cancelled"],
        "waiting":   ["applying", "failed", "stopped", "cancelled"],
        "applying":  ["waiting", "verifying", "closing", "failed", "stopped"],
        "verifying": ["waiting", "verified", "closing", "failed", "stopped"],
        "verified":  ["closing", "closed", "failed", "stopped"],
        "closing":   ["closed", "failed", "stopped"]
    }';
begin
    if new.state <> old.state and not coalesce(onward -> old.state ? new.state, false) then
        raise exception 'restore % cannot go from % to %', old.id, old.state, new.state using errcode = 'IM003';
    end if;
    if old.state <> 'planning' and (new.plan_digest is distinct from old.plan_digest
            or new.plan_sealed is distinct from old.plan_sealed) then
        raise exception 'the plan of restore % does not change any more', old.id using errcode = 'IM003';
    end if;
    if new.approved_by is distinct from old.approved_by
            and (new.approved_by is distinct from public.current_user_id()
                or not public.may_approve(public.current_member_role())) then
        raise exception 'restore % is approved by whoever is signed in and may approve, and nobody else', old.id
            using errcode = 'IM002';
    end if;
    if new.state = 'applying' and old.state <> 'applying' and not exists (
            select from public.members m
            where m.account_id = new.account_id and m.user_id = new.approved_by and public.may_approve(m.role)) then
        raise exception 'who approved restore % may not approve restores any more', old.id
            using errcode = 'IM002', hint = 'plan it again, and have an owner or an admin approve that';
    end if;
    -- Whoever changes the write credential at this moment is waited for (guard_credential).
    if new.apply_requested_at is distinct from old.apply_requested_at then
        perform from public.credentials c
        where c.account_id = new.account_id and c.connection_id = new.connection_id and c.purpose = 'write'
        for share;
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_restore() is 'the states of a restore in their order; a plan that stays what it was; an approval in one''s own name, of one who still may when the window opens';

-- A refused sign-in proves that the window is closed only if it is that of the app for
-- which it was opened.
-- +goose StatementBegin
create function guard_credential() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if exists (select from public.restores r
            where r.account_id = old.account_id and r.connection_id = old.connection_id
                and r.apply_requested_at is not null and r.ended_at is null) then
        raise exception 'a restore of connection % may be writing', old.connection_id
            using errcode = 'IM003', hint = 'wait until the restore is closed, or cancel it';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_credential() is 'a write credential stays what it is from when a restore is asked for until it has ended';
create trigger credentials_guard before update on credentials for each row
    when (old.purpose = 'write' and (old.purpose, old.client_id, old.key_id, old.public_jwk, old.sealed_key, old.scopes)
        is distinct from (new.purpose, new.client_id, new.key_id, new.public_jwk, new.sealed_key, new.scopes))
    execute function guard_credential();

-- +goose StatementBegin
create function current_write_connection() returns uuid
language sql stable security definer set search_path = ''
as $$
    select r.connection_id
    from river.river_job j
    join public.restores r on r.account_id = public.current_account() and r.id = public.as_uuid(j.args ->> 'restore_id')
    where j.id = public.current_job_id() and j.kind = 'apply_restore' and j.queue = 'restore'
        and r.apply_requested_at is not null
        and r.state in ('approved', 'waiting', 'applying', 'verifying', 'verified', 'closing')
$$;
-- +goose StatementEnd
comment on function current_write_connection() is 'the connection that the running job may write to: its restore is approved, asked for, and has not ended';

-- The function below reaches across accounts, as those of 00012 do and by the same
-- rules: for imago_worker and imago_drift, whose tick is about to enqueue. A program
-- can make a tick of its own, so a tick is no proof of anything.
-- +goose StatementBegin
create function stands(kind text, args jsonb) returns boolean
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
        when 'apply_restore' then exists (
            select from about a join public.restores r on r.account_id = a.account_id and r.id = a.restore_id
            where r.state in ('verified', 'closing'))
        when 'report_failure' then exists (
                select from about a join public.snapshots s on s.account_id = a.account_id and s.id = a.snapshot_id
                where s.state = 'failed')
            or exists (
                select from about a join public.restores r on r.account_id = a.account_id and r.id = a.restore_id
                where r.state in ('failed', 'stopped'))
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
comment on function stands(text, jsonb) is 'whether what a tick is about to enqueue is about a row that waits for it';

grant select (connection_id) on restores to imago_definer;
grant select (trigger) on snapshots to imago_definer;
-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.current_write_connection() owner to imago_definer';
    execute 'alter function public.stands(text, jsonb) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.current_write_connection() from public';
    execute 'revoke execute on function public.stands(text, jsonb) from public';
    execute 'grant execute on function public.current_write_connection() to imago_worker';
    execute 'grant execute on function public.stands(text, jsonb) to imago_worker, imago_drift';
end
$$;
-- +goose StatementEnd

alter policy credentials_worker on credentials
    using (account_id = (select current_account())
        and (purpose = 'read' or connection_id = (select current_write_connection())));

alter policy river_job_worker_insert on river.river_job
    with check ((kind in ('follow_log', 'send_message', 'sweep_repository')
            and args ->> 'account_id' = (select current_account())::text)
        or (kind in ('take_snapshot', 'report_failure', 'apply_restore')
            and (select current_job_kind()) = 'run_schedules' and stands(kind, args)));
alter policy river_job_drift_insert on river.river_job
    with check ((kind = 'send_message' and args ->> 'account_id' = (select current_account())::text)
        or (kind = 'follow_log' and (select current_job_kind()) = 'start_follows' and stands(kind, args)));
