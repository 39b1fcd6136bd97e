-- +goose Up
-- A second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for
-- when it is lost. Who has one, or is in an account that wants one of everybody, gets a
-- session after the mailed code that lets into nothing until the factor was given.

alter table accounts add column require_second_factor boolean not null default false;
comment on column accounts.require_second_factor is 'whether everybody who signs in needs a second factor';
grant update (require_second_factor) on accounts to imago_api;

alter table sessions add column pending boolean not null default false;
comment on column sessions.pending is 'it waits for the second factor, and lets into nothing until then';

create table totp_factors (
    id uuid not null default new_id(),
    user_id uuid not null,
    secret bytea not null,
    created_at timestamptz not null default now(),
    confirmed_at timestamptz,
    last_step bigint not null default 0,
    tries int not null default 0,
    tries_since timestamptz not null default now(),
    constraint totp_factors_pkey primary key (id),
    constraint totp_factors_user_key unique (user_id),
    constraint totp_factors_user_fkey foreign key (user_id) references users (id)
);
comment on table totp_factors is 'persons'' authenticator apps; reached only through functions';
comment on column totp_factors.secret is 'sealed by the installation''s keyring for signing in: a person is of no one account';
comment on column totp_factors.confirmed_at is 'when its first code was given; null: it does not count yet';
comment on column totp_factors.last_step is 'the last time step whose code was taken; none is taken twice';
alter table totp_factors enable row level security;
alter table totp_factors force row level security;

create table recovery_codes (
    id uuid not null default new_id(),
    user_id uuid not null,
    code_hash bytea not null,
    used_at timestamptz,
    constraint recovery_codes_pkey primary key (id),
    constraint recovery_codes_code_key unique (user_id, code_hash),
    constraint recovery_codes_user_fkey foreign key (user_id) references users (id),
    constraint recovery_codes_hash_length check (octet_length(code_hash) = 32)
);
comment on table recovery_codes is 'what stands in for a lost authenticator, each once; reached only through functions';
alter table recovery_codes enable row level security;
alter table recovery_codes force row level security;

grant select, insert, update, delete on totp_factors, recovery_codes to imago_definer;
create policy totp_factors_definer on totp_factors to imago_definer using (true) with check (true);
create policy recovery_codes_definer on recovery_codes to imago_definer using (true) with check (true);

-- +goose StatementBegin
create or replace function current_session_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select s.id
    from public.sessions s
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where session_user = 'imago_api'
        and current_setting('app.proof_kind', true) = 'session'
        and s.token_hash = case
            when current_setting('app.proof', true) ~ '^[0-9a-f]{64}$'
            then decode(current_setting('app.proof', true), 'hex')
        end
        and s.revoked_at is null
        and s.expires_at > now()
        and s.idle_expires_at > now()
        and not s.pending
$$;
-- +goose StatementEnd

-- A proof of its own: what is presented as "session" while it waits is nobody's, and what
-- is presented as "pending" opens no account.
-- +goose StatementBegin
create function current_pending_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select s.id
    from public.sessions s
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where session_user = 'imago_api'
        and current_setting('app.proof_kind', true) = 'pending'
        and s.token_hash = case
            when current_setting('app.proof', true) ~ '^[0-9a-f]{64}$'
            then decode(current_setting('app.proof', true), 'hex')
        end
        and s.revoked_at is null
        and s.expires_at > now()
        and s.created_at > now() - interval '15 minutes'
        and s.pending
$$;
-- +goose StatementEnd
comment on function current_pending_id() is 'the session that was presented as one that waits for its second factor; it waits a quarter of an hour';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.
-- They are about the person of the presented session, which may wait for its factor.

-- +goose StatementBegin
create function current_person() returns uuid
language sql stable security definer set search_path = ''
as $$
    select s.user_id from public.sessions s
    where s.id = coalesce(public.current_session_id(), public.current_pending_id())
$$;
-- +goose StatementEnd
comment on function current_person() is 'whose session was presented, also if it waits for its second factor';

-- +goose StatementBegin
create function my_factors()
returns table (totp_at timestamptz, recovery_codes bigint, required boolean)
language sql stable security definer set search_path = ''
as $$
    select (select t.confirmed_at from public.totp_factors t where t.user_id = p.id),
        (select count(*) from public.recovery_codes r where r.user_id = p.id and r.used_at is null),
        exists (select from public.members m join public.accounts a on a.id = m.account_id
            where m.user_id = p.id and a.require_second_factor)
    from (select public.current_person() as id) p
    where p.id is not null
$$;
-- +goose StatementEnd
comment on function my_factors() is 'what the person has for a second factor, and whether one of their accounts wants it';

-- Whoever holds a session that waits may enrol only where there is nothing yet; the api
-- wants a step-up of everybody else.
-- +goose StatementBegin
create function enroll_totp(secret bytea) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with put as (
        insert into public.totp_factors as t (user_id, secret)
        select p.id, enroll_totp.secret from (select public.current_person() as id) p
        where p.id is not null and (public.current_session_id() is null or public.current_stepped_up())
        on conflict on constraint totp_factors_user_key do update
            set secret = excluded.secret, created_at = now(), last_step = 0
            where t.confirmed_at is null
        returning t.id
    )
    select exists (select from put)
$$;
-- +goose StatementEnd
comment on function enroll_totp(bytea) is 'begins to enrol an authenticator; false: there is one already';

-- A try is counted before the code is compared: five in ten minutes, whatever the session.
-- +goose StatementBegin
create function try_factor()
returns table (allowed boolean, secret bytea, confirmed boolean)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    update public.totp_factors t set
        tries = case when t.tries_since < now() - interval '10 minutes' then 1 else t.tries + 1 end,
        tries_since = case when t.tries_since < now() - interval '10 minutes' then now() else t.tries_since end
    where t.user_id = public.current_person();
    return query
        select t.tries <= 5, t.secret, t.confirmed_at is not null
        from public.totp_factors t where t.user_id = public.current_person();
end
$$;
-- +goose StatementEnd
comment on function try_factor() is 'counts a try at the person''s authenticator; its sealed secret';

-- The presented session goes on, proven, under a new token. Not for the programs: what
-- proves it stands in the functions that call this.
-- +goose StatementBegin
create function rise(token_hash bytea) returns timestamptz
language sql volatile security definer set search_path = ''
as $$
    update public.totp_factors t set tries = 0 where t.user_id = public.current_person();
    update public.sessions s set token_hash = rise.token_hash, stepped_up_at = now(), pending = false
    where s.id = coalesce(public.current_session_id(), public.current_pending_id())
    returning s.expires_at
$$;
-- +goose StatementEnd
comment on function rise(bytea) is 'gives the presented session a new token, now that its person has proved who they are';

-- +goose StatementBegin
create function confirm_totp(step bigint, recovery bytea[], token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_person();
begin
    update public.totp_factors t set confirmed_at = now(), last_step = step
    where t.user_id = person and t.confirmed_at is null;
    if not found then
        return null;
    end if;
    delete from public.recovery_codes r where r.user_id = person;
    insert into public.recovery_codes (user_id, code_hash) select person, c from unnest(recovery) c;
    return public.rise(token_hash);
end
$$;
-- +goose StatementEnd
comment on function confirm_totp(bigint, bytea[], bytea) is 'an authenticator''s first code was given: it counts from now on; null: none was being enrolled';

-- +goose StatementBegin
create function rise_by_totp(step bigint, token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
begin
    update public.totp_factors t set last_step = step
    where t.user_id = public.current_person() and t.confirmed_at is not null and t.last_step < step;
    if not found then
        return null;
    end if;
    return public.rise(token_hash);
end
$$;
-- +goose StatementEnd
comment on function rise_by_totp(bigint, bytea) is 'takes the code of a time step, which was found right; null: it, or a later one, was taken before';

-- +goose StatementBegin
create function rise_by_recovery(code_hash bytea, token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
begin
    update public.recovery_codes r set used_at = now()
    where r.user_id = public.current_person() and r.code_hash = rise_by_recovery.code_hash and r.used_at is null;
    if not found then
        return null;
    end if;
    return public.rise(token_hash);
end
$$;
-- +goose StatementEnd
comment on function rise_by_recovery(bytea, bytea) is 'uses a recovery code up; null: there is no such one';

-- +goose StatementBegin
create function remove_totp() returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if not public.current_stepped_up() then
        raise exception 'removing a factor needs a step-up' using errcode = 'IM002';
    end if;
    if exists (select from public.members m join public.accounts a on a.id = m.account_id
            where m.user_id = public.current_user_id() and a.require_second_factor) then
        raise exception 'an account of yours wants a second factor of everybody' using errcode = 'IM002',
            hint = 'ask an owner of the account';
    end if;
    delete from public.totp_factors t where t.user_id = public.current_user_id();
    delete from public.recovery_codes r where r.user_id = public.current_user_id();
end
$$;
-- +goose StatementEnd
comment on function remove_totp() is 'removes the person''s authenticator and recovery codes';

-- Mail is the first factor of everybody: it is not the second of who has one.
-- +goose StatementBegin
create or replace function begin_step_up()
returns table (id uuid, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    session uuid := public.current_session_id();
    person uuid := public.current_user_id();
begin
    if session is null then
        raise exception 'there is no session to step up' using errcode = 'IM002';
    end if;
    if exists (select from public.totp_factors t where t.user_id = person and t.confirmed_at is not null) then
        raise exception 'your second factor steps up, and mail does not' using errcode = 'IM002',
            hint = 'give the code of your authenticator app';
    end if;
    perform pg_catalog.pg_advisory_xact_lock(7304, pg_catalog.hashtext(person::text));
    if (select count(*) from public.sign_in_codes c join public.sessions s on s.id = c.session_id
            where s.user_id = person and c.created_at > now() - interval '1 hour') >= 10 then
        raise exception 'too many codes were asked for' using errcode = 'IM001',
            hint = 'use one that was mailed, or sign in again';
    end if;
    return query
        insert into public.sign_in_codes as c (email, client_hash, ip_hash, session_id)
        select u.email, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
            sha256(uuid_send(gen_random_uuid())), session
        from public.users u where u.id = person
        returning c.id, c.expires_at;
end
$$;
-- +goose StatementEnd

-- However a session is opened, it waits for the second factor of who has one, and for one
-- to be enrolled where an account wants it. What is opened out of a session that is in
-- (for another of the person's accounts) was proven with it.
-- +goose StatementBegin
create or replace function begin_session() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    has boolean := exists (
        select from public.totp_factors t where t.user_id = new.user_id and t.confirmed_at is not null);
    wanted boolean := exists (
        select from public.members m join public.accounts a on a.id = m.account_id
        where m.user_id = new.user_id and a.require_second_factor);
begin
    if public.current_user_id() = new.user_id then
        new.stepped_up_at := (select s.stepped_up_at from public.sessions s where s.id = public.current_session_id());
        new.pending := wanted and not has;
    else
        new.pending := wanted or has;
    end if;
    if new.pending then
        new.stepped_up_at := null;
    end if;
    return new;
end
$$;
-- +goose StatementEnd

-- For imago_api, with no proof, in the transaction that opened the session.
-- +goose StatementBegin
create function session_waits_for(token_hash bytea) returns text
language sql stable security definer set search_path = ''
as $$
    select case
        when not s.pending then ''
        when exists (select from public.totp_factors t where t.user_id = s.user_id and t.confirmed_at is not null) then 'totp'
        else 'enroll' end
    from public.sessions s where s.token_hash = session_waits_for.token_hash
$$;
-- +goose StatementEnd
comment on function session_waits_for(bytea) is 'what a session needs before it lets in: totp, enroll, or nothing';

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('current_pending_id()', 'imago_api, imago_worker, imago_drift'),
            ('current_person()', 'imago_api, imago_worker, imago_drift'),
            ('my_factors()', 'imago_api'),
            ('enroll_totp(bytea)', 'imago_api'),
            ('try_factor()', 'imago_api'),
            ('rise(bytea)', 'imago_definer'),
            ('confirm_totp(bigint, bytea[], bytea)', 'imago_api'),
            ('rise_by_totp(bigint, bytea)', 'imago_api'),
            ('rise_by_recovery(bytea, bytea)', 'imago_api'),
            ('remove_totp()', 'imago_api'),
            ('session_waits_for(bytea)', 'imago_api')
        ) as t (signature, callers)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        execute format('grant execute on function public.%s to %s', f.signature, f.callers);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
