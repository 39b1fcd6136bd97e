-- +goose Up
-- Sessions that their owner can look through, and proof anew before what cannot be
-- taken back: stepping up, by a code that is mailed for that session alone.

alter table sessions add column stepped_up_at timestamptz;
alter table sessions alter column stepped_up_at set default now();
alter table sessions add column origin bytea;
alter table sessions add constraint sessions_origin_length check (octet_length(origin) <= 2000);
comment on column sessions.stepped_up_at is 'when its person last proved who they are: at first, when they signed in';
comment on column sessions.origin is 'network address and user agent that signed in, sealed by the installation''s keyring for signing in';
grant select (stepped_up_at, origin), update (origin) on sessions to imago_api;
grant update on sessions to imago_definer;

alter table sign_in_codes add column session_id uuid;
alter table sign_in_codes add constraint sign_in_codes_session_fkey
    foreign key (session_id) references sessions (id) on delete cascade;
create index sign_in_codes_session_idx on sign_in_codes (session_id) where session_id is not null;
comment on column sign_in_codes.session_id is 'the session that the code steps up; null: it signs in';

-- +goose StatementBegin
create function current_stepped_up() returns boolean
language sql stable security definer set search_path = ''
as $$
    select coalesce((
        select s.stepped_up_at > now() - interval '10 minutes'
        from public.sessions s where s.id = public.current_session_id()), false)
$$;
-- +goose StatementEnd
comment on function current_stepped_up() is 'whether the person of the presented session proved in the last ten minutes who they are';

-- The functions below reach across accounts, as those of 00012 do and by the same rules:
-- all but the mailed code's are for imago_api with a session, and about its own person.

-- +goose StatementBegin
create function my_sessions()
returns table (id uuid, kind text, account_name text, created_at timestamptz, seen_at timestamptz,
    expires_at timestamptz, origin bytea, is_current boolean)
language sql stable security definer set search_path = ''
as $$
    select s.id, s.kind, a.name, s.created_at, s.seen_at, least(s.expires_at, s.idle_expires_at), s.origin,
        s.id = public.current_session_id()
    from public.sessions s
    join public.accounts a on a.id = s.account_id
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where s.user_id = public.current_user_id() and s.revoked_at is null
        and s.expires_at > now() and s.idle_expires_at > now()
    order by s.seen_at desc, s.id
$$;
-- +goose StatementEnd
comment on function my_sessions() is 'the person''s live sessions, in whichever of their accounts';

-- +goose StatementBegin
create function end_session(session uuid) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with ended as (
        update public.sessions s set revoked_at = now()
        where s.id = session and s.user_id = public.current_user_id() and s.revoked_at is null
        returning s.id
    )
    select exists (select from ended)
$$;
-- +goose StatementEnd
comment on function end_session(uuid) is 'ends one of the person''s own sessions; false: there is none such';

-- +goose StatementBegin
create function end_other_sessions() returns bigint
language sql volatile security definer set search_path = ''
as $$
    with ended as (
        update public.sessions s set revoked_at = now()
        where s.user_id = public.current_user_id() and s.id <> public.current_session_id()
            and s.revoked_at is null and s.expires_at > now() and s.idle_expires_at > now()
        returning s.id
    )
    select count(*) from ended
$$;
-- +goose StatementEnd
comment on function end_other_sessions() is 'ends all of the person''s sessions but the one that was presented';

-- A step-up code is a sign-in code that no client's secret opens: its client hash is
-- that of a number which nobody keeps. It does not count against those who sign in.
-- +goose StatementBegin
create function begin_step_up()
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
comment on function begin_step_up() is 'makes a code for the presented session to be mailed to its person: at most 10 an hour';

-- +goose StatementBegin
create function check_step_up(code uuid, code_hash bytea)
returns table (outcome text, tries_left int)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    c public.sign_in_codes;
begin
    select * into c from public.sign_in_codes s
    where s.id = code and s.session_id = public.current_session_id() for update;
    if c.id is null then
        return query select 'unknown', 0;
    elsif c.used_at is not null then
        return query select 'used', 0;
    elsif c.expires_at <= now() then
        return query select 'expired', 0;
    elsif c.tries >= 5 then
        return query select 'exhausted', 0;
    elsif c.code_hash is null or c.code_hash <> check_step_up.code_hash then
        update public.sign_in_codes s set tries = s.tries + 1 where s.id = code;
        return query select 'wrong', 4 - c.tries;
    else
        update public.sign_in_codes s set verified_at = now() where s.id = code;
        return query select 'right', 0;
    end if;
end
$$;
-- +goose StatementEnd
comment on function check_step_up(uuid, bytea) is 'five tries, ten minutes, only for the session that asked';

-- The session goes on under a new token, so that whoever knew the old one has nothing
-- of the rise.
-- +goose StatementBegin
create function step_up(code uuid, token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
    session uuid := public.current_session_id();
    ends timestamptz;
begin
    update public.sign_in_codes c set used_at = now()
    where c.id = code and c.session_id = session and c.verified_at is not null and c.used_at is null and c.expires_at > now();
    if not found then
        raise exception 'no code was checked that this session could be stepped up with' using errcode = 'IM002';
    end if;
    update public.sessions s set token_hash = step_up.token_hash, stepped_up_at = now()
    where s.id = session returning s.expires_at into ends;
    return ends;
end
$$;
-- +goose StatementEnd
comment on function step_up(uuid, bytea) is 'uses a checked code up, once, and gives the session a new token';

-- The mail says what its code is for. What the release before asks for is answered, too.
drop function set_code_hash(bytea);
-- For imago_worker, with the running send_code job of that code.
-- +goose StatementBegin
create function set_code_hash(code_hash bytea)
returns table (email text, expires_at timestamptz, steps_up boolean)
language sql volatile security definer set search_path = ''
as $$
    update public.sign_in_codes c set code_hash = set_code_hash.code_hash
    where c.id = public.current_code_id() and c.verified_at is null
        and current_setting('app.proof_kind', true) = 'job'
        and (not c.members_only or exists (
            select from public.users u join public.members m on m.user_id = u.id where u.email = c.email))
    returning c.email, c.expires_at, c.session_id is not null
$$;
-- +goose StatementEnd
comment on function set_code_hash(bytea) is 'stores what the code that is about to be mailed is checked against; answers where to and what it is for, and nothing where none is to be mailed';

-- The limits of signing in count what is asked for to sign in.
-- +goose StatementBegin
create or replace function begin_sign_in(address text, client bytea, ip bytea)
returns table (id uuid, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    -- Whoever asks at the same moment waits, so that the limits hold.
    perform pg_catalog.pg_advisory_xact_lock(7301, pg_catalog.hashtext(lower(address)));
    perform pg_catalog.pg_advisory_xact_lock(7302, pg_catalog.hashtext(encode(ip, 'hex')));
    if (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.ip_hash = ip and c.created_at > now() - interval '1 hour') >= 5
        or (select count(*) from public.sign_in_codes c
            where c.ip_hash = ip and c.created_at > now() - interval '1 hour') >= 20 then
        raise exception 'too many sign-in codes were asked for' using errcode = 'IM001';
    end if;
    if not public.knows_place(address, ip)
        and (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.created_at > now() - interval '1 hour' and c.session_id is null
                and not public.knows_place(address, c.ip_hash)) >= 20 then
        raise exception 'too many sign-in codes were asked for this address' using errcode = 'IM001',
            hint = 'try again in an hour, or from a network that you have signed in from before';
    end if;
    return query
        insert into public.sign_in_codes as c (email, client_hash, ip_hash)
        values (lower(address), client, ip)
        returning c.id, c.expires_at;
end
$$;
-- +goose StatementEnd

-- A session that is opened out of another one (for another of the person's accounts) is as
-- proven as that one; all others begin with a code.
-- +goose StatementBegin
create function begin_session() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if public.current_session_id() is not null then
        new.stepped_up_at := (select s.stepped_up_at from public.sessions s where s.id = public.current_session_id());
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function begin_session() is 'says since when a new session''s person has proved who they are';
create trigger sessions_begin before insert on sessions for each row execute function begin_session();

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('current_stepped_up()', 'imago_api, imago_worker, imago_drift'),
            ('my_sessions()', 'imago_api'),
            ('end_session(uuid)', 'imago_api'),
            ('end_other_sessions()', 'imago_api'),
            ('begin_step_up()', 'imago_api'),
            ('check_step_up(uuid, bytea)', 'imago_api'),
            ('step_up(uuid, bytea)', 'imago_api'),
            ('set_code_hash(bytea)', 'imago_worker'),
            ('begin_session()', 'imago_definer')
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
