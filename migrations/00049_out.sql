-- +goose Up
-- Whoever signs out everywhere is in nowhere: not by a machine, either, that was let in and
-- has not come for its session yet.
grant update (denied_at) on device_sign_ins to imago_definer;

-- +goose StatementBegin
create or replace function end_other_sessions() returns bigint
language sql volatile security definer set search_path = ''
as $$
    with denied as (
        update public.device_sign_ins d set denied_at = now()
        where d.approved_by = public.current_user_id() and d.used_at is null and d.expires_at > now()
            and (not public.current_sso() or d.account_id = public.current_account())
    ), ended as (
        update public.sessions s set revoked_at = now()
        where s.user_id = public.current_user_id() and s.id <> public.current_session_id()
            and (not public.current_sso() or s.account_id = public.current_account()) and s.kind <> 'token'
            and s.revoked_at is null and s.expires_at > now() and s.idle_expires_at > now()
        returning s.id
    )
    select count(*) from ended
$$;
-- +goose StatementEnd

-- Guesses that are made at the same time are counted one after the other.
-- +goose StatementBegin
create or replace function find_device(user_code bytea)
returns table (id uuid, origin bytea, created_at timestamptz, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_user_id();
    d public.device_sign_ins;
begin
    if person is null then
        return;
    end if;
    perform pg_catalog.pg_advisory_xact_lock(7304, pg_catalog.hashtext(person::text));
    if exists (select from public.device_guesses g
            where g.user_id = person and g.tries >= 10 and g.since > now() - interval '10 minutes') then
        raise exception 'too many wrong codes were given' using errcode = 'IM001', hint = 'try again in ten minutes';
    end if;
    select * into d from public.device_sign_ins s
    where s.user_hash = user_code and s.expires_at > now() and s.approved_by is null and s.denied_at is null;
    if d.id is not null then
        return query select d.id, d.origin, d.created_at, d.expires_at;
        return;
    end if;
    insert into public.device_guesses as g (user_id, tries) values (person, 1)
    on conflict on constraint device_guesses_pkey do update set
        tries = case when g.since < now() - interval '10 minutes' then 1 else g.tries + 1 end,
        since = case when g.since < now() - interval '10 minutes' then now() else g.since end;
end
$$;
-- +goose StatementEnd

-- What a mail provider told is not needed for ever: what it stopped stays stopped.
grant delete on mail_events to imago_definer;
create index mail_events_received_idx on mail_events (received_at);
create index billing_events_received_idx on billing_events (received_at);

-- +goose StatementBegin
create or replace function purge_expired()
returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick purges' using errcode = 'IM002';
    end if;
    delete from public.sign_in_codes c where c.created_at < now() - interval '1 day';
    delete from public.idempotency_keys k where k.created_at < now() - interval '1 day';
    delete from public.sessions s where s.expires_at < now() - interval '30 days';
    delete from public.billing_events e where e.received_at < now() - interval '90 days';
    delete from public.mail_events e where e.received_at < now() - interval '90 days';
end
$$;
-- +goose StatementEnd
comment on function purge_expired() is 'forgets sign-in codes and idempotency keys after a day, sessions 30 days after their end, what Stripe and the mail provider told after 90';

-- A better plan counts at once.
grant update (next_run_at) on schedules to imago_worker;

-- Where members sign in is nothing for tokens either.
alter table sessions drop constraint sessions_scopes_harmless;
alter table sessions add constraint sessions_scopes_harmless check (not scopes && array[
    'approve_restore', 'edit_members', 'edit_security', 'edit_sso', 'edit_billing', 'delete_connection', 'delete_account']);
